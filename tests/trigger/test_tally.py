"""What is counted together is what counting every event by itself gives."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from trigger.streams import a_menu, events

from hepnn.trigger import tally as tallies
from hepnn.trigger.drift import Drift
from hepnn.trigger.menu import Menu
from hepnn.trigger.overload import Waiting
from hepnn.trigger.tally import Tally

DEADLINE = 40_000

#: Of the second menu, which comes in the middle of a stream.
LATER = {"prescales": (1, 3, 1), "thresholds": (0.7, 0.2, 0.6)}


def menus() -> tuple[Menu, Menu]:
    first = a_menu((0.5, 0.3, 0.55), prescales=(1, 2, 1), shadows=(2,))
    return first, a_menu(LATER["thresholds"], prescales=LATER["prescales"], shadows=(2,))


def straightforward(
    source: Any, decided: list[tuple[Menu, int, int, int, np.ndarray]]
) -> dict[str, Any]:
    """Count events `(menu, number, arrival, done, scores)` one by one."""
    found: dict[str, Any] = {"account": Counter(), "missed": 0, "slowest": 0, "shadow": []}
    names = decided[0][0].names
    found |= {kind: dict.fromkeys(names, 0) for kind in ("passed", "kept", "unique")}
    found["truth"] = {name: Counter() for name in ("efficiency", "background")}
    for menu, number, arrival, done, scores in decided:
        row = number % len(source.x)
        passed = [
            score >= item.trigger.threshold for score, item in zip(scores, menu.items, strict=True)
        ]
        drawn = menu.kept(np.ones((1, len(names)), bool), np.array([number]))[0]
        kept = [bool(a and b) for a, b in zip(passed, drawn, strict=True)]
        found["account"]["accepted" if any(kept) else "rejected"] += 1
        found["missed"] += done - arrival > DEADLINE
        found["slowest"] = max(found["slowest"], done - arrival)
        for place, name in enumerate(names):
            found["passed"][name] += passed[place]
            found["kept"][name] += kept[place]
            found["unique"][name] += kept[place] and sum(kept) == 1
        of_truth = found["truth"]["efficiency" if source.y[row] == 1 else "background"]
        of_truth["decided"] += 1
        of_truth["accepted"] += any(kept)
        if passed[2] != passed[0]:
            found["shadow"].append(number)
    return found


@pytest.mark.parametrize("together", [1, 50, 1024, 10**9])
@pytest.mark.parametrize("seed", [1, 2])
def test_blocks_of_any_size_and_two_menus(
    together: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "TOGETHER", together)
    rng, source = np.random.default_rng(seed), events(300)
    first, later = menus()
    training = rng.random((500, 2)).astype(np.float32)
    drift = Drift(training, first.features, rng.random((400, 3)), first.names, (0.5, 400))
    tally = Tally(first, source, DEADLINE, drift)

    total, number, decided = 4000, 0, []
    waiting: list[Waiting] = []
    while number < total or waiting:
        if number < total and (not waiting or rng.random() < 0.5):
            count = min(int(rng.integers(1, 90)), total - number)
            numbers = np.arange(number, number + count)
            came = Waiting.of(numbers, 10**9 + 1000 * numbers, source.row(numbers))
            tally.arrived(came)
            waiting.append(Waiting(came.table.copy()))
            number += count
            continue
        block = waiting.pop(0)
        # Around the change some workers are ahead of others.
        late = block.number[0] > total // 2 + rng.integers(-200, 200)
        menu = later if late else first
        scores = rng.random((len(block), 3))
        done = block.arrival + rng.integers(1, 60_000, len(block))
        tally.decided(menu, block, scores, done)
        for one in range(len(block)):
            decided.append((menu, *block.table[one, :2].tolist(), int(done[one]), scores[one]))
        if rng.random() < 0.05:
            tally.count()

    expected, document = straightforward(source, decided), tally.document(2.0)
    account = document["account"]
    assert account["balances"] and account["in"] == total
    assert {key: account[key] for key in expected["account"]} == expected["account"]
    assert document["missed_deadlines"] == expected["missed"] > 0
    assert document["latency_us"]["max"] == expected["slowest"] / 1e3
    assert sum(document["latency_us"]["bins"]["counts"]) == total
    for kind in ("passed", "kept", "unique"):
        assert {name: one[kind] for name, one in document["items"].items()} == expected[kind]
    assert [one["prescale"] for one in document["items"].values()] == list(LATER["prescales"])
    for name, counted in expected["truth"].items():
        assert {key: document[name][key] for key in counted} == counted
        arrived = np.count_nonzero(
            (source.y[np.arange(total) % 300] == 1) == (name == "efficiency")
        )
        assert document[name]["arrived"] == arrived
    assert document["shadow"]["disagreements"] == len(expected["shadow"])
    kept = sorted(one["number"] for one in document["shadow"]["first"])
    assert set(kept) <= set(expected["shadow"]) and len(kept) == min(1000, len(expected["shadow"]))

    monitoring = document["monitoring"]
    for place, name in enumerate(("a", "b")):
        values = source.x[[one[1] % 300 for one in decided], place]
        check_histogram(monitoring["features"][name], values)
    for place, name in enumerate(first.names):
        check_histogram(monitoring["scores"][name], np.array([one[4][place] for one in decided]))


def check_histogram(found: dict[str, Any], values: np.ndarray) -> None:
    bins = np.digitize(values, found["inner_edges"])
    assert found["counts"] == np.bincount(bins, minlength=len(found["counts"])).tolist()


def test_nothing_that_waits_to_be_counted_is_read_before() -> None:
    source = events(100)
    (menu, _), numbers = menus(), np.arange(100)
    tally = Tally(menu, source)
    came = Waiting.of(numbers, numbers, source.row(numbers))
    tally.arrived(came)
    tally.decided(menu, came, np.ones((100, 3)), numbers + 5)
    assert tally.account.counts["accepted"] == 100  # the account never waits
    assert tally.rates.events == 0
    document = tally.document(1.0)
    assert sum(document["latency_us"]["bins"]["counts"]) == 100
    assert document == tally.document(1.0)  # and nothing is counted again


def test_an_event_on_an_edge_counts_as_above_it() -> None:
    rng = np.random.default_rng(3)
    training = rng.integers(0, 7, (500, 1)).astype(np.float32)
    drift = Drift(training, ("n",), rng.random((50, 1)), ["a"], (0.5, 50))
    x = rng.integers(-2, 9, (300, 1)).astype(np.float32)
    drift.add(x, rng.random((300, 1)), 3)
    found = drift.document()["features"]["n"]
    check_histogram(found, x[:, 0])
    check_reference = np.digitize(training[:, 0], found["inner_edges"])
    assert found["reference"] == np.bincount(check_reference).tolist()


@pytest.mark.parametrize(
    ("accepted", "expected", "alarm"),
    [(1, (0.0, 1000), False), (5000, (0.0, 1000), True), (5000, (0.05, 2000), False),
     (10_000, (0.05, 2000), True), (0, (0.0, 1000), False), (100_000, (1.0, 50), False)],
)  # fmt: skip
def test_a_share_that_chance_explains_is_no_alarm(
    accepted: int, expected: tuple[float, int], alarm: bool
) -> None:
    """Two samples of one share: the pull of both together, also where one has none accepted."""
    rng = np.random.default_rng(1)
    x, scores = rng.random((2000, 1)).astype(np.float32), rng.random((2000, 1))
    drift = Drift(x, ("a",), scores, ["s"], expected)
    for _ in range(50):
        drift.add(x, scores, 0)
    drift.add(x[:0], scores[:0], accepted)
    document = drift.document()
    assert bool(document["alarms"]) == alarm
    if 0 < accepted < 100_000:
        both = (accepted + expected[0] * expected[1]) / (100_000 + expected[1])
        spread = np.sqrt(both * (1 - both) * (1 / 100_000 + 1 / expected[1]))
        pull = (accepted / 100_000 - expected[0]) / spread
        assert document["accepted_share"]["pull"] == pytest.approx(pull)
