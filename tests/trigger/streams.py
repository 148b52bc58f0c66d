"""What tests drive the loop with: a clock that they move, workers of known speed, a menu of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from hepnn.trigger.loop import Loop
from hepnn.trigger.menu import Item, Menu
from hepnn.trigger.overload import COLUMNS, Queue, Waiting
from hepnn.trigger.pool import Answers
from hepnn.trigger.source import Source
from hepnn.trigger.tally import Tally


class Clock:
    """A clock that goes on by so much with every look."""

    def __init__(self, step: int = 100) -> None:
        self.time, self.step = 1_000_000, step
        self.next_answer: Callable[[], int] = lambda: self.time

    def now(self) -> int:
        self.time += self.step
        return self.time

    def pause(self, until: int) -> None:
        self.time = max(self.time, min(until, self.next_answer()))


class Servers:
    """Workers that take so many ns an event, one after another; some may die."""

    def __init__(
        self, clock: Clock, source: Source, workers: int = 1, service: int = 1000, depth: int = 4
    ) -> None:
        self.clock, self.source, self.service, self.depth = clock, source, service, depth
        self.free_at = [0] * workers
        self.lists: list[list[tuple[int, ...]]] = [[] for _ in range(workers)]
        self.generation = 0
        self.replaced = 0
        self.dies: Callable[[int], bool] = lambda worker: False
        self.stopped = False

    def next_answer(self) -> int:
        return min((mine[0][-1] for mine in self.lists if mine), default=1 << 62)

    @property
    def held(self) -> int:
        return sum(map(len, self.lists))

    def put(self, take: Callable[[int], Waiting], waiting: int) -> int:
        before = waiting
        for worker, mine in enumerate(self.lists):
            count = min(waiting, self.depth - len(mine))
            if count <= 0:
                continue
            for event in take(count).table.tolist():
                start = max(self.free_at[worker], self.clock.time)
                self.free_at[worker] = start + self.service
                mine.append((*event, self.free_at[worker]))
            waiting -= count
        return before - waiting

    def collect(self) -> list[Answers]:
        found = []
        for mine in self.lists:
            ready = [event for event in mine if event[-1] <= self.clock.time]
            if not ready:
                continue
            mine[:] = mine[len(ready) :]
            table = np.array(ready, np.int64)
            x = self.source.x[table[:, 2]]
            found.append(
                Answers(
                    Waiting(table[:, :-1]),
                    x[:, :1].astype(np.float64),
                    np.full(len(ready), self.generation),
                    table[:, -1],
                )
            )
        return found

    def recover(self, now: int) -> list[Waiting]:
        lost = []
        for worker, mine in enumerate(self.lists):
            if self.dies(worker):
                lost.append(Waiting(np.array(mine, np.int64).reshape(-1, COLUMNS + 1)[:, :-1]))
                mine.clear()
                self.free_at[worker] = 0
                self.replaced += 1
        return lost

    def reload(self, menu: Menu, generation: int) -> None:
        self.generation = generation

    @property
    def oldest(self) -> int:
        return self.generation

    def stop(self) -> None:
        self.stopped = True


def one_item(threshold: float = 0.5) -> Menu:
    """Return a menu whose score is the first feature."""
    return a_menu([threshold])


def a_menu(
    thresholds: Sequence[float], prescales: Sequence[int] = (), shadows: Sequence[int] = ()
) -> Menu:
    """Return a menu of an item a threshold; its networks are never run."""
    items = []
    for place, threshold in enumerate(thresholds):
        trigger: Any = SimpleNamespace(
            threshold=threshold,
            features=("a", "b"),
            units=("1", "1"),
            shape=(2,),
            score_of=SimpleNamespace(signal=lambda y: y == 1, title="x"),
            export=SimpleNamespace(sha256="0", run=None),
            signal=["one"],
        )
        prescale = prescales[place] if prescales else 1
        items.append(Item("abcdef"[place], trigger, prescale, place in shadows))
    return Menu(items)


def events(count: int = 1000, seed: int = 1) -> Source:
    """Return events whose first feature is uniform, and which are signal above 0.3."""
    x = np.random.default_rng(seed).random((count, 2)).astype(np.float32)
    y = (x[:, 0] > 0.3).astype(np.int64)
    return Source("test", x, y, np.zeros(count, np.int64), [])


def loop(
    source: Source,
    *,
    every: int | None = 2000,
    policy: str = "block",
    capacity: int = 16,
    service: int = 1000,
    workers: int = 1,
    deadline: int | None = None,
    total: int | None = None,
    **options: Any,
) -> Loop:
    """Return a loop: an event every so many ns, workers that take `service` ns each."""
    clock, menu = Clock(), one_item()
    servers = Servers(clock, source, workers, service)
    clock.next_answer = servers.next_answer
    arrivals = None
    if every is not None:
        arrivals = (every * np.arange(n * 5000, (n + 1) * 5000) for n in range(1000))
    return Loop(
        menu,
        Tally(menu, source, deadline),
        Queue(capacity, policy),
        servers,
        arrivals,
        events=len(source) if total is None else total,
        clock=clock,
        **options,
    )
