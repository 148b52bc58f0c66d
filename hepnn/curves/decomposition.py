"""The squared error of networks trained on several training sets, in bias and variance.

With answers f_s(x) of S trainings, their mean f, and the truth y (S. Geman, E. Bienenstock,
R. Doursat, "Neural networks and the bias/variance dilemma", Neural Computation 4 (1992) 1):

    E_s (f_s - y)^2 = (f - y)^2 + E_s (f_s - f)^2

Of a finite number of trainings the second term is `(S - 1) / S` of the variance, and the first
has the rest of it; both are corrected, as Z. Yang et al. do (arXiv:2002.11328). Noise in the truth
cannot be told from bias, and an estimate of a small bias can come out below zero.

Trainings that differ by their seed alone have other first weights, and other events where the
recipe has a `train_limit`: without one the variance is that of the first weights.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Parts(NamedTuple):
    """Means over events: `error = bias2 + variance`."""

    error: float
    bias2: float
    variance: float


def of_squares(answers: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> Parts:
    """Return the parts of the squared error, summed over outputs.

    Parameters
    ----------
    answers
        `(trainings, events, outputs)`; at least two trainings.
    truth
        `(events, outputs)`; of classes, 1 for the right one.
    weight
        `(events,)`.
    """
    answers = answers.astype(np.float64)
    mean = answers.mean(axis=0)
    error = ((answers - truth) ** 2).sum(axis=-1).mean(axis=0)
    spread = ((answers - mean) ** 2).sum(axis=-1).sum(axis=0) / (len(answers) - 1)
    whole, variance = (float(np.average(one, weights=weight)) for one in (error, spread))
    return Parts(whole, whole - variance, variance)
