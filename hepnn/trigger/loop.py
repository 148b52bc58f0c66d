"""The loop: events arrive, wait, are scored by workers, decided, and settled.

It is driven by a clock that can be any: the machine's monotonic one, which no change of the time
of day moves, or one that a test moves.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hepnn.errors import HepnnError
from hepnn.trigger import rows
from hepnn.trigger.clock import Clock, Monotonic
from hepnn.trigger.menu import Menu
from hepnn.trigger.overload import Queue, Waiting
from hepnn.trigger.pool import Answers, Workers
from hepnn.trigger.sink import Sink
from hepnn.trigger.tally import TOGETHER, Tally

#: Events that are taken in at once.
AT_ONCE = 4096

#: Time in ns between looks after the workers.
LOOKS = 10_000_000

#: Time in ns after which answers are looked for again, where nothing else is to be done.
ANSWERS = 200_000

#: An event whose worker dies so often is failed.
TRIES = 3


class Loop:
    """One stream.

    Parameters
    ----------
    menu
        That decides.
    tally
        Counts.
    queue
        Where events wait.
    workers
        Score events.
    arrivals
        Blocks of times after the start in ns; None for as fast as there is room.
    events
        How many come; None for without end.
    clock
        Time.
    sink
        Where accepted events go.
    insist_on_sink
        Stop when the sink has failed.
    say
        Is told what happens.
    """

    def __init__(
        self,
        menu: Menu,
        tally: Tally,
        queue: Queue,
        workers: Workers,
        arrivals: Iterator[np.ndarray] | None,
        *,
        events: int | None = None,
        clock: Clock | None = None,
        sink: Sink | None = None,
        insist_on_sink: bool = True,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.tally, self.queue, self.workers = tally, queue, workers
        self.clock: Clock = clock or Monotonic()
        self.stopping: str | None = None
        self.reloads = {"done": 0, "refused": 0}
        self._menus, self._newest = {0: menu}, 0
        self._reloading = threading.Lock()
        self._arrivals, self._events = arrivals, events
        self._sink, self._insist, self._say = sink, insist_on_sink, say
        # Events to come; drawn many at once.
        self._coming = Waiting.none()
        self._cursor = self._number = self._drawn = 0
        self._returned: list[Waiting] = []
        # Accepted, and not yet in the output: the menu, and the events with what was found.
        self._keeps: list[tuple[Menu, tuple[np.ndarray, ...]]] = []
        self.started = self._last = self.clock.now()
        self._look = 0

    def run(self, each: Callable[[Loop], None] = lambda loop: None) -> None:
        """Run until every event is settled.

        Parameters
        ----------
        each
            Called once a turn.
        """
        self.started = self._last = self.clock.now()
        while not self.finished:
            if not self.step():
                self.clock.pause(self.following)
            each(self)
        self._hand_over()
        self.tally.count()

    @property
    def finished(self) -> bool:
        """Whether no more events come, and every one is settled."""
        ended = self.stopping is not None or self._number == self._events
        return ended and not self._waiting and not self.workers.held

    @property
    def following(self) -> int:
        """The time in ns until which there is nothing to be done."""
        soon = self.clock.now() + ANSWERS
        if self._arrivals is None or self.stopping or self._number == self._events:
            return soon
        if self.queue.room == 0:
            return soon
        self._fill()
        due = int(self._due[self._cursor])
        return min(due, soon) if self.workers.held else due

    def step(self) -> bool:
        """Do what is to be done now; return whether there was anything."""
        now = self.clock.now()
        depth = self._waiting + self.workers.held
        self.tally.queue(now, self._last, depth, self.queue.free == 0)
        self._last = now
        if self._sink is not None and self._sink.failed and self._insist:
            self.stop(self._sink.failed)
        worked = self._collect()
        if now >= self._look:
            self._look = now + LOOKS
            self._recover(now)
            self._forget()
            self._hand_over()
            self.tally.count()
        worked |= self._admit(now)
        worked |= self._dispatch()
        return worked

    def stop(self, reason: str) -> None:
        """Let no more events in; those that are will be settled."""
        if self.stopping is None:
            self.stopping = reason
            self._say(f"stopping: {reason}")

    def reload(self, read: Callable[[], Menu]) -> None:
        """Take another menu, if it can be read and looks at the same events; else keep the old.

        Another thread than the loop's may call it.
        """
        with self._reloading:
            try:
                menu = read()
                if menu.looks_at != self._menus[self._newest].looks_at:
                    raise HepnnError("it has other features, items or scores: start anew")
            except Exception as error:  # whatever is wrong with it, the stream goes on
                self.reloads["refused"] += 1
                self._say(f"not reloaded, the old one is kept: {error}")
                return
            self._menus[self._newest + 1] = menu
            self._newest += 1
            self.workers.reload(menu, self._newest)
            self.reloads["done"] += 1
            self._say("reloaded")

    @property
    def _waiting(self) -> int:
        return len(self.queue) + sum(map(len, self._returned))

    def _admit(self, now: int) -> bool:
        """Take in what has arrived."""
        if self.stopping is not None or self._number == self._events:
            return False
        most = AT_ONCE if self._events is None else min(AT_ONCE, self._events - self._number)
        self._fill()
        cursor = self._cursor
        if self._arrivals is None:
            count = min(most, self.queue.free)
        else:
            room = self.queue.room
            most = most if room is None else min(most, room)
            count = bisect_right(self._due, now, cursor, cursor + most) - cursor
        if not count:
            return False
        events = self._coming[cursor : cursor + count]
        if self._arrivals is None:
            events.arrival[:] = now
        self._cursor += count
        self._number += count
        self.tally.arrived(events)
        account, source = self.tally.account, self.tally.source
        if source.faults and (fault := source.fault[events.row]).any():
            for place, reason in enumerate(source.faults):
                account.settle("failed", events.number[fault == place + 1], reason)
            events = events[fault == 0]
        for dropped, reason in self.queue.offer(events):
            account.settle("dropped", dropped, reason)
        return True

    def _dispatch(self) -> bool:
        waiting = self._waiting
        return bool(waiting) and self.workers.put(self._take, waiting) > 0

    def _take(self, most: int) -> Waiting:
        """Return events for a worker: first those that another one left behind."""
        if self._returned:
            part = self._returned.pop(0)
            if len(part) > most:
                self._returned.insert(0, part[most:])
            return part[:most]
        return self.queue.take(most)

    def _collect(self) -> bool:
        """Settle what was answered, as long as what is accepted can be put somewhere."""
        if self._sink is not None and not self._sink.ready:
            return False
        found = self.workers.collect()
        for answers in found:
            # A worker takes menus in the order of their numbers.
            first, last = int(answers.generation[0]), int(answers.generation[-1])
            for generation in range(first, last + 1):
                chosen = slice(None) if first == last else answers.generation == generation
                self._settle(answers, generation, chosen)
        return bool(found)

    def _settle(self, answers: Answers, generation: int, chosen: Any) -> None:
        events, menu = answers.events[chosen], self._menus[generation]
        if not len(events):
            return
        scores, done = answers.scores[chosen], answers.done[chosen]
        kept, accepted = self.tally.decided(menu, events, scores, done)
        if self._sink is None or not accepted.any():
            return
        if self._keeps and self._keeps[0][0] is not menu:
            self._hand_over()
        parts = (events.table, scores, kept, done)
        self._keeps.append((menu, tuple(part[accepted] for part in parts)))
        if sum(len(parts[0]) for _, parts in self._keeps) >= TOGETHER:
            self._hand_over()

    def _hand_over(self) -> None:
        """Put what was accepted since into the output, many events at once."""
        if self._sink is None or not self._keeps:
            return
        menu = self._keeps[0][0]
        each = zip(*(parts for _, parts in self._keeps), strict=True)
        table, scores, kept, done = (np.concatenate(parts) for parts in each)
        self._keeps = []
        source, events = self.tally.source, Waiting(table)
        self._sink.put(rows.of(menu, source, events, scores, kept, done, self.started))

    def _recover(self, now: int) -> None:
        """Do again what workers held that died; what they die of is failed."""
        for held in self.workers.recover(now):
            self._say(f"a worker died with {len(held)} events: done again by another one")
            held.deaths[:] += 1
            hopeless = held.deaths >= TRIES
            self.tally.account.settle("failed", held.number[hopeless], "its workers died")
            again = held[~hopeless]
            if len(again):
                self._returned.append(again)

    def _forget(self) -> None:
        """Drop menus that no answer can be of any more."""
        if len(self._menus) > 1:
            oldest = self.workers.oldest
            for generation in [one for one in list(self._menus) if one < oldest]:
                del self._menus[generation]

    @property
    def _due(self) -> np.ndarray:
        """When the events to come arrive."""
        return self._coming.arrival

    def _fill(self) -> None:
        """Have so many events to come as can be taken in at once."""
        while len(self._coming) - self._cursor < AT_ONCE:
            times: Any = 0
            count = AT_ONCE
            if self._arrivals is not None:
                times = self.started + next(self._arrivals)
                count = len(times)
            number = np.arange(self._drawn, self._drawn + count)
            drawn = Waiting.of(number, times, self.tally.source.row(number))
            left = self._coming.table[self._cursor :]
            self._coming, self._cursor = Waiting(np.concatenate([left, drawn.table])), 0
            self._drawn += count
