"""The loop on a clock that the tests move: latency, overload, faults, and always the account."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from trigger.streams import Servers, a_menu, events, loop, one_item

from hepnn.errors import RunError
from hepnn.trigger import loop as loops
from hepnn.trigger.loop import Loop
from hepnn.trigger.menu import Menu
from hepnn.trigger.overload import POLICIES


def test_an_idle_stream_takes_the_service_time() -> None:
    source = events()
    run = loop(source, every=5000, service=1000, deadline=1500)
    run.run()
    account = run.tally.account
    assert account.balances and account.entered == 1000
    assert account.counts["accepted"] == np.count_nonzero(source.x[:, 0] >= 0.5)
    # Service, and what looks at the clock take.
    assert 1000 <= run.tally.latencies.quantile(0.5) <= 1500  # type: ignore[operator]
    assert run.tally.missed == 0


def test_answers_are_not_waited_for_until_the_next_event_comes() -> None:
    run = loop(events(50), every=5_000_000, service=1_000_000)
    paused: list[int] = []
    pause = run.clock.pause

    def spied(until: int) -> None:
        if run.workers.held:
            paused.append(until - run.clock.now())
        pause(until)

    run.clock.pause = spied  # type: ignore[method-assign]
    run.run()
    assert run.tally.account.balances
    assert len(paused) >= 50 and max(paused) <= 200_000


def test_waiting_counts_as_latency() -> None:
    # An event every 1000 ns into one server of 1500: each waits 500 ns longer than the last.
    run = loop(events(200), every=1000, service=1500, capacity=1000, deadline=50_000)
    run.run()
    assert run.tally.account.balances
    assert run.tally.latencies.largest == pytest.approx(200 * 500, rel=0.05)
    assert run.tally.missed == pytest.approx(100, abs=6)


def test_latency_of_random_arrivals_is_that_of_queueing_theory() -> None:
    """M/D/1: the mean wait is rho / (2 (1 - rho)) services (Pollaczek and Khinchine)."""
    source, service = events(5000), 1000
    times = np.cumsum(np.random.default_rng(3).exponential(2 * service, 5000)).astype(np.int64)
    run = loop(source, service=service, capacity=4096)
    run.clock.step = 1  # type: ignore[attr-defined]
    run._arrivals = iter([times, times + times[-1]])
    waits: list[np.ndarray] = []
    inner = run.tally.decided

    def decided(menu, answered, scores, done):  # type: ignore[no-untyped-def]
        waits.append(done - answered.arrival - service)
        return inner(menu, answered, scores, done)

    run.tally.decided = decided  # type: ignore[method-assign]
    run.run()
    assert run.tally.account.balances
    assert np.concatenate(waits).mean() == pytest.approx(0.5 * service, rel=0.25)


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_balances_at_three_times_the_capacity(policy: str) -> None:
    run = loop(events(1500), every=500, service=1500, policy=policy)
    run.run()
    account = run.tally.account
    assert account.balances and account.entered == 1500
    decided = account.counts["accepted"] + account.counts["rejected"]
    assert account.counts["failed"] == 0
    if policy == "block":
        assert decided == 1500 and not account.counts["dropped"]
    else:
        assert decided == pytest.approx(500, rel=0.1)
    assert run.tally.deepest <= 16 + 4


def test_which_events_are_dropped() -> None:
    kept = {}
    for policy in ("drop-oldest", "drop-newest"):
        run = loop(events(40), every=1, service=1_000_000, policy=policy, capacity=8)
        numbers: list[int] = []
        inner = run.tally.decided

        def decided(menu, answered, scores, done, inner=inner, numbers=numbers):  # type: ignore[no-untyped-def]
            numbers.extend(answered.number.tolist())
            return inner(menu, answered, scores, done)

        run.tally.decided = decided  # type: ignore[method-assign]
        run.run()
        assert run.tally.account.balances
        kept[policy] = numbers
    assert kept["drop-oldest"][-8:] == list(range(32, 40))
    assert max(kept["drop-newest"]) < 40 - 8
    assert kept["drop-newest"] == list(range(len(kept["drop-newest"])))


def test_the_prescale_weights_what_it_keeps() -> None:
    run = loop(events(12_000), every=500, service=2500, policy="prescale", capacity=1024)
    weights: list[int] = []
    inner = run.tally.decided

    def decided(menu, answered, scores, done):  # type: ignore[no-untyped-def]
        weights.extend(answered.prescale.tolist())
        return inner(menu, answered, scores, done)

    run.tally.decided = decided  # type: ignore[method-assign]
    run.run()
    assert run.tally.account.balances
    assert set(run.tally.account.reasons) == {"dropped: prescaled"}
    assert set(weights) >= {1, 2, 4}
    assert sum(weights) == pytest.approx(12_000, rel=0.08)


def test_malformed_events_are_failed_with_their_reason() -> None:
    source = events(300)
    fault = np.zeros(300, np.int64)
    fault[[3, 50]], fault[7] = 1, 2
    source = replace(source, fault=fault, faults=["not finite", "wrong length"])
    run = loop(source)
    run.run()
    assert run.tally.account.balances
    assert run.tally.account.reasons == {"failed: not finite": 2, "failed: wrong length": 1}


def test_what_a_dead_worker_held_is_done_again() -> None:
    run = loop(events(1000), every=60_000, service=100_000, workers=2, capacity=4000)
    servers = run.workers
    assert isinstance(servers, Servers)
    deaths = iter([True, False] * 3)
    servers.dies = lambda worker: bool(servers.lists[worker]) and next(deaths, False)
    run.run()
    account = run.tally.account
    assert servers.replaced == 3
    assert account.balances and account.counts["failed"] == 0 and account.entered == 1000


def test_an_event_that_kills_is_failed_in_the_end() -> None:
    run = loop(events(50), service=1000, every=100_000)
    servers = run.workers
    assert isinstance(servers, Servers)
    servers.service = 20_000_000  # a look after the workers lies in between
    servers.dies = lambda worker: any(event[0] == 17 for event in servers.lists[worker])
    run.run()
    account = run.tally.account
    assert account.balances
    assert account.reasons["failed: its workers died"] >= 1
    assert account.counts["failed"] <= 3 * servers.depth


@pytest.mark.parametrize("seed", range(8))
def test_every_event_has_one_fate_and_is_what_came(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "LOOKS", 50_000)
    rng = np.random.default_rng(seed)
    source = events(int(rng.integers(50, 90)))
    every, policy = int(rng.integers(300, 2000)), POLICIES[seed % len(POLICIES)]
    run = loop(
        replace(source, fault=np.arange(len(source)) % 41 == 7, faults=["not finite"]),
        every=every,
        service=int(rng.integers(2000, 5000)),
        workers=int(rng.integers(1, 4)),
        capacity=int(rng.integers(5, 40)),
        policy=policy,
        total=4000,
    )
    servers = run.workers
    assert isinstance(servers, Servers)
    servers.depth = int(rng.integers(2, 9))
    servers.dies = lambda worker: bool(servers.lists[worker]) and rng.random() < 0.4
    fates: dict[str, list[int]] = {}
    settle, inner = run.tally.account.settle, run.tally.decided

    def settled(fate: str, number: np.ndarray, reason: str = "") -> None:
        fates.setdefault(fate, []).extend(number.tolist())
        settle(fate, number, reason)

    def decided(menu, answered, scores, done):  # type: ignore[no-untyped-def]
        np.testing.assert_array_equal(answered.row, answered.number % len(source))
        np.testing.assert_array_equal(answered.arrival, run.started + every * answered.number)
        np.testing.assert_array_equal(scores[:, 0], source.x[answered.row, 0])
        return inner(menu, answered, scores, done)

    run.tally.account.settle = settled  # type: ignore[method-assign]
    run.tally.decided = decided  # type: ignore[method-assign]
    run.run()
    assert run.tally.account.balances and servers.replaced
    assert sorted(sum(fates.values(), [])) == list(range(4000))
    good = [number for number in fates["accepted"] if source.x[number % len(source), 0] >= 0.5]
    assert good == fates["accepted"]
    assert {n for n in range(4000) if n % len(source) % 41 == 7} <= set(fates["failed"])


def test_stopping_settles_what_is_in() -> None:
    run = loop(events(5000), every=100, service=1000, capacity=5000, total=5000)

    def each(one: Loop) -> None:
        if one.tally.account.entered >= 100:
            one.stop("enough")

    run.run(each)
    assert run.stopping == "enough"
    assert run.tally.account.balances and 100 <= run.tally.account.entered < 5000


class Blocked:
    """A sink that takes nothing until it is freed, and may fail."""

    failed: str | None = None
    ready = True

    def __init__(self) -> None:
        self.rows = 0

    def put(self, columns: dict[str, np.ndarray]) -> None:
        assert self.ready
        self.rows += len(columns["number"])


@pytest.mark.parametrize("policy", ["block", "drop-oldest"])
def test_a_sink_that_blocks_holds_the_stream_up(policy: str) -> None:
    sink = Blocked()
    run = loop(events(2000), every=1000, service=100, policy=policy, sink=sink)

    def each(one: Loop) -> None:
        elapsed = one.clock.now() - one.started
        sink.ready = not 500_000 < elapsed < 1_500_000

    run.run(each)
    account = run.tally.account
    assert account.balances and account.entered == 2000
    assert sink.rows == account.counts["accepted"]
    # Some twenty find a place, of the thousand that come meanwhile.
    assert (account.counts["dropped"] > 900) == (policy == "drop-oldest")


@pytest.mark.parametrize("insist", [True, False])
def test_a_sink_that_fails_stops_the_stream_or_not(insist: bool) -> None:
    sink = Blocked()
    run = loop(events(2000), every=1000, service=100, sink=sink, insist_on_sink=insist)

    def each(one: Loop) -> None:
        if one.tally.account.entered > 500:
            sink.failed = "the disk is full"

    run.run(each)
    assert run.tally.account.balances
    assert run.stopping == ("the disk is full" if insist else None)
    assert (run.tally.account.entered == 2000) == (not insist)


def test_a_jump_of_the_clock_makes_events_late_and_loses_none() -> None:
    run = loop(events(2000), every=1000, service=100, capacity=4096, deadline=1_000_000)
    jumped: list[int] = []

    def each(one: Loop) -> None:
        if one.tally.account.entered == 1000 and not jumped:
            jumped.append(1)
            one.clock.time += 500_000_000  # type: ignore[attr-defined]

    run.run(each)
    assert run.tally.account.balances and run.tally.account.entered == 2000
    assert run.tally.missed >= 990


def test_another_menu_decides_from_then_on() -> None:
    source = events(2000)
    run = loop(source, every=1000, service=100)

    def each(one: Loop) -> None:
        if one.tally.account.entered == 1000 and not one.reloads["done"]:
            one.reload(lambda: one_item(0.9))

    run.run(each)
    first, second = source.x[:990, 0], source.x[1010:, 0]
    expected = np.count_nonzero(first >= 0.5) + np.count_nonzero(second >= 0.9)
    assert run.tally.account.balances
    assert expected <= run.tally.account.counts["accepted"] <= expected + 20


def test_menus_that_come_at_once_come_one_after_the_other() -> None:
    run = loop(events(3000), every=20_000, service=100)
    told: list[tuple[Menu, int]] = []
    take = run.workers.reload

    def reload(menu: Menu, generation: int) -> None:
        told.append((menu, generation))
        take(menu, generation)

    run.workers.reload = reload  # type: ignore[method-assign]
    both = threading.Barrier(8)

    def read() -> Menu:
        return one_item(0.9)

    def one_of_many() -> None:
        both.wait()
        run.reload(read)

    def each(one: Loop) -> None:
        if one.tally.account.entered == 1000 and not told:
            threads = [threading.Thread(target=one_of_many) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    run.run(each)
    assert run.tally.account.balances and run.reloads == {"done": 8, "refused": 0}
    assert [generation for _, generation in told] == list(range(1, 9))
    # Those that nothing can be decided with any more are not kept.
    assert run._menus == {8: told[-1][0]}


@pytest.mark.parametrize("wrong", [RunError("its checksum differs"), OSError("gone"), None])
def test_a_menu_that_is_refused_changes_nothing(wrong: Exception | None) -> None:
    source = events(2000)
    run = loop(source, every=1000, service=100)

    def refused() -> Menu:
        if wrong is not None:
            raise wrong
        return a_menu([0.1, 0.2])

    def each(one: Loop) -> None:
        if one.tally.account.entered == 1000 and not one.reloads["refused"]:
            one.reload(refused)

    run.run(each)
    assert run.reloads == {"done": 0, "refused": 1}
    assert run.tally.account.counts["accepted"] == np.count_nonzero(source.x[:, 0] >= 0.5)


def test_efficiencies_are_those_of_the_truth() -> None:
    source = events(4000)
    run = loop(source)
    run.run()
    document = run.tally.document(2.0)
    signal = source.y == 1
    accepted = source.x[:, 0] >= 0.5
    assert document["efficiency"]["of_decided"]["value"] == accepted[signal].mean()
    assert document["background"]["of_decided"]["value"] == accepted[~signal].mean()
    assert document["accepted_rate_hz"]["value"] == accepted.sum() / 2.0
    low, high = document["efficiency"]["of_arrived"]["interval"]
    assert low < accepted[signal].mean() < high


def test_as_fast_as_possible_drops_nothing() -> None:
    run = loop(events(3000), every=None, policy="drop-newest")
    run.run()
    assert run.tally.account.balances and run.tally.account.counts["dropped"] == 0


def test_accepted_events_go_to_the_output_many_at_once() -> None:
    class Output:
        failed, ready = None, True

        def __init__(self) -> None:
            self.given: list[dict[str, np.ndarray]] = []

        def put(self, columns: dict[str, np.ndarray]) -> None:
            self.given.append(columns)

    source, output = events(5000), Output()
    run = loop(source, every=2000, service=1000, sink=output)
    run.run()
    numbers = np.concatenate([columns["number"] for columns in output.given])
    np.testing.assert_array_equal(numbers, np.flatnonzero(source.x[:, 0] >= 0.5))
    # 1024 at once, and what is left at the end; a look after 10 ms hands over too.
    assert len(output.given) <= len(numbers) / 1024 + 3
