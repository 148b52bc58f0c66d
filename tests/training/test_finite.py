"""NaN and infinity stop a training, named, with the last good weights kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn.recipe import Fit
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

BATCH = 50
EVENTS = 420  # eight batches and a smaller one


def _events(bad: int | None = None) -> Events:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EVENTS, 4)).astype(np.float32)
    y = (x @ rng.normal(size=(4, 1))).astype(np.float32)
    if bad is not None:
        y[bad] = np.inf
    return Events(x, y, np.ones(EVENTS, np.float32))


def _network(**layers: Any) -> Any:
    import keras

    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(8, name="first", **layers)(inputs)
    hidden = keras.layers.Dropout(0.2, seed=3, name="drop")(hidden)
    return keras.Model(inputs, keras.layers.Dense(1, name="last")(hidden))


def _fit(model: Any, events: Events, engine: str, epochs: int = 3, **settings: Any) -> Any:
    import keras

    from hepnn.training import fit

    plan = Fit(epochs=epochs, batch=BATCH, engine=engine, keep="last", **settings)
    return fit.fit(model, events, None, plan, loss=keras.losses.MeanSquaredError(), seed=7)


@pytest.mark.parametrize("engine", ["epoch", "keras"])
@pytest.mark.parametrize("place", [0, 3, 8])
def test_the_first_bad_batch_is_named_and_the_weights_before_it_kept(
    engine: str, place: int
) -> None:
    from hepnn.training.finite import NotFinite

    # The order of the second epoch says which event is in which batch.
    order = np.random.default_rng([7, 1]).permutation(EVENTS)
    events = _events()
    good = _network()
    _fit(good, events, engine, epochs=1)

    # As long as the bad event is in no batch, the first epoch is the same; it comes in later.
    class Late:
        weighted, nbytes, events = False, 0, _events()

        def __len__(self) -> int:
            return EVENTS

        def first(self) -> Events:
            return self.events

        def pieces(self, seed: int, epoch: int, batch: int, done: int) -> Any:
            known = _events(int(order[place * BATCH]) if epoch else None)
            yield known, np.random.default_rng([seed, epoch]).permutation(EVENTS)

    bad = _network()
    with pytest.raises(NotFinite) as caught:
        _fit(bad, Late(), engine)  # type: ignore[arg-type]
    assert (caught.value.epoch, caught.value.step) == (1, place)
    assert caught.value.where.startswith("the loss; the outputs of layer last reach ")
    # The same steps again, up to the bad one, on a network of its own.
    whole = _network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepnn.data.feed.Memory.pieces", _only(events, order[: place * BATCH]))
        _fit(whole, events, engine, epochs=2)
    for ours, theirs in zip(bad.variables, whole.variables, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy()), ours.path


def _only(events: Events, second: np.ndarray) -> Any:
    def pieces(self: Any, seed: int, epoch: int, batch: int, done: int) -> Any:
        order = np.random.default_rng([seed, epoch]).permutation(EVENTS)
        if not epoch:
            yield events, order
        elif len(second):
            yield events, second

    return pieces


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_a_rate_too_large_is_told_with_the_layer(engine: str) -> None:
    from hepnn.training.finite import NotFinite

    model = _network()
    with pytest.raises(NotFinite, match=r"the loss; the outputs of layer last reach \d.*e\+\d"):
        _fit(model, _events(), engine, epochs=40, optimizer="sgd", learning_rate=1e12)
    assert all(np.all(np.isfinite(v.numpy())) for v in model.variables)


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_the_layer_whose_output_is_not_finite_is_named(engine: str) -> None:
    import keras

    from hepnn.training.finite import NotFinite

    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, name="before")(inputs)
    hidden = keras.layers.Activation(keras.ops.log, name="logarithm")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, name="after")(hidden))
    with pytest.raises(NotFinite, match="the output of layer logarithm"):
        _fit(model, _events(), engine)


def test_a_gradient_that_is_not_finite_is_named() -> None:
    import keras

    from hepnn.training.finite import NotFinite

    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3, name="before", kernel_initializer="zeros")(inputs)
    hidden = keras.layers.Activation(lambda x: keras.ops.sqrt(x * x), name="root")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, name="after")(hidden))
    with pytest.raises(NotFinite, match="the gradient of layer before"):
        _fit(model, _events(), "epoch")


@pytest.mark.parametrize("seen", [0, 1, 5, 9])
@pytest.mark.parametrize("first", [0, 1, 4, 9])
def test_the_first_bad_step_is_found_from_one_seen_later(seen: int, first: int) -> None:
    from hepnn.training import finite

    at = [0]
    if seen < first:
        return
    found = finite.first_bad(lambda steps: at.__setitem__(0, steps), lambda: at[0] <= first, seen)
    assert (found, at[0]) == (first, first)
