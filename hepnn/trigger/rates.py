"""What a menu accepts: counts and rates of its items, together, alone and only by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hepnn.trigger.menu import Menu


class Rates:
    """What a menu accepted: in total, and of each item alone and only by it."""

    def __init__(self, menu: Menu) -> None:
        self._menu = menu
        self.events = self.total = 0
        self._passed, self._kept, self._unique = np.zeros((3, len(menu.items)), np.int64)

    def add(self, menu: Menu, passed: np.ndarray, kept: np.ndarray) -> None:
        """Count events `(events, items)` bool, before and after the prescales of a menu."""
        self._menu = menu
        several = kept.sum(axis=1)
        self.events += len(kept)
        self.total += int(np.count_nonzero(several))
        self._passed += passed.sum(axis=0)
        self._kept += kept.sum(axis=0)
        self._unique += (kept & (several == 1)[:, None]).sum(axis=0)

    def items(self, seconds: float) -> Mapping[str, dict[str, Any]]:
        """Return counts, rates in Hz with their Poisson errors, and the last prescale, by item."""
        return {
            item.name: {
                "prescale": item.prescale,
                "passed": int(self._passed[place]),
                "kept": int(self._kept[place]),
                "unique": int(self._unique[place]),
                "rate_hz": rate(int(self._kept[place]), seconds),
                "unique_rate_hz": rate(int(self._unique[place]), seconds),
            }
            for place, item in enumerate(self._menu.items)
        }


def rate(count: int, seconds: float) -> dict[str, float]:
    """Return a rate and its error, the square root of the count over the time."""
    seconds = max(seconds, 1e-9)
    return {"value": count / seconds, "error": float(np.sqrt(count)) / seconds}
