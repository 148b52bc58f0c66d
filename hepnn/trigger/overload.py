"""The queue between arrival and workers, and what is done when it is full.

`block`: the source waits. `drop-oldest`, `drop-newest`: the event that waited longest, or that
which comes, is dropped. `prescale`: of arriving events only one of n is taken, with n
doubled while the queue is above three quarters and grows, and halved while it is below one
quarter and shrinks; an event that is taken says n, by which it has to be weighted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hepnn.errors import RecipeError, nearest
from hepnn.trigger import ring
from hepnn.trigger.account import mixed

POLICIES = ("block", "drop-oldest", "drop-newest", "prescale")

#: The largest prescale of the policy of that name.
LARGEST = 1 << 10

#: Numbers that are known of an event.
COLUMNS = 5


class Waiting:
    """Events that wait, as one table, so that they are moved at once.

    Attributes
    ----------
    table : np.ndarray
        `(events, 5)` int64: sequence number, time of arrival in ns, row in the source, prescale,
        and how often a worker died with it.
    """

    __slots__ = ("table",)

    def __init__(self, table: np.ndarray) -> None:
        self.table = table

    @classmethod
    def of(cls, number: np.ndarray, arrival: Any, row: np.ndarray) -> Waiting:
        """Return events of a sequence number, arrival and row each `(events,)`."""
        table = np.empty((len(number), COLUMNS), np.int64)
        table[:, 0], table[:, 1], table[:, 2], table[:, 3:] = number, arrival, row, (1, 0)
        return cls(table)

    @classmethod
    def none(cls, places: int = 0) -> Waiting:
        """Return so many places for events, none of them taken."""
        return cls(np.zeros((places, COLUMNS), np.int64))

    def __len__(self) -> int:
        """Return how many events they are."""
        return len(self.table)

    def __getitem__(self, which: Any) -> Waiting:
        """Return some of them, by a slice or by a mask `(events,)`."""
        return Waiting(self.table[which])

    @property
    def number(self) -> np.ndarray:
        """Sequence numbers `(events,)`."""
        return self.table[:, 0]

    @property
    def arrival(self) -> np.ndarray:
        """Times of arrival in ns `(events,)`."""
        return self.table[:, 1]

    @property
    def row(self) -> np.ndarray:
        """Rows in the source `(events,)`."""
        return self.table[:, 2]

    @property
    def prescale(self) -> np.ndarray:
        """Of how many events each was taken `(events,)`."""
        return self.table[:, 3]

    @property
    def deaths(self) -> np.ndarray:
        """How often a worker died with each `(events,)`."""
        return self.table[:, 4]


class Queue:
    """A ring of so many events.

    Parameters
    ----------
    capacity
        Events that wait at most.
    policy
        One of `POLICIES`.
    seed
        Of the policy `prescale`.

    Raises
    ------
    RecipeError
        If there is no such policy.
    """

    def __init__(self, capacity: int, policy: str = "block", seed: int = 0) -> None:
        if policy not in POLICIES:
            raise RecipeError(f"unknown policy {policy!r}; {nearest(policy, POLICIES)}")
        self.capacity, self.policy, self.prescale = capacity, policy, 1
        self._ring = Waiting.none(capacity).table
        self._first = self._length = 0
        self._seed = seed
        # The prescale follows the queue in steps of so many events that come.
        self._step = max(capacity // 8, 1)
        self._since = self._before = 0

    def __len__(self) -> int:
        """Return how many events wait."""
        return self._length

    @property
    def free(self) -> int:
        """Places that are left."""
        return self.capacity - self._length

    @property
    def room(self) -> int | None:
        """Events that may be offered; None for any number."""
        return self.free if self.policy == "block" else None

    def offer(self, events: Waiting) -> Iterator[tuple[np.ndarray, str]]:
        """Take events in, the oldest first; yield the numbers that are dropped, and why.

        Parameters
        ----------
        events
            That come. With `block` no more than `free`.
        """
        if self.policy == "prescale":
            for start in range(0, len(events), self._step):
                yield from self._prescaled(events[start : start + self._step])
            return
        if self.policy == "drop-oldest":
            excess = len(events) - self.free
            if excess > 0:
                waiting = min(excess, self._length)
                if waiting:
                    yield self.take(waiting).number, "oldest, the queue was full"
                if excess > waiting:
                    yield events.number[: excess - waiting], "oldest, the queue was full"
                    events = events[excess - waiting :]
        elif len(events) > self.free:
            yield events.number[self.free :], "newest, the queue was full"
            events = events[: self.free]
        self._append(events)

    def take(self, most: int) -> Waiting:
        """Return events and remove them, the oldest first."""
        count = min(most, self._length)
        taken = ring.read(self._ring, self._first, count)
        self._first += count
        self._length -= count
        return Waiting(taken)

    def _prescaled(self, events: Waiting) -> Iterator[tuple[np.ndarray, str]]:
        self._since += len(events)
        if self._since >= self._step:
            growing, self._before, self._since = self._length >= self._before, self._length, 0
            if self._length > 3 * self.capacity // 4 and growing:
                self.prescale = min(2 * self.prescale, LARGEST)
            elif self._length < self.capacity // 4 and not (growing and self._length):
                self.prescale = max(self.prescale // 2, 1)
        if self.prescale > 1:
            taken = mixed(events.number, self._seed) % np.uint64(self.prescale) == 0
            yield events.number[~taken], "prescaled"
            events = events[taken]
            events.prescale[:] = self.prescale
        if len(events) > self.free:
            yield events.number[self.free :], "newest, the queue was full"
            events = events[: self.free]
        self._append(events)

    def _append(self, events: Waiting) -> None:
        ring.write(self._ring, self._first + self._length, events.table)
        self._length += len(events)
