"""Latencies in bins of equal ratio: any number of events, the same memory, 1.1 % resolution.

The idea is that of G. Tene's HdrHistogram (hdrhistogram.org); here the bins are those of the
logarithm, 64 an octave.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_AN_OCTAVE = 64
_OCTAVES = 44

#: The quantiles that are said.
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}


class Latencies:
    """Times from an event's arrival to when a worker has its scores, in ns."""

    def __init__(self) -> None:
        self.counts = np.zeros(_AN_OCTAVE * _OCTAVES, np.int64)
        self.largest = 0

    def add(self, nanoseconds: np.ndarray) -> None:
        """Count times int64 `(events,)`; below 1 ns they count as 1 ns."""
        if not len(nanoseconds):
            return
        self.largest = max(self.largest, int(nanoseconds.max()))
        index = (_AN_OCTAVE * np.log2(np.maximum(nanoseconds, 1))).astype(np.int64)
        last = len(self.counts) - 1
        self.counts += np.bincount(np.minimum(index, last), minlength=len(self.counts))

    @property
    def edges(self) -> np.ndarray:
        """Edges of the bins, in ns."""
        return 2.0 ** (np.arange(len(self.counts) + 1) / _AN_OCTAVE)

    def quantile(self, share: float) -> float | None:
        """Return the time in ns below which a share of the events lies: a bin's upper edge."""
        total = int(self.counts.sum())
        if not total:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), np.ceil(share * total)))
        return min(float(self.edges[place + 1]), float(max(self.largest, 1)))

    def document(self) -> dict[str, Any]:
        """Return quantiles and maximum in microseconds, and the bins that are not empty."""
        said: dict[str, Any] = {}
        for name, share in QUANTILES.items():
            found = self.quantile(share)
            said[name] = None if found is None else found / 1e3
        full = np.flatnonzero(self.counts)
        said["max"] = self.largest / 1e3 if len(full) else None
        said["bins"] = {
            "lower_edges": (self.edges[full] / 1e3).tolist(),
            "counts": self.counts[full].tolist(),
        }
        return said
