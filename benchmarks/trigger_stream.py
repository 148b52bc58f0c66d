"""A stream at half of its capacity, at three times of it with each policy, and with kills.

The capacity is what goes through as fast as possible. `half_missed` are decisions later than
1 ms at half of it, of so many seconds; `half_p999_us` says how late. `over_POLICY_unaccounted` are
events that no fate is known of at three times the capacity, and `over_POLICY_growth_mb` what the
loop's memory grew by from the middle of that stream to its end. `kill_unaccounted` are events
unaccounted when workers are killed in the middle, `kill_replaced` says how many were.

What the machine itself takes away is measured beside it: `machine_held_share` is the share of
the time that processes which do nothing but read the clock, as many as the stream has, are not
run for longer than the deadline, and `machine_longest_us` the longest of these pauses. A stream
cannot do better: every event of such a pause is late, and about as many while the queue empties.

    python benchmarks/trigger_stream.py RUN --seconds 600 --json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

from hepnn.trigger import command, stream
from hepnn.trigger.loop import Loop
from hepnn.trigger.overload import POLICIES
from hepnn.trigger.stream import Settings

#: Of a decision, in us.
DEADLINE = 1000.0


def resident() -> float:
    """Return this process' memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Memory:
    """What memory grows by from the middle of a stream on."""

    def __init__(self, events: int) -> None:
        self._middle = events // 2
        self.before: float | None = None

    def look(self, loop: Loop) -> None:
        """Remember the memory in the middle."""
        if self.before is None and loop.tally.account.entered >= self._middle:
            self.before = resident()

    @property
    def growth(self) -> float:
        """In MB, since the middle."""
        return resident() - (self.before or 0.0)


class Kills:
    """Kills a worker at each third of a stream."""

    def __init__(self, events: int) -> None:
        self._at = [events // 3, 2 * events // 3]

    def look(self, loop: Loop) -> None:
        """Kill one, when it holds events."""
        if self._at and loop.tally.account.entered >= self._at[0] and loop.workers.held:
            self._at.pop(0)
            os.kill(loop.workers.processes[0], signal.SIGKILL)  # type: ignore[attr-defined]


def held_up(seconds: float) -> tuple[float, float]:
    """Return the share of its time that this process is not run for, and the longest pause in us.

    Pauses are those that are longer than the deadline.
    """
    pauses, last = [], time.monotonic_ns()
    end = last + int(seconds * 1e9)
    while last < end:
        now = time.monotonic_ns()
        if now - last > DEADLINE * 1e3:
            pauses.append(now - last)
        last = now
    return sum(pauses) / (seconds * 1e9), max(pauses, default=0) / 1e3


def unaccounted(document: dict[str, Any]) -> int:
    """Return events without a fate, or one where the sums of both sides differ."""
    account = document["account"]
    fates = sum(account[fate] for fate in ("accepted", "rejected", "dropped", "failed"))
    return abs(account["in"] - fates) or int(not account["balances"])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", help="with a stored threshold")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    menu = command.menu_of(arguments.run)

    def run(events: int, look: Any = lambda loop: None, **settings: Any) -> dict[str, Any]:
        how = Settings(events=events, workers=arguments.workers, deadline=DEADLINE, **settings)
        return stream.stream(menu, "generator", how, during=look)

    processes = arguments.workers + 1
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        machine = pool.map(held_up, [min(arguments.seconds, 60.0)] * processes, chunksize=1)
    capacity = run(200_000, arrivals="fast")["throughput_hz"]
    half = run(int(capacity / 2 * arguments.seconds), rate=capacity / 2)
    figures: dict[str, float] = {
        "machine_held_share": sum(share for share, _ in machine) / processes,
        "machine_longest_us": max(longest for _, longest in machine),
        "capacity_hz": capacity,
        "half_missed": half["missed_deadlines"],
        "half_missed_share": half["missed_share"],
        "half_p50_us": half["latency_us"]["p50"],
        "half_p999_us": half["latency_us"]["p99.9"],
        "half_unaccounted": unaccounted(half),
    }
    events = int(3 * capacity * min(arguments.seconds, 20))
    for policy in POLICIES:
        memory = Memory(events)
        document = run(events, memory.look, rate=3 * capacity, policy=policy)
        name = policy.replace("-", "_")
        figures[f"over_{name}_unaccounted"] = unaccounted(document)
        figures[f"over_{name}_growth_mb"] = memory.growth
    killed = run(100_000, Kills(100_000).look, rate=capacity / 2)
    figures["kill_unaccounted"] = unaccounted(killed)
    figures["kill_replaced"] = killed["workers_replaced"]
    if arguments.json:
        print(json.dumps({"figures": figures}, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:30} {value:14,.3f}")


if __name__ == "__main__":
    main()
