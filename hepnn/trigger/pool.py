"""Workers: processes that score events, replaced when one is killed or hangs.

Events are known by their sequence numbers. What a worker held when it died is given back, and a
new worker takes its place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from hepnn.errors import RunError
from hepnn.trigger import cores, ring
from hepnn.trigger.lane import Lane
from hepnn.trigger.menu import Menu
from hepnn.trigger.overload import Waiting
from hepnn.trigger.worker import work

#: Events that a worker holds at most.
DEPTH = 512

#: Time without an answer, in ns, after which a worker that holds events is killed.
HANGS = 20_000_000_000


class Answers(NamedTuple):
    """Events that were scored; arrays `(events, ...)`."""

    events: Waiting
    scores: np.ndarray
    generation: np.ndarray
    done: np.ndarray


class Workers(Protocol):
    """What the loop needs of its workers."""

    @property
    def held(self) -> int:
        """Events that they hold."""

    def put(self, take: Callable[[int], Waiting], waiting: int) -> int:
        """Take as many of the waiting events as there are places; return how many."""

    def collect(self) -> list[Answers]:
        """Return what was answered since."""

    def recover(self, now: int) -> list[Waiting]:
        """Return the events of workers that died, and replace these."""

    def reload(self, menu: Menu, generation: int) -> None:
        """Let the workers use another menu."""

    @property
    def oldest(self) -> int:
        """Number of the oldest menu that an answer to come may be of."""

    def stop(self) -> None:
        """End all workers."""


class Pool:
    """Processes.

    All but `reload` is for one thread.

    Parameters
    ----------
    menu
        That they score with.
    x_of
        Function of rows `(events,)` of the source that returns the events `(events, *shape)`.
    workers
        How many.
    depth
        Events that each holds at most.
    where
        Cores on which they run; None for any.
    """

    def __init__(
        self,
        menu: Menu,
        x_of: Callable[[np.ndarray], np.ndarray],
        workers: int,
        depth: int = DEPTH,
        where: frozenset[int] | None = None,
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._x_of, self._depth, self._where = x_of, depth, where
        # Number and state of the menu, which `reload` replaces together.
        self._menu: tuple[int, Any] = (0, menu.state())
        self._shape, self._scores = menu.shape, len(menu.items)
        self.replaced = 0
        self._members = [_Member(self) for _ in range(workers)]

    def wait(self) -> None:
        """Wait until every worker is ready.

        Raises
        ------
        RunError
            If one ended before.
        """
        for member in self._members:
            try:
                member.reloads.recv()
            except EOFError as error:
                self.stop()
                raise RunError("a worker ended before it was ready: see above") from error

    @property
    def held(self) -> int:
        """Events that the workers hold."""
        return sum(member.head - member.collected for member in self._members)

    @property
    def processes(self) -> list[int]:
        """The workers' process ids."""
        return [int(member.process.pid or 0) for member in self._members]

    def put(self, take: Callable[[int], Waiting], waiting: int) -> int:
        """Share waiting events out, evenly, and those that hold least first."""
        members = sorted(self._members, key=lambda one: one.head - one.lane.tail)
        before = waiting
        for left, member in zip(range(len(members), 0, -1), members, strict=True):
            count = min(-(-waiting // left), self._depth - (member.head - member.collected))
            if count > 0:
                member.put(take(count))
                waiting -= count
        return before - waiting

    def collect(self) -> list[Answers]:
        """Return what was answered since."""
        return [found for member in self._members if (found := member.collect()) is not None]

    def recover(self, now: int) -> list[Waiting]:
        """Return the events of workers that died or hang, and replace these.

        Parameters
        ----------
        now
            Time in ns.
        """
        found = []
        for place, member in enumerate(self._members):
            if member.hangs(now):
                member.process.kill()
                member.process.join()
            if member.process.exitcode is None:
                continue
            held = member.held()
            member.close()
            found.append(held)
            self._members[place] = _Member(self)
            # It may have been made while a menu came.
            self._members[place].use(*self._menu)
            self.replaced += 1
        return found

    def reload(self, menu: Menu, generation: int) -> None:
        """Let the workers use another menu, from the next event that is put in on.

        Another thread than the loop's may call it, one at a time; it may have to wait for a
        worker to read the menu.
        """
        self._menu = (generation, menu.state())
        for member in list(self._members):
            member.use(*self._menu)

    @property
    def oldest(self) -> int:
        """Number of the oldest menu that an answer to come may be of."""
        return min(member.oldest for member in self._members)

    def stop(self) -> None:
        """End all workers, when they have answered what they hold."""
        for member in self._members:
            member.lane.stop()
        for member in self._members:
            member.process.join(10)
            if member.process.exitcode is None:
                member.process.kill()
                member.process.join()
            member.close()

    def _start(self, *arguments: Any) -> Any:
        process = self._context.Process(target=work, args=arguments, daemon=True)
        # A process inherits the cores of the thread that starts it.
        with cores.kept(self._where):
            process.start()
        return process


class _Member:
    """One worker, with what it holds."""

    def __init__(self, pool: Pool) -> None:
        generation, state = pool._menu
        self.lane = Lane(pool._context, pool._depth, pool._shape, pool._scores)
        self.lane.wanted = self._answered = generation
        self._x_of = pool._x_of
        self._events = Waiting.none(pool._depth).table
        self.head = self.collected = 0
        self._seen = (0, 0)
        self._telling = threading.Lock()
        self.reloads, ends = pool._context.Pipe()
        self.process = pool._start(self.lane, state, generation, ends)
        ends.close()

    def put(self, events: Waiting) -> None:
        ring.write(self._events, self.head, events.table)
        self.head += len(events)
        self.lane.put(self._x_of(events.row))

    def collect(self) -> Answers | None:
        lane, first = self.lane, self.collected
        count = lane.tail - first
        if not count:
            return None
        self.collected += count
        events, scores, generation, done = (
            ring.read(one, first, count)
            for one in (self._events, lane.scores, lane.generation, lane.done)
        )
        self._answered = int(generation[-1])
        return Answers(Waiting(events), scores, generation, done)

    @property
    def oldest(self) -> int:
        """Number of the oldest menu that an answer to come may be of."""
        return self.lane.wanted if self.collected == self.head else self._answered

    def use(self, generation: int, state: Any) -> None:
        """Let the worker use a menu, if it uses an older one."""
        with self._telling:
            if self.lane.wanted < generation and not self.reloads.closed:
                # First the number, so that the worker reads what may be more than a pipe holds.
                self.lane.wanted = generation
                with contextlib.suppress(OSError):  # of one that was killed just now
                    self.reloads.send((generation, state))

    def held(self) -> Waiting:
        """Return what was put in and is not collected; some of it may have been answered."""
        return Waiting(ring.read(self._events, self.collected, self.head - self.collected))

    def hangs(self, now: int) -> bool:
        tail = self.lane.tail
        if tail != self._seen[0] or tail == self.head or not self._seen[1]:
            self._seen = (tail, now)
        return now - self._seen[1] > HANGS

    def close(self) -> None:
        with self._telling:
            self.reloads.close()
        self.process.close()
