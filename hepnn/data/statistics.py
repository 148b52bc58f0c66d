"""Mean, variance and range of features in one pass: weighted, and mergeable across chunks.

T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing
sample variances" (1979), eq. (2.1), with weights. Two parts of a set, looked at in any order or
process, merge to what the whole gives, up to float64 rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Statistics:
    """What is known of the features of the events seen so far.

    Attributes
    ----------
    events : int
        Values a feature.
    weight : np.ndarray
        Sum of weights `(features,)`.
    mean, squares : np.ndarray
        Weighted mean, and weighted sum of squared distances from it `(features,)`.
    lowest, highest : np.ndarray
        Of the values of positive or negative weight alike `(features,)`.
    whole : np.ndarray
        Whether all values are whole numbers `(features,)`.
    """

    events: int
    weight: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    whole: np.ndarray

    @property
    def std(self) -> np.ndarray:
        """Weighted standard deviation `(features,)`, as `numpy.std`."""
        total = np.where(self.weight > 0, self.weight, 1.0)
        return np.sqrt(np.maximum(self.squares / total, 0.0))

    def __add__(self, other: Statistics) -> Statistics:
        """Merge with the statistics of other events."""
        weight = self.weight + other.weight
        share = np.divide(other.weight, weight, out=np.zeros_like(weight), where=weight > 0)
        distance = other.mean - self.mean
        return Statistics(
            events=self.events + other.events,
            weight=weight,
            mean=self.mean + distance * share,
            squares=self.squares + other.squares + distance**2 * self.weight * share,
            lowest=np.minimum(self.lowest, other.lowest),
            highest=np.maximum(self.highest, other.highest),
            whole=self.whole & other.whole,
        )


def empty(features: int) -> Statistics:
    """Return the statistics of no events."""
    zero = np.zeros(features)
    return Statistics(
        0, zero, zero, zero, np.full(features, np.inf), np.full(features, -np.inf), zero == 0
    )


def of(x: np.ndarray, weight: np.ndarray | None = None) -> Statistics:
    """Return the statistics of events.

    Parameters
    ----------
    x
        `(events, ..., features)`; a NaN is not looked at.
    weight
        `(events,)`; its absolute value is taken, so that a variance is never negative.

    Examples
    --------
    >>> two = of(np.array([[1.0], [2.0]])) + of(np.array([[6.0]]))
    >>> two.mean.tolist(), round(float(two.std[0]) ** 2, 6)
    ([3.0], 4.666667)
    """
    features = x.shape[-1]
    if x.size == 0:
        return empty(features)
    flat = x.reshape(-1, features).astype(np.float64)
    there = np.isfinite(flat)
    if weight is None or np.all(weight == weight[0]):
        each = there * 1.0 if weight is None else there * abs(float(weight[0]))
    else:
        each = np.repeat(np.abs(weight, dtype=np.float64), len(flat) // len(x))[:, None] * there
    known = flat if there.all() else np.where(there, flat, 0.0)
    total = each.sum(axis=0)
    safe = np.where(total > 0, total, 1.0)
    mean = (each * known).sum(axis=0) / safe
    squares = (each * (known - mean) ** 2).sum(axis=0)
    return Statistics(
        events=int(there.sum(axis=0).max(initial=0)),
        weight=total,
        mean=mean,
        squares=squares,
        lowest=np.min(np.where(there, flat, np.inf), axis=0),
        highest=np.max(np.where(there, flat, -np.inf), axis=0),
        whole=np.all(~there | (flat == np.round(flat)), axis=0),
    )
