"""Whole neurons and filters go: by their norm, with what belongs to them, and stay away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clouds import small_recipe

from hepnn import deployment, files, pipeline
from hepnn.errors import RecipeError
from hepnn.recipe import Prune

pytestmark = pytest.mark.usefixtures("tensorflow")


def _images(residual: bool = False, activation: str = "relu"):
    """Return a convolution with a normalization, another one, and two dense layers."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(8, 3, use_bias=False, padding="same", name="conv1")(inputs)
    first = layers.ReLU()(layers.BatchNormalization(name="norm1")(x))
    x = layers.Conv2D(8, 3, padding="same", activation=activation, name="conv2")(first)
    if residual:
        x = layers.Add()([first, x])
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    x = layers.Dense(10, activation="relu", name="dense1")(x)
    return keras.Model(inputs, layers.Softmax()(layers.Dense(3, name="logits")(x)))


def _pruned(model, **step):
    """Return a model after a few steps of training behind constant masks."""
    from hepnn.compress import prune

    (masks,) = _callbacks(prune.plan(Prune(schedule="constant", **step), model, None), model)
    masks.set_model(model)
    masks.on_epoch_begin(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, *model.input_shape[1:])).astype(np.float32)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, rng.integers(0, 3, 64), epochs=3, verbose=0)
    return x


def _callbacks(plan, model):
    plan.prepare(model)
    return plan.callbacks(3)


def test_the_units_of_the_smallest_norm_go_and_the_outputs_stay() -> None:
    from hepnn.compress import prune, structure

    model = _images()
    before = {layer.name: layer.get_weights() for layer in model.layers}
    (masks,) = _callbacks(
        prune.plan(Prune(structure="unit", sparsity=0.5, schedule="constant"), model, None), model
    )
    masks.set_model(model)
    masks.on_epoch_begin(0)
    for name, units in (("conv1", 8), ("conv2", 8), ("dense1", 10)):
        kernel = before[name][0]
        norms = [np.linalg.norm(kernel[..., unit].ravel()) for unit in range(units)]
        gone = structure.removed(model.get_layer(name))
        assert gone.sum() == units // 2
        assert max(np.array(norms)[gone]) < min(np.array(norms)[~gone])
    for ours, theirs in zip(model.get_layer("logits").get_weights(), before["logits"], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("structure", "counts"),
    [("neuron", {"dense1": 5}), ("filter", {"conv1": 4, "conv2": 4}), ("unit", None)],
)
def test_removed_units_are_zero_whatever_goes_in(structure, counts) -> None:
    """Measured on the layers' outputs; a batch normalization behind them is of them."""
    import keras

    from hepnn.compress import structure as structures

    counts = counts or {"conv1": 4, "conv2": 4, "dense1": 5}
    model = _images()
    x = _pruned(model, structure=structure, sparsity=0.5)
    found = structures.units(model)
    assert {name: one["dead"] for name, one in found["layers"].items() if one["dead"]} == counts
    for name in counts:
        behind = "re_lu" if name == "conv1" else name
        behind = next(one.name for one in model.layers if one.name.startswith(behind))
        values = keras.Model(model.inputs, model.get_layer(behind).output).predict(x, verbose=0)
        dead = ~values.reshape(-1, values.shape[-1]).any(axis=0)
        assert dead[structures.removed(model.get_layer(name))].all()


@pytest.mark.parametrize("form", [{"residual": True}, {"activation": "sigmoid"}])
def test_a_sum_or_a_constant_is_told_to_be_alive(form) -> None:
    from hepnn.compress import structure

    model = _images(**form)
    _pruned(model, structure="filter", sparsity=0.5)
    found = structure.units(model)["layers"]["conv2"]
    assert found == {"units": 8, "removed": 4, "dead": 0}


def test_what_has_no_units_is_refused() -> None:
    import keras

    model = _images()
    for step, message in (
        ({"structure": "filter", "layers": {"dense1": 0.5}}, "'dense1' has no filter to remove"),
        ({"structure": "unit", "layers": {"logits": 0.5}}, "'logits' has no unit to remove"),
    ):
        with pytest.raises(RecipeError, match=message):
            _pruned(model, **step)
    inputs = keras.Input((4,))
    linear = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    with pytest.raises(RecipeError, match="no neuron besides its outputs"):
        _pruned(linear, structure="neuron")


@pytest.mark.long
def test_a_run_with_fewer_neurons_is_exact_everywhere(clouds_folder: Path, tmp_path: Path) -> None:
    """Dead neurons stay dead through quantization; no target stumbles over them."""
    from hepnn.compress import structure
    from hepnn.targets.rtl import trace
    from hepnn.training import network

    recipe = small_recipe(clouds_folder)
    recipe["compress"][0] |= {"structure": "neuron", "layers": {"dense2": 0.75}}
    run = pipeline.train(recipe, runs=tmp_path, name="narrow")
    for stage in ("pruned", "quantized"):
        model = network.of_run(run, stage)
        assert structure.removed(model.get_layer("dense1")).sum() >= 4
        assert structure.removed(model.get_layer("dense2")).sum() >= 6
    deployment.deploy(run, ["tflite"])
    found = files.read_json(run.path / "agreement.json")["stages"]["quantized"]["artefacts"]
    assert found["tflite"]["bit_exact"]
    x = run.events("test").x
    interpreted = trace.trace_network(model).predict(x)
    assert np.array_equal(interpreted, model.predict(x, verbose=0))
    told = files.read_json(run.stage("quantized") / "metrics.json")["units"]
    assert told["dead"] == told["removed"] >= 10 and told["units"] == 16
