"""Streaming: every event once an epoch, in an order that the seed and the epoch decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepnn.data import feed
from hepnn.data.feed import Memory, Store, Stream
from hepnn.run import Events


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stream:
    """Return 1,000 numbered events in blocks of 16, with a buffer of 128."""
    monkeypatch.setattr(feed, "BLOCK_BYTES", 16 * 8)
    monkeypatch.setattr(feed, "PIECE_BYTES", 128 * 8)
    store = Store(tmp_path / "train")
    for start in range(0, 1000, 300):
        rows = np.arange(start, min(start + 300, 1000))
        store.append(
            x=np.stack([rows, -rows], 1).astype(np.float32),
            y=rows.astype(np.int32),
            weight=np.ones(len(rows), np.float32),
            observers=np.empty((len(rows), 0), np.float32),
        )
    store.close()
    return Stream(tmp_path / "train")


def _epoch(stream: Stream, seed: int = 1, epoch: int = 0, batch: int = 50) -> list[np.ndarray]:
    return [events.y[order] for events, order in stream.pieces(seed, epoch, batch)]


def test_every_event_comes_once_an_epoch_with_its_own_label(stream: Stream) -> None:
    for epoch in range(5):
        pieces = list(stream.pieces(1, epoch, 50))
        y = np.concatenate([events.y for events, _ in pieces])
        x = np.concatenate([events.x for events, _ in pieces])
        assert np.array_equal(np.sort(y), np.arange(1000))
        assert np.array_equal(x, np.stack([y, -y], 1))


def test_all_pieces_but_the_last_are_whole_batches(stream: Stream) -> None:
    sizes = [len(piece) for piece in _epoch(stream)]
    assert all(size % 50 == 0 and size <= 128 for size in sizes[:-1])


def test_seed_and_epoch_alone_decide_the_order(stream: Stream) -> None:
    first = np.concatenate(_epoch(stream, 3, 7))
    assert np.array_equal(first, np.concatenate(_epoch(stream, 3, 7)))
    assert not np.array_equal(first, np.concatenate(_epoch(stream, 3, 8)))
    assert not np.array_equal(first, np.concatenate(_epoch(stream, 4, 7)))


def test_what_was_done_before_a_kill_is_left_out(stream: Stream) -> None:
    whole = list(stream.pieces(3, 7, 50))
    for done in range(len(whole) + 1):
        rest = list(stream.pieces(3, 7, 50, done))
        assert len(rest) == len(whole) - done
        for (ours, order), (theirs, other) in zip(rest, whole[done:], strict=True):
            assert np.array_equal(ours.y, theirs.y) and np.array_equal(order, other)


def test_a_piece_mixes_events_from_all_over_the_set(stream: Stream) -> None:
    # Sorted files: a piece of eight random blocks of 63 must not sit in one place.
    for piece in _epoch(stream)[:-1]:
        assert np.ptp(piece) > 300
        assert np.mean(np.abs(np.diff(piece.astype(int)))) > 50


def test_a_sample_is_random_and_in_the_order_of_storage(stream: Stream) -> None:
    few = stream.sample(100, 1)
    assert len(np.unique(few.y)) == 100 and np.all(np.diff(few.y) > 0)
    assert np.array_equal(few.x[:, 0], few.y)
    assert len(stream.sample(5000, 1)) == 1000


def test_a_stored_set_that_is_cut_short_is_told(stream: Stream, tmp_path: Path) -> None:
    path = tmp_path / "train" / "x.bin"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(OSError, match="ends at byte"):
        _epoch(stream)


def test_weights_are_multiplied_by_the_factor_of_their_cell(tmp_path: Path) -> None:
    store = Store(tmp_path)
    cell = np.arange(10, dtype=np.int32) % 3
    store.append(
        x=np.zeros((10, 1), np.float32),
        y=cell,
        weight=np.full(10, 2, np.float32),
        observers=np.empty((10, 0), np.float32),
        cell=cell,
    )
    store.reweight(np.array([1.0, 0.5, 4.0]))
    store.close()
    read = Stream(tmp_path)
    assert read.weighted
    assert read.sample(10, 1).weight.tolist() == [2, 1, 8, 2, 1, 8, 2, 1, 8, 2]
    assert not (tmp_path / "cell.bin").exists()


def test_memory_is_shuffled_whole() -> None:
    events = Events(np.zeros((10, 1), np.float32), np.arange(10), np.ones(10, np.float32))
    ((same, order),) = Memory(events).pieces(1, 2, 4)
    assert same is events
    assert np.array_equal(order, np.random.default_rng([1, 2]).permutation(10))


@pytest.mark.parametrize("engine", ["epoch", "keras"])
@pytest.mark.parametrize(("batch", "rate"), [(1000, 0.1), (50, 1e-12)])
def test_the_loss_from_disk_is_that_from_memory(
    tensorflow: None, stream: Stream, engine: str, batch: int, rate: float
) -> None:
    # A batch of the whole set, or weights that stand still: the order changes rounding alone.
    import keras

    from hepnn.recipe import Fit
    from hepnn.training import fit

    labelled = _Labelled(stream._folder)
    losses = []
    for train in (Memory(labelled.sample(1000, 1)), labelled):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((2,))
        h = keras.layers.Rescaling(1e-3)(inputs)
        model = keras.Model(inputs, keras.layers.Dense(2)(h))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        plan = Fit.model_validate(
            {"epochs": 4, "batch": batch, "learning_rate": rate, "engine": engine}
        )
        losses.append(fit.fit(model, train, None, plan, loss=loss, seed=1).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


class _Labelled(Stream):
    """The numbered events, in two classes."""

    def read(self, *arguments: object) -> Events:  # type: ignore[override]
        events = super().read(*arguments)  # type: ignore[arg-type]
        return Events(events.x, (events.y > 400).astype(np.int32), events.weight)
