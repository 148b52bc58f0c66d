"""A worker: a process that scores the events of its lane, one by one, or a block if many wait."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic_ns
from typing import Any

from hepnn.targets.interface import logged
from hepnn.trigger.inference import BLOCKS
from hepnn.trigger.lane import Lane
from hepnn.trigger.menu import Menu


def work(lane: Lane, state: Any, generation: int, reloads: Connection) -> None:
    """Score events until the lane is stopped, or the loop that made it is gone.

    Parameters
    ----------
    lane
        Of this worker.
    state
        Of the menu, as `Menu.state` gives it.
    generation
        Number of that menu.
    reloads
        Says that the worker is ready; numbers and states of later menus come from it, each when
        the lane wants a later number.
    """
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    parent = os.getppid()
    with logged(Path(os.devnull)):
        menu = Menu.of_state(state)
    tail, depth = lane.tail, lane.depth
    reloads.send("ready")
    while True:
        # The events first: those that came after a menu was wanted are scored with it.
        head = lane.head
        while generation < lane.wanted:
            try:
                generation, state = reloads.recv()
            except EOFError:  # the loop is gone
                return
            menu = Menu.of_state(state)
        if tail == head:
            if lane.stopped or os.getppid() != parent:
                return
            lane.wait()
            continue
        place = tail % depth
        together = min(head - tail, depth - place)
        size = next((size for size in BLOCKS if size <= together), 1)
        if size > 1:
            part = slice(place, place + size)
            lane.scores[part] = menu.score(lane.x[part])
            lane.generation[part], lane.done[part] = generation, monotonic_ns()
        else:
            menu.score_one(lane.x[place], lane.scores[place])
            lane.generation[place] = generation
            lane.done[place] = monotonic_ns()
        tail += size
        lane.tail = tail
