"""The queue between arrival and workers, and what is done when it is full.

`block`: the source waits. `drop-oldest`, `drop-newest`: the event that waited longest, or that
which comes, is dropped. `prescale`: of arriving events only one of n is taken, with n
doubled while the queue is above three quarters and grows, and halved while it is below one
quarter and shrinks; an event that is taken says n, by which it has to be weighted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hepnn.errors import RecipeError, nearest
from hepnn.trigger.account import mixed

POLICIES = ("block", "drop-oldest", "drop-newest", "prescale")

#: The largest prescale of the policy of that name.
LARGEST = 1 << 10


class Waiting(NamedTuple):
    """Events that wait: arrays `(events,)` of int64."""

    number: np.ndarray
    arrival: np.ndarray
    prescale: np.ndarray


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
        self._ring = np.zeros((3, capacity), np.int64)
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

    def offer(self, number: np.ndarray, arrival: np.ndarray) -> Iterator[tuple[np.ndarray, str]]:
        """Take events in, the oldest first; yield the numbers that are dropped, and why.

        Parameters
        ----------
        number, arrival
            Sequence numbers and times in ns `(events,)`. With `block` no more than `free`.
        """
        if self.policy == "prescale":
            for start in range(0, len(number), self._step):
                part = slice(start, start + self._step)
                yield from self._prescaled(number[part], arrival[part])
            return
        if self.policy == "drop-oldest":
            excess = len(number) - self.free
            if excess > 0:
                waiting = min(excess, self._length)
                if waiting:
                    yield self.take(waiting).number, "oldest, the queue was full"
                if excess > waiting:
                    yield number[: excess - waiting], "oldest, the queue was full"
                    number, arrival = number[excess - waiting :], arrival[excess - waiting :]
        elif len(number) > self.free:
            yield number[self.free :], "newest, the queue was full"
            number, arrival = number[: self.free], arrival[: self.free]
        self._append(number, arrival, 1)

    def take(self, most: int) -> Waiting:
        """Return events and remove them, the oldest first."""
        count = min(most, self._length)
        places = (self._first + np.arange(count)) % self.capacity
        taken = self._ring[:, places]
        self._first = (self._first + count) % self.capacity
        self._length -= count
        return Waiting(*taken)

    def _prescaled(
        self, number: np.ndarray, arrival: np.ndarray
    ) -> Iterator[tuple[np.ndarray, str]]:
        self._since += len(number)
        if self._since >= self._step:
            growing, self._before, self._since = self._length >= self._before, self._length, 0
            if self._length > 3 * self.capacity // 4 and growing:
                self.prescale = min(2 * self.prescale, LARGEST)
            elif self._length < self.capacity // 4 and not (growing and self._length):
                self.prescale = max(self.prescale // 2, 1)
        if self.prescale > 1:
            taken = mixed(number, self._seed) % np.uint64(self.prescale) == 0
            yield number[~taken], "prescaled"
            number, arrival = number[taken], arrival[taken]
        if len(number) > self.free:
            yield number[self.free :], "newest, the queue was full"
            number, arrival = number[: self.free], arrival[: self.free]
        self._append(number, arrival, self.prescale)

    def _append(self, number: np.ndarray, arrival: np.ndarray, prescale: int) -> None:
        places = (self._first + self._length + np.arange(len(number))) % self.capacity
        self._ring[0, places], self._ring[1, places] = number, arrival
        self._ring[2, places] = prescale
        self._length += len(number)
