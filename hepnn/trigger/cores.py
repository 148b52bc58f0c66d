"""The loop and its workers on cores apart: both are awake most of the time, and wake each other.

Linux puts a process that is woken beside the one that woke it, and takes tens of milliseconds to
find that the core next to them is free.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple


class Cores(NamedTuple):
    """Numbers of cores; None for any."""

    loop: frozenset[int] | None = None
    workers: frozenset[int] | None = None


def apart(workers: int) -> Cores:
    """Return a core for the loop and the others for its workers; any, if they are too few.

    Streams that run at once get different cores for their loops, most of the time.
    """
    if not hasattr(os, "sched_getaffinity"):  # no Linux
        return Cores()
    free = sorted(os.sched_getaffinity(0))
    if len(free) <= workers:
        return Cores()
    own = free[os.getpid() % len(free)]
    return Cores(frozenset({own}), frozenset(free) - {own})


@contextlib.contextmanager
def kept(cores: frozenset[int] | None) -> Iterator[None]:
    """Keep this thread, and the processes that it starts, on some cores for a while.

    Where the system does not allow it, or has taken the cores away since, the thread stays where
    it is.

    Parameters
    ----------
    cores
        Their numbers; None for any.
    """
    if cores is None:
        yield
        return
    before = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, before)
