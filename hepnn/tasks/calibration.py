"""Whether probabilities are what they say: of the events given 0.8, 80 % should be right."""

from __future__ import annotations

import numpy as np

#: Bins of the confidence, as in the paper's tables.
BINS = 15


def error(probability: np.ndarray, decided: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
    r"""Return the expected calibration error (ECE) of Guo et al., arXiv:1706.04599, equation 3.

    With the events in bins :math:`B_m` of equal width in their confidence, the probability of the
    class that they are given,

    .. math:: \mathrm{ECE} = \sum_{m=1}^{M} \frac{|B_m|}{n}
              \left| \mathrm{acc}(B_m) - \mathrm{conf}(B_m) \right|,

    where acc is the share of a bin's events that are given the right class, and conf the mean of
    their confidences; events count with their weights. Bins are open below, closed above. Where
    a confidence is no number, it is 1, the largest.

    Parameters
    ----------
    probability
        `(events, classes)`.
    decided, y
        Class given and true class of each event.
    weight
        Of each event.

    >>> two = np.array([[0.9, 0.1], [0.9, 0.1]])
    >>> given, one = np.zeros(2, int), np.ones(2)
    >>> round(error(two, given, np.array([0, 1]), one), 3)
    0.4
    """
    found = gaps(probability, decided, y)
    return 1.0 if found is None else float(np.abs(weight @ found).sum() / weight.sum())


def gaps(probability: np.ndarray, decided: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Return what each event adds to the gap of its bin, right minus confidence.

    The error is the sum over the bins of the absolute mean.

    Parameters
    ----------
    probability, decided, y
        As of `error`.

    Returns
    -------
    np.ndarray or None
        `(events, bins)`; None where a confidence is no number.
    """
    confidence = probability[np.arange(len(y)), decided]
    if not np.isfinite(confidence).all():
        return None
    edges = np.linspace(0.0, 1.0, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
    found = np.zeros((len(y), BINS))
    found[np.arange(len(y)), place] = (decided == y) - confidence
    return found
