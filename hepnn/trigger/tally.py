"""What is counted of a stream: rates, latencies, truth, disagreements, the queue's depth.

Counting costs the same for one event as for a hundred. So the loop only decides and keeps the
account; the rest waits until there are many events, or some time has gone by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn.tasks.classify import binomial
from hepnn.trigger.account import Account
from hepnn.trigger.drift import Drift
from hepnn.trigger.histogram import Latencies
from hepnn.trigger.menu import Menu
from hepnn.trigger.overload import Waiting
from hepnn.trigger.rates import Rates, rate
from hepnn.trigger.source import Source

#: Events that are counted together.
TOGETHER = 1024

#: Disagreements that are kept, the first ones.
KEPT = 1000

#: Samples of the queue's depth that are kept; every second one is forgotten when there are more.
SAMPLES = 2048


class Tally:
    """Counts of one stream.

    Parameters
    ----------
    menu
        That decides.
    source
        The events, for their truth.
    deadline
        Time from arrival to decision in ns that shall not be exceeded; None for any.
    drift
        Compares with the training; None where there is nothing to compare with.
    """

    def __init__(
        self, menu: Menu, source: Source, deadline: int | None = None, drift: Drift | None = None
    ) -> None:
        self.account, self.latencies, self.rates = Account(), Latencies(), Rates(menu)
        self.drift, self.source, self.deadline = drift, source, deadline
        self.missed = self.full = self.deepest = 0
        self.disagreements: list[dict[str, Any]] = []
        self.disagreeing = 0
        self.first_arrival: int | None = None
        self.last_done = 0
        self._shadows = [n for n, item in enumerate(menu.items) if item.shadow]
        truth = None if source.y is None else menu.signal(source.y)
        self._signal = truth
        # Arrived, decided, accepted: of background and of signal.
        self._truth = np.zeros((3, 2), np.int64)
        self._depths: list[tuple[int, int]] = []
        self._every = 1_000_000
        self._next = 0
        self._mean = [0.0, 0.0]
        self._came: list[np.ndarray] = []
        self._decided: list[tuple[Menu, tuple[np.ndarray, ...]]] = []
        self._held = 0

    def arrived(self, events: Waiting) -> None:
        """Count events that came."""
        self.account.enter(events.number)
        if self.first_arrival is None:
            self.first_arrival = int(events.arrival[0])
        self._came.append(events.row)

    def decided(
        self, menu: Menu, events: Waiting, scores: np.ndarray, done: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Count decided events; return which items keep them, and which of them are accepted."""
        passed = menu.passed(scores)
        kept = menu.kept(passed, events.number)
        accepted = np.any(kept, axis=1)
        self.account.settle("accepted", events.number[accepted])
        self.account.settle("rejected", events.number[~accepted])
        self._decided.append((menu, (events.table, scores, done, passed, kept, accepted)))
        self._held += len(events)
        if self._held >= TOGETHER:
            self.count()
        return kept, accepted

    def count(self) -> None:
        """Count what was decided since."""
        if self._came:
            self._true(0, np.concatenate(self._came))
        decided, self._came, self._decided, self._held = self._decided, [], [], 0
        while decided:
            menu = decided[0][0]
            own = [arrays for one, arrays in decided if one is menu]
            decided = [entry for entry in decided if entry[0] is not menu]
            self._count(menu, *(np.concatenate(parts) for parts in zip(*own, strict=True)))

    def _count(
        self,
        menu: Menu,
        table: np.ndarray,
        scores: np.ndarray,
        done: np.ndarray,
        passed: np.ndarray,
        kept: np.ndarray,
        accepted: np.ndarray,
    ) -> None:
        events = Waiting(table)
        latency = done - events.arrival
        self.latencies.add(latency)
        if self.deadline is not None:
            self.missed += int(np.count_nonzero(latency > self.deadline))
        self.last_done = max(self.last_done, int(done.max()))
        self.rates.add(menu, passed, kept)
        self._true(1, events.row)
        self._true(2, events.row[accepted])
        if self._shadows:
            self._compare(menu, events.number, scores, passed)
        if self.drift is not None:
            self.drift.add(self.source.x[events.row], scores, int(np.count_nonzero(accepted)))

    def queue(self, now: int, since: int, depth: int, full: bool) -> None:
        """Note how many events wait, with those at the workers, over a time in ns."""
        self._mean[0] += depth * (now - since)
        self._mean[1] += now - since
        self.deepest = max(self.deepest, depth)
        if full:
            self.full += now - since
        if now >= self._next:
            self._depths.append((now, depth))
            self._next = now + self._every
            if len(self._depths) > SAMPLES:
                self._depths, self._every = self._depths[::2], 2 * self._every

    def document(self, seconds: float) -> dict[str, Any]:
        """Return all of it.

        Parameters
        ----------
        seconds
            That the stream took.
        """
        self.count()
        counts = self.account.counts
        decided = counts["accepted"] + counts["rejected"]
        start = self._depths[0][0] if self._depths else 0
        found: dict[str, Any] = {
            "account": self.account.document(),
            "seconds": seconds,
            "throughput_hz": decided / max(seconds, 1e-9),
            "latency_us": self.latencies.document(),
            "missed_deadlines": self.missed if self.deadline is not None else None,
            "missed_share": self.missed / max(decided, 1) if self.deadline is not None else None,
            "accepted_rate_hz": rate(counts["accepted"], seconds),
            "dead_time": self.full / 1e9 / max(seconds, 1e-9),
            "dropped_share": counts["dropped"] / max(self.account.entered, 1),
            "queue_depth": {
                "mean": self._mean[0] / max(self._mean[1], 1.0),
                "max": self.deepest,
                "seconds": [(time - start) / 1e9 for time, _ in self._depths],
                "samples": [depth for _, depth in self._depths],
            },
            "items": self.rates.items(seconds),
            **self._truths(seconds),
        }
        if self._shadows:
            found["shadow"] = {"disagreements": self.disagreeing, "first": self.disagreements}
        if self.drift is not None:
            found["monitoring"] = self.drift.document()
        return found

    def _true(self, stage: int, rows: np.ndarray) -> None:
        if self._signal is not None:
            signal = int(np.count_nonzero(self._signal[rows]))
            self._truth[stage] += (len(rows) - signal, signal)

    def _truths(self, seconds: float) -> dict[str, Any]:
        """Return efficiencies and rates of signal and of background, by truth."""
        if self._signal is None:
            return {"efficiency": None, "background": None}
        said = {}
        for place, name in ((1, "efficiency"), (0, "background")):
            arrived, decided, accepted = (int(n) for n in self._truth[:, place])
            said[name] = {
                "arrived": arrived,
                "decided": decided,
                "accepted": accepted,
                "of_decided": _share(accepted, decided),
                "of_arrived": _share(accepted, arrived),
                "rate_hz": rate(accepted, seconds),
            }
        return said

    def _compare(
        self, menu: Menu, number: np.ndarray, scores: np.ndarray, passed: np.ndarray
    ) -> None:
        """Count events that a shadow decides otherwise than the first item."""
        for place in self._shadows:
            others = np.flatnonzero(passed[:, place] != passed[:, 0])
            self.disagreeing += len(others)
            for one in others[: max(KEPT - len(self.disagreements), 0)]:
                self.disagreements.append(
                    {
                        "number": int(number[one]),
                        "shadow": menu.names[place],
                        "score": float(scores[one, 0]),
                        "shadow_score": float(scores[one, place]),
                    }
                )


def _share(accepted: int, among: int) -> dict[str, Any] | None:
    if not among:
        return None
    return {"value": accepted / among, "interval": binomial(accepted, among)}
