"""Auxiliary classifiers: their loss reaches the layers below, and only in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn.recipe import Fit
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

ENGINES = ("epoch", "keras")


def _network(weight: float | None, dropout: float = 0.0) -> Any:
    """Return a network with a branch behind its first layer, or without one."""
    import keras

    from hepnn import vocabularies

    keras.utils.set_random_seed(1)
    nn = vocabularies.get("float")
    inputs = nn.Input((4,), name="inputs")
    low = nn.Dense(6, activation="relu", name="low")(nn.BatchNormalization(name="norm")(inputs))
    outputs = nn.Dense(3, name="logits")(nn.Dense(6, activation="relu", name="high")(low))
    if weight is None:
        return nn.Model(inputs, outputs, name="network")
    branch = nn.Dense(3, name="branch")(nn.Dropout(dropout, name="branch_dropout")(low))
    return nn.Model(inputs, outputs, name="network", auxiliary=[(branch, weight)])


def _branch(model: Any) -> Any:
    return model.auxiliary[0][0]._keras_history.operation


def _fit(model: Any, events: Events, engine: str, epochs: int = 3, **kwargs: Any) -> Any:
    from hepnn.tasks.classify import Classify
    from hepnn.training import fit

    plan = Fit(epochs=epochs, batch=300, engine=engine, keep="last", learning_rate=0.01)
    task = {"loss": Classify().loss(), "metrics": Classify().metrics()}
    return fit.fit(model, events, events, plan, **task, seed=3, **kwargs)


@pytest.fixture(scope="module")
def weighted(events: Events) -> Events:
    """Return the events, one class weighing more."""
    return Events(events.x, events.y, np.where(events.y == 0, 3.0, 0.5).astype(np.float32))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_branch_of_weight_zero_changes_nothing(weighted: Events, engine: str) -> None:
    without, of_without = (model := _network(None)), _fit(model, weighted, engine)
    zero, of_zero = (model := _network(0.0)), _fit(model, weighted, engine)
    for ours, theirs in zip(without.variables, zero.variables, strict=True):
        assert np.allclose(ours.numpy(), theirs.numpy(), atol=1e-5), ours.path
    for name, values in of_without.history.items():
        assert values == pytest.approx(of_zero.history[name], rel=1e-5), name


@pytest.mark.parametrize("engine", ENGINES)
def test_the_branch_alone_trains_the_layers_below_it(weighted: Events, engine: str) -> None:
    model = _network(0.3)
    head = model.get_layer("logits")
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.trainable = False  # no gradient comes through the main path any more
    before = {layer.name: [v.numpy() for v in layer.variables] for layer in model.layers}
    branch = [v.numpy() for v in _branch(model).variables]
    _fit(model, weighted, engine, epochs=1)
    assert not np.array_equal(model.get_layer("low").kernel.numpy(), before["low"][0])
    assert np.array_equal(model.get_layer("high").kernel.numpy(), before["high"][0])
    assert not np.array_equal(_branch(model).kernel.numpy(), branch[0])


def test_the_gradient_is_that_of_the_weighted_sum(weighted: Events) -> None:
    """Against a gradient of `loss + 0.3 loss of the branch`, written out."""
    import keras
    import tensorflow as tf

    from hepnn.tasks.classify import Classify
    from hepnn.training import rules

    model = _network(0.3)
    both = keras.Model(model.inputs, [model.outputs[0], model.auxiliary[0][0]])
    x, y, weight = weighted.x[:200], weighted.y[:200], weighted.weight[:200]
    loss = Classify().loss()
    with tf.GradientTape() as tape:
        outputs, branch = both(x, training=True)
        total = loss(y, outputs, weight) + 0.3 * loss(y, branch, weight)
    variables = both.trainable_variables
    expected = {
        v.path: v.numpy() - 0.5 * g.numpy()
        for v, g in zip(variables, tape.gradient(total, variables), strict=True)
    }
    driven = rules.wrap(model)
    driven.compile(optimizer=keras.optimizers.SGD(0.5), loss=loss)
    logs = driven.train_step(tuple(tf.constant(part) for part in (x, y, weight)))
    assert {v.path for v in driven.trainable_variables} == set(expected)
    for variable in driven.trainable_variables:
        assert np.allclose(variable.numpy(), expected[variable.path], atol=1e-5)
    assert float(logs["loss"]) == pytest.approx(float(total), rel=1e-5)


def test_metrics_and_validation_are_of_the_network_alone(weighted: Events) -> None:
    from hepnn.tasks.classify import Classify
    from hepnn.training import network

    model = _network(0.3)
    outcome = _fit(model, weighted, "epoch")
    logits = network.predict(model, weighted.x)
    loss = float(Classify().loss()(weighted.y, logits, weighted.weight))
    assert outcome.history["val_loss"][-1] == pytest.approx(loss, rel=1e-4)
    right = np.average(logits.argmax(1) == weighted.y, weights=weighted.weight)
    assert outcome.history["val_accuracy"][-1] == pytest.approx(right, rel=1e-4)


def test_only_the_network_is_saved(weighted: Events, tmp_path: Path) -> None:
    from hepnn.training import network

    model = _network(0.3)
    _fit(model, weighted, "keras", epochs=1)
    model.save(tmp_path / "model.keras")
    kept = network.load_model(tmp_path / "model.keras")
    assert [layer.name for layer in kept.layers] == ["inputs", "norm", "low", "high", "logits"]
    assert np.array_equal(network.predict(kept, weighted.x), network.predict(model, weighted.x))
    later = _network(0.3)
    network.warm_start(later, kept)
    assert not getattr(later, "auxiliary", ())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_callback_on_the_network_stops_the_training(weighted: Events, engine: str) -> None:
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.005
            self.model.stop_training = epoch == 1

    outcome = _fit(_network(0.3), weighted, engine, epochs=5, callbacks=[Stop()])
    assert len(outcome.history["loss"]) == 2
    assert outcome.history["learning_rate"] == pytest.approx([0.01, 0.005])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_training_goes_on_with_the_same_bits(
    weighted: Events, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hepnn.training import checkpoint

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)

    def stop(epoch: int, logs: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    def variables(model: Any) -> list[Any]:
        return [*model.variables, *_branch(model).variables]

    whole = _network(0.3, dropout=0.4)
    of_whole = _fit(whole, weighted, engine, epochs=4)
    saved = tmp_path / "checkpoint.npz"
    with pytest.raises(KeyboardInterrupt):
        _fit(_network(0.3, 0.4), weighted, engine, epochs=4, checkpoint=saved, progress=stop)
    resumed = _network(0.3, dropout=0.4)
    of_resumed = _fit(resumed, weighted, engine, epochs=4, checkpoint=saved)
    assert of_resumed.history == of_whole.history
    for ours, theirs in zip(variables(resumed), variables(whole), strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy()), ours.path
