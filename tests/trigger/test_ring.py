"""Rings against plain lists: random blocks, and many times around."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from hepnn.trigger import ring
from hepnn.trigger.lane import Lane
from hepnn.trigger.overload import COLUMNS, Queue, Waiting


@pytest.mark.parametrize("depth", [1, 2, 7, 64])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_rows_come_out_as_they_went_in(depth: int, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(depth)
    held, waiting = np.zeros((depth, *shape), np.int64), []
    written = taken = 0
    for _ in range(300):
        count = int(rng.integers(depth - len(waiting) + 1))
        rows = rng.integers(1 << 40, size=(count, *shape))
        ring.write(held, written, rows)
        waiting += rows.tolist()
        written += count
        count = int(rng.integers(len(waiting) + 1))
        found = ring.read(held, taken, count)
        assert found.tolist() == waiting[:count]
        assert not np.shares_memory(found, held)
        del waiting[:count]
        taken += count
    assert written > 20 * depth


def events(rng: np.random.Generator, first: int, count: int) -> Waiting:
    number = np.arange(first, first + count)
    return Waiting.of(number, rng.integers(1 << 50, size=count), rng.integers(100, size=count))


@pytest.mark.parametrize("policy", ["drop-oldest", "drop-newest"])
def test_a_queue_keeps_what_a_list_keeps(policy: str) -> None:
    rng, capacity = np.random.default_rng(8), 13
    queue, waiting = Queue(capacity, policy), []
    for first in range(0, 40 * 400, 40):
        come = events(rng, first, int(rng.integers(1, 31)))
        dropped = [n for numbers, _ in queue.offer(come) for n in numbers.tolist()]
        waiting += come.table.tolist()
        excess = max(len(waiting) - capacity, 0)
        lost = waiting[:excess] if policy == "drop-oldest" else waiting[len(waiting) - excess :]
        assert sorted(dropped) == [event[0] for event in lost]
        waiting = [event for event in waiting if event not in lost]
        count = int(rng.integers(capacity + 1))
        assert queue.take(count).table.tolist() == waiting[:count]
        del waiting[:count]
        assert len(queue) == len(waiting) == capacity - queue.free


def test_what_was_taken_is_not_written_over() -> None:
    rng, queue = np.random.default_rng(0), Queue(4)
    assert not list(queue.offer(events(rng, 0, 4)))
    taken = queue.take(4)
    kept = taken.table.copy()
    assert not list(queue.offer(events(rng, 4, 4)))
    np.testing.assert_array_equal(taken.table, kept)
    assert taken.table.shape == (4, COLUMNS) and not taken.deaths.any()


def test_a_lane_hands_events_and_answers_over_in_their_order() -> None:
    rng = np.random.default_rng(5)
    lane = Lane(multiprocessing.get_context("spawn"), 11, (2,), 1)
    put: list[list[float]] = []
    seen: list[list[float]] = []
    answered: list[float] = []
    while len(answered) < 500:
        x = rng.random((int(rng.integers(lane.depth - (len(put) - len(answered)) + 1)), 2))
        lane.put(x.astype(np.float32))
        put += x.astype(np.float32).tolist()
        assert lane.head == len(put)
        for place in range(lane.tail, lane.tail + int(rng.integers(lane.head - lane.tail + 1))):
            seen.append(lane.x[place % lane.depth].tolist())
            lane.scores[place % lane.depth] = place
            lane.tail = place + 1
        count = int(rng.integers(lane.tail - len(answered) + 1))
        answered += ring.read(lane.scores, len(answered), count)[:, 0].tolist()
    assert seen == put[: len(seen)]
    assert answered == list(range(len(answered)))
