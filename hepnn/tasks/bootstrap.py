"""Intervals of figures: the Poisson bootstrap, in which every event counts a random whole number.

B. Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7 (1979) 1; with
Poisson numbers instead of a multinomial, an event is drawn without knowing how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

#: Replicas of the events.
REPLICAS = 200

#: Coverage of an interval: one standard deviation of a Gaussian, to both sides.
COVERAGE = 0.6827


#: Numbers that are looked at together, so that many events take no more memory than few.
AT_ONCE = 4_000_000


def draws(events: int, seed: int) -> np.ndarray:
    """Return how often each replica counts each event `(replicas, events)` uint8."""
    rng = np.random.default_rng(seed)
    drawn = np.empty((REPLICAS, events), np.uint8)
    for replica in drawn:
        replica[:] = rng.poisson(1.0, events)
    return drawn


def blocks(drawn: np.ndarray) -> Iterator[np.ndarray]:
    """Return replicas, a few at a time."""
    step = max(AT_ONCE // max(drawn.shape[1], 1), 1)
    for start in range(0, len(drawn), step):
        yield drawn[start : start + step]


def means(values: np.ndarray, weight: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return weighted means: of the events as they are, then of each replica.

    Parameters
    ----------
    values
        `(events, figures)`.
    weight
        `(events,)`.
    drawn
        Of `draws`.

    Returns
    -------
    np.ndarray
        `(1 + replicas, figures)`; not a number where a replica has drawn nothing.
    """
    weighted = np.concatenate([values, np.ones((len(values), 1))], axis=1) * weight[:, None]
    every = np.ones((1, len(values)), np.uint8)
    sums = np.concatenate([block @ weighted for block in (every, *blocks(drawn))])
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, :-1] / sums[:, -1:]


def central(replicas: np.ndarray) -> Any:
    """Return the central interval of each figure, `[low, high]`, from its replicas.

    Parameters
    ----------
    replicas
        `(replicas, ...)`; one that is not a number is not looked at.
    """
    tail = 50 * (1 - COVERAGE)
    percentiles = np.percentile if np.isfinite(replicas).all() else np.nanpercentile
    return percentiles(replicas, [tail, 100 - tail], axis=0).T.tolist()
