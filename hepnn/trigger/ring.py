"""A ring: an array whose rows are written and read one after the other, and used again.

Rows are counted from the first that was ever written; the caller keeps the counts.
"""

from __future__ import annotations

import numpy as np


def write(ring: np.ndarray, first: int, rows: np.ndarray) -> None:
    """Write rows `(rows, ...)`, no more than the ring has, from the one counted `first` on."""
    depth = len(ring)
    start = first % depth
    end = start + len(rows)
    if end <= depth:
        ring[start:end] = rows
    else:
        ring[start:] = rows[: depth - start]
        ring[: end - depth] = rows[depth - start :]


def read(ring: np.ndarray, first: int, count: int) -> np.ndarray:
    """Return a copy of so many rows, no more than the ring has, from the one counted `first`.

    >>> ring = np.array([4, 5, 2, 3])
    >>> read(ring, 3, 3)
    array([3, 4, 5])
    """
    depth = len(ring)
    start = first % depth
    end = start + count
    if end <= depth:
        return ring[start:end].copy()
    return np.concatenate([ring[start:], ring[: end - depth]])
