"""The memory that one worker shares with the loop: a ring of events in, of scores out.

The loop alone writes `head` and the events, the worker alone `tail` and the answers; a place is
used again once its answer was read. A side writes its counter after what it counts, and the
other side sees it in that order: so do processors of the x86-64 kind. What a killed worker held
is what lies between `tail` and `head`; the memory outlives it, and vanishes with the loop.
"""

from __future__ import annotations

import os
from multiprocessing.context import SpawnContext
from time import monotonic_ns
from typing import Any

import numpy as np

from hepnn.trigger import ring

_HEAD, _TAIL, _GENERATION, _STOP, _WAITS = range(0, 40, 8)
_CONTROLS = 40

#: Times that a worker waits without being woken, in seconds: a wake-up that was missed costs it.
PATIENCE = 0.001

#: Time in ns that a worker waits awake: to be woken takes it, and the loop, about as long.
AWAKE = 50_000


class Lane:
    """The ring; made by the loop and handed to a worker when it is started.

    Parameters
    ----------
    context
        Of the processes.
    depth
        Events that it holds.
    shape
        Of one event.
    scores
        Scores of one event.
    """

    def __init__(
        self, context: SpawnContext, depth: int, shape: tuple[int, ...], scores: int
    ) -> None:
        self.depth = depth
        self._layout: list[tuple[str, tuple[int, ...], str]] = [
            ("control", (_CONTROLS,), "q"),
            ("done", (depth,), "q"),
            ("generation", (depth,), "q"),
            ("scores", (depth, scores), "d"),
            ("x", (depth, *shape), "f"),
        ]
        size = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for _, shape, kind in self._layout)
        self._memory = context.RawArray("b", size)
        self._wake = context.Semaphore(0)
        self._map()

    def put(self, x: np.ndarray) -> None:
        """Hand events over `(events, *shape)`, no more than there are places; wake the worker."""
        head = self.head
        ring.write(self.x, head, x)
        self.control[_HEAD] = head + len(x)
        self.wake()

    def wake(self) -> None:
        """Wake the worker, if it waits."""
        if self.control[_WAITS]:
            self.control[_WAITS] = 0
            self._wake.release()

    def wait(self) -> None:
        """Wait for something to do, in the worker: awake first, then asleep."""
        until = monotonic_ns() + AWAKE
        while monotonic_ns() < until:
            if not self._idle:
                return
            os.sched_yield()
        self.control[_WAITS] = 1
        if self._idle:
            self._wake.acquire(timeout=PATIENCE)
        self.control[_WAITS] = 0

    @property
    def _idle(self) -> bool:
        return self.control[_HEAD] == self.control[_TAIL] and not self.control[_STOP]

    @property
    def head(self) -> int:
        """Events that were ever put in."""
        return self.control[_HEAD]

    @property
    def tail(self) -> int:
        """Events that were ever answered."""
        return self.control[_TAIL]

    @tail.setter
    def tail(self, value: int) -> None:
        self.control[_TAIL] = value

    @property
    def wanted(self) -> int:
        """Number of the menu that the worker shall use."""
        return self.control[_GENERATION]

    @wanted.setter
    def wanted(self, value: int) -> None:
        self.control[_GENERATION] = value

    @property
    def stopped(self) -> bool:
        """Whether the worker shall end once nothing is left."""
        return bool(self.control[_STOP])

    def stop(self) -> None:
        """Let the worker end."""
        self.control[_STOP] = 1
        self._wake.release()

    def _map(self) -> None:
        offset = 0
        whole = memoryview(np.frombuffer(self._memory, np.uint8))  # type: ignore[arg-type]
        for name, shape, kind in self._layout:
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            part = whole[offset : offset + size]
            mapped: Any = part.cast("q")
            if name != "control":
                mapped = np.frombuffer(part, kind).reshape(shape)
            setattr(self, name, mapped)
            offset += size

    control: Any
    done: np.ndarray
    generation: np.ndarray
    scores: np.ndarray
    x: np.ndarray

    def __getstate__(self) -> dict[str, Any]:
        """Hand over the memory; it is mapped anew where it arrives."""
        return {name: self.__dict__[name] for name in ("depth", "_layout", "_memory", "_wake")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()
