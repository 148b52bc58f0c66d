"""Time, as the loop sees it: the machine's monotonic one, or one that a test moves."""

from __future__ import annotations

import os
import time
from typing import Protocol


class Clock(Protocol):
    """Time, in ns."""

    def now(self) -> int:
        """Return the time."""

    def pause(self, until: int) -> None:
        """Wait; it may be for less."""


class Monotonic:
    """The machine's monotonic clock."""

    #: What a sleep takes longer than it should, about.
    LATE = 120_000

    def now(self) -> int:
        """Return the time."""
        return time.monotonic_ns()

    def pause(self, until: int) -> None:
        """Sleep, a millisecond at most; what is nearer than a sleep can hit is waited for awake."""
        left = until - time.monotonic_ns() - self.LATE
        if left > 0:
            time.sleep(min(left, 1_000_000) * 1e-9)
        else:
            os.sched_yield()
