"""The account of events: in = accepted + rejected + dropped + failed, and no event twice.

Counts alone balance too where one event is lost and another counted twice. So both sides also
add up a 64-bit number drawn from each event's sequence number, which takes no memory; two sets
of events that differ have the same sum with a chance of 2^-64.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

#: What becomes of an event.
FATES = ("accepted", "rejected", "dropped", "failed")


class Account:
    """What came in, and what became of it."""

    def __init__(self) -> None:
        self.entered = 0
        self.counts = dict.fromkeys(FATES, 0)
        self.reasons: Counter[str] = Counter()
        self._in = self._out = 0

    def enter(self, number: np.ndarray) -> None:
        """Take events in, by their sequence numbers `(events,)`."""
        self.entered += len(number)
        self._in += _sum(number)

    def settle(self, fate: str, number: np.ndarray, reason: str = "") -> None:
        """Say what became of events.

        Parameters
        ----------
        fate
            One of `FATES`.
        number
            Sequence numbers `(events,)`.
        reason
            Why, of those that were dropped or failed.
        """
        if not len(number):
            return
        self.counts[fate] += len(number)
        self._out += _sum(number)
        if reason:
            self.reasons[f"{fate}: {reason}"] += len(number)

    @property
    def open(self) -> int:
        """Events that nothing is said of yet."""
        return self.entered - sum(self.counts.values())

    @property
    def balances(self) -> bool:
        """Say whether each event that came in was settled once."""
        return self.open == 0 and (self._in - self._out) % 2**64 == 0

    def document(self) -> dict[str, Any]:
        """Return counts, reasons and the verdict."""
        return {
            "in": self.entered,
            **self.counts,
            "reasons": dict(sorted(self.reasons.items())),
            "balances": self.balances,
        }


def mixed(number: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return a 64-bit number drawn from each sequence number, by SplitMix64.

    G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014.

    >>> hex(int(mixed(np.array([0], np.uint64))[0]))
    '0xe220a8397b1dcdaf'
    """
    with np.errstate(over="ignore"):
        step = np.uint64(0x9E3779B97F4A7C15)
        z = (number.astype(np.uint64) + np.uint64(1) + np.uint64(seed) * np.uint64(1 << 32)) * step
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _sum(number: np.ndarray) -> int:
    with np.errstate(over="ignore"):
        return int(mixed(np.asarray(number)).sum(dtype=np.uint64))
