"""The drivers of the train step give the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn.data.feed import Memory
from hepnn.recipe import Architecture, Beta, EarlyStopping, Fit, Prune, Quantize
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

EPOCHS = 4

#: Float32 sums of some hundred terms in another order, over some dozen steps of Adam, which
#: divides by small second moments: parts in a thousand on weights of order one.
TOLERANCE = 5e-3


def _fit(engine: str, events: Events, step: Any = None, **changes: Any) -> tuple[Any, Any]:
    import keras

    from hepnn import compress
    from hepnn.data import scaling
    from hepnn.tasks.classify import Classify
    from hepnn.training import fit, network

    keras.utils.set_random_seed(1)
    grid = scaling.standard(events.x)
    architecture = Architecture(name="mlp", hidden=[8], dropout=changes.pop("dropout", 0.0))
    shape = events.x.shape[1:]
    model = network.assemble(architecture, shape, (3,), "float", grid)
    plan_of_fit = Fit(epochs=EPOCHS, batch=300, engine=engine, keep="last", **changes)
    callbacks: list[Any] = []
    if step is not None:
        plan = compress.plan(step, model, events.x)
        before, vocabulary = model, plan.vocabulary or "float"
        model = network.assemble(architecture, shape, (3,), vocabulary, grid, plan.options)
        network.warm_start(model, before)
        plan.prepare(model)
        callbacks = plan.callbacks(EPOCHS)
    outcome = fit.fit(
        model,
        events,
        Events(events.x[:500], events.y[:500], events.weight[:500]),
        plan_of_fit,
        loss=Classify().loss(),
        metrics=Classify().metrics(),
        callbacks=callbacks,
        seed=3,
    )
    return model, outcome


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("plain, with a last smaller batch", {}),
        ("schedule", {"schedule": {"name": "cosine", "warmup": 0.2}, "optimizer": "sgd"}),
        ("prune", {"step": Prune(sparsity=0.5, end=0.5)}),
        ("hgq with EBOPs", {"step": Quantize(beta=Beta(first=1e-6, last=1e-5))}),
        ("qkeras", {"step": Quantize(method="qkeras", bits=6)}),
    ],
)
def test_both_engines_give_the_same_numbers(
    events: Events, name: str, settings: dict[str, Any]
) -> None:
    loop, of_loop = _fit("epoch", events, **settings)
    keras_fit, of_fit = _fit("keras", events, **settings)
    assert set(of_loop.history) == set(of_fit.history)
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(of_loop.history)
    for key in of_loop.history:
        assert len(of_loop.history[key]) == EPOCHS
        assert of_loop.history[key] == pytest.approx(of_fit.history[key], rel=2e-2, abs=5e-3), key
    # The first epoch's loss is not yet a matter of diverging rounding.
    assert of_loop.history["loss"][0] == pytest.approx(of_fit.history["loss"][0], rel=1e-3)
    for ours, theirs in zip(loop.trainable_variables, keras_fit.trainable_variables, strict=True):
        if ours.name in ("kernel", "bias"):
            assert np.allclose(ours.numpy(), theirs.numpy(), atol=TOLERANCE * 10), ours.path


@pytest.mark.parametrize("settings", [{}, {"step": Quantize(beta=Beta(first=1e-6, last=1e-5))}])
def test_the_graph_gives_what_keras_gives(events: Events, settings: dict[str, Any]) -> None:
    graph, of_graph = _fit("graph", events, **settings)
    keras_fit, of_fit = _fit("keras", events, **settings)
    assert (of_graph.engine, set(of_graph.history)) == ("graph", set(of_fit.history))
    for key, values in of_graph.history.items():
        # The same kernels on the same batches; means of validation batches of another size.
        assert values == pytest.approx(of_fit.history[key], rel=2e-3, abs=2e-3), key
    for ours, theirs in zip(graph.trainable_variables, keras_fit.trainable_variables, strict=True):
        if ours.name in ("kernel", "bias"):
            assert np.allclose(ours.numpy(), theirs.numpy(), atol=TOLERANCE), ours.path


def test_both_engines_use_sample_weights(events: Events) -> None:
    weight = np.where(events.y == 0, 5.0, 0.2).astype(np.float32)
    weighted = Events(events.x, events.y, weight)
    _, of_loop = _fit("epoch", weighted)
    _, of_fit = _fit("keras", weighted)
    _, unweighted = _fit("epoch", events)
    assert of_loop.history["loss"] == pytest.approx(of_fit.history["loss"], rel=5e-3)
    assert of_loop.history["accuracy"] == pytest.approx(of_fit.history["accuracy"], abs=5e-3)
    assert abs(of_loop.history["loss"][-1] - unweighted.history["loss"][-1]) > 0.05


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_early_stopping_stops_and_the_best_weights_are_kept(events: Events, engine: str) -> None:
    from hepnn.tasks.classify import Classify
    from hepnn.training import network

    stopping = EarlyStopping(monitor="val_loss", patience=1)
    settings = {"early_stopping": stopping, "learning_rate": 3.0, "optimizer": "sgd"}
    import keras

    from hepnn.data import scaling
    from hepnn.training import fit

    keras.utils.set_random_seed(1)
    grid = scaling.standard(events.x)
    model = network.assemble(
        Architecture(name="mlp", hidden=[8]), events.x.shape[1:], (3,), "float", grid
    )
    plan = Fit(epochs=40, batch=100, engine=engine, **settings)
    outcome = fit.fit(
        model, events, events, plan, loss=Classify().loss(), metrics=Classify().metrics()
    )
    losses = outcome.history["val_loss"]
    assert len(losses) < 40
    assert len(losses) == int(np.argmin(losses)) + 2  # one epoch without improvement
    kept = Classify().evaluate(network.predict(model, events.x), events, ["a", "b", "c"])
    assert kept["loss"] == pytest.approx(min(losses), rel=1e-4)


def test_the_rule_takes_keras_for_callbacks_after_each_batch(events: Events) -> None:
    import keras

    from hepnn.training import engine
    from hepnn.training.choice import choose

    class EachBatch(keras.callbacks.Callback):
        calls = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            EachBatch.calls += 1

    model, _ = _fit("epoch", events)
    data = Memory(events)
    assert choose(model, data, 300, []).engine == "epoch"
    choice = choose(model, data, 300, [EachBatch()])
    assert (choice.engine, choice.reason) == ("keras", "EachBatch is called after each batch")
    driver = engine.KerasFit(model, data, None, 300, [EachBatch()])
    driver.epoch(data.pieces(1, 0, 300))
    assert EachBatch.calls == 7  # 2,000 events in batches of 300


def test_the_rule_takes_the_graph_for_heavy_batches(events: Events) -> None:
    from hepnn import architectures, vocabularies
    from hepnn.training.choice import choose, multiplications

    model = architectures.get("lenet5")((32, 32, 1), (10,), nn=vocabularies.get("float"))
    # C1 117,600; C5 48,000; F6 10,080. C3's partial kernel is counted with its 1,500 weights.
    assert multiplications(model) == pytest.approx(28**2 * 150 + 100 * 1500 + 48000 + 10080)
    assert choose(model, Memory(events), 1, []).engine == "epoch"
    assert choose(model, Memory(events), 128, []).engine == "graph"


def test_tied_kernels_are_counted_where_they_are_used(tensorflow: None) -> None:
    from hepnn import architectures, vocabularies
    from hepnn.training.choice import multiplications

    options = {"kind": "convolutional", "hidden": [4], "latent": 3, "tied": True}
    build = architectures.get("autoencoder")
    model = build((8, 8, 1), (8, 8, 1), nn=vocabularies.get("float"), **options)
    maps = next(layer for layer in model.layers if getattr(layer, "filters", None) == 4)
    sides = maps.compute_output_shape((None, 8, 8, 1))[0][1:3]
    code = sides[0] * sides[1] * 4 * 3  # the decoder has it from the encoder
    assert multiplications(model) == sides[0] * sides[1] * 9 * 4 + code
