"""Inputs outside of the range that was seen before.

Types of firmware come from the events that were seen; what other events bring beyond them was
never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def counted(seen: np.ndarray, x: np.ndarray, names: Sequence[str] = ()) -> dict[str, Any]:
    """Count the events with a quantity outside of the range seen, by feature.

    Parameters
    ----------
    seen
        Quantities `(events, ..., features)` that ranges are taken from.
    x
        Quantities of other events, of the same shape but for their number.
    names
        Of the features; their numbers where there are none.

    Returns
    -------
    dict
        `seen` and `events`, how many there are; `outside`, how many of the latter have any
        quantity outside; `features`, for each its `name`, the range seen from `low` to `high`,
        and the events `below` and `above`.

    Examples
    --------
    >>> found = counted(np.array([[0.0], [1.0]]), np.array([[0.5], [2.0], [-1.0]]), ["pt"])
    >>> found["outside"], found["features"]
    (2, [{'name': 'pt', 'low': 0.0, 'high': 1.0, 'below': 1, 'above': 1}])
    """
    features = seen.shape[-1]
    known = seen.reshape(-1, features)
    low, high = known.min(axis=0), known.max(axis=0)
    every = x.reshape(len(x), -1, features)
    below, above = (every < low).any(axis=1), (every > high).any(axis=1)
    called = list(names) if len(names) == features else [str(n) for n in range(features)]
    rows = [
        {
            "name": called[n],
            "low": float(low[n]),
            "high": float(high[n]),
            "below": int(below[:, n].sum()),
            "above": int(above[:, n].sum()),
        }
        for n in range(features)
    ]
    outside = int((below | above).any(axis=1).sum())
    return {"seen": len(seen), "events": len(x), "outside": outside, "features": rows}
