"""Intervals of figures: the Poisson bootstrap, in which every event counts a random whole number.

B. Efron, "Bootstrap methods: another look at the jackknife", Ann. Statist. 7 (1979) 1; with
Poisson numbers instead of a multinomial, an event is drawn without knowing how many there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Replicas of the events.
REPLICAS = 200

#: Coverage of an interval: one standard deviation of a Gaussian, to both sides.
COVERAGE = 0.6827


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
