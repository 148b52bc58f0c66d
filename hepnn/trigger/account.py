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

#: Events that are added up together.
TOGETHER = 4096


class Account:
    """What came in, and what became of it."""

    def __init__(self) -> None:
        self.entered = 0
        self.counts = dict.fromkeys(FATES, 0)
        self.reasons: Counter[str] = Counter()
        self._in, self._out = _Sum(), _Sum()

    def enter(self, number: np.ndarray) -> None:
        """Take events in, by their sequence numbers `(events,)`."""
        self.entered += len(number)
        self._in.add(number)

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
        self._out.add(number)
        if reason:
            self.reasons[f"{fate}: {reason}"] += len(number)

    @property
    def open(self) -> int:
        """Events that nothing is said of yet."""
        return self.entered - sum(self.counts.values())

    @property
    def balances(self) -> bool:
        """Say whether each event that came in was settled once."""
        return self.open == 0 and self._in.value == self._out.value

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
        z = (number.astype(np.uint64) + np.uint64(((seed << 32) + 1) % 2**64)) * step
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


class _Sum:
    """The sum of the numbers drawn, modulo 2^64; many are drawn at once, which is faster."""

    def __init__(self) -> None:
        self._value = self._held = 0
        self._waiting: list[np.ndarray] = []

    def add(self, number: np.ndarray) -> None:
        """Add the numbers drawn from sequence numbers `(events,)`, which are not changed later."""
        self._waiting.append(number)
        self._held += len(number)
        if self._held >= TOGETHER:
            self._draw()

    @property
    def value(self) -> int:
        """The sum."""
        self._draw()
        return self._value

    def _draw(self) -> None:
        if self._waiting:
            drawn = mixed(np.concatenate(self._waiting)).sum(dtype=np.uint64)
            self._value = (self._value + int(drawn)) % 2**64
            self._waiting, self._held = [], 0
