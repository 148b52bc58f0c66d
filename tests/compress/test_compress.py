"""Pruned weights are zero wherever the network goes; quantized ones are on their grid."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest

from hepnn.recipe import Prune
from hepnn.run import Run

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_the_schedule_is_zhu_and_guptas_equation_1() -> None:
    from hepnn.compress import prune

    step = Prune(sparsity=0.8, initial=0.1, begin=0.2, end=0.8)
    epochs = 21
    schedule = prune._schedule(step, 0.8, epochs)
    for epoch in range(4, 17):  # begin and end are epochs 4 and 16
        expected = 0.8 + (0.1 - 0.8) * (1 - (epoch - 4) / 12) ** 3
        assert float(schedule(epoch)[1]) == pytest.approx(expected, abs=1e-6)


def test_the_sparsity_is_there_after_saving_and_loading(trained: Run) -> None:
    from hepnn.compress import prune
    from hepnn.training import network

    for stage in ("pruned", "quantized"):
        model = network.load_model(trained.model_file(stage))
        found = prune.sparsity(model)
        assert found["total"] >= 0.5 - 1e-9
        for name, kernel in prune.prunable(model).items():
            assert np.mean(kernel.numpy() == 0) == found["layers"][name]


def test_pruned_weights_stay_zero_through_quantization(trained: Run) -> None:
    from hepnn.compress import prune
    from hepnn.training import network

    pruned = prune.prunable(network.load_model(trained.model_file("pruned")))
    quantized = network.load_model(trained.model_file("quantized"))
    for name, kernel in pruned.items():
        layer = quantized.get_layer(name)
        zero = kernel.numpy() == 0
        assert zero.any()
        assert np.all(layer.kernel.numpy()[zero] == 0)
        assert np.all(np.asarray(layer.qkernel)[zero] == 0)


def test_single_layers_have_sparsities_of_their_own() -> None:
    import keras

    from hepnn.compress import prune
    from hepnn.errors import RecipeError

    inputs = keras.Input((10,))
    x = keras.layers.Dense(20, name="first")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(10, name="second")(x))
    masks = prune.Masks(Prune(sparsity=0.5, schedule="constant", layers={"second": 0.9}), model, 3)
    masks.set_model(model)
    masks.on_epoch_begin(0)
    assert prune.sparsity(model)["layers"] == {"first": 0.5, "second": 0.9}
    largest_dropped = 0.0
    kernel = model.get_layer("first").kernel
    assert np.abs(kernel.numpy()[kernel.numpy() != 0]).min() >= largest_dropped
    with pytest.raises(RecipeError, match="did you mean 'second'"):
        prune.Masks(Prune(layers={"secnd": 0.9}), model, 3)


def test_the_smallest_weights_are_the_ones_that_go() -> None:
    import keras

    from hepnn.compress import prune

    inputs = keras.Input((30,))
    model = keras.Model(inputs, keras.layers.Dense(40, name="only")(inputs))
    before = np.abs(model.get_layer("only").kernel.numpy())
    masks = prune.Masks(Prune(sparsity=0.75, schedule="constant"), model, 3)
    masks.on_epoch_begin(0)
    after = model.get_layer("only").kernel.numpy()
    assert before[after == 0].max() <= before[after != 0].min()


def test_quantized_weights_are_on_their_grid(trained: Run) -> None:
    from hepnn.training import network

    model = network.load_model(trained.model_file("quantized"))
    for layer in model.layers:
        if hasattr(layer, "qkernel"):
            _, _, fraction = layer.kq.quantizer.kif
            scaled = np.asarray(layer.qkernel) * 2.0 ** np.asarray(fraction)
            assert np.array_equal(scaled, np.round(scaled))


def test_every_stage_is_recorded(trained: Run) -> None:
    for stage in ("float", "pruned", "quantized"):
        with (trained.stage(stage) / "history.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == trained.manifest["stages"][stage]["epochs"]
        assert trained.manifest["stages"][stage]["engine"] == "epoch"
    assert "ebops" in rows[0] and "beta" in rows[0]
    assert float(rows[0]["beta"]) == pytest.approx(1e-8)


def test_measured_ranges_place_the_binary_point() -> None:
    from hepnn.vocabularies.hgq import integers

    assert integers({"a": 5.0}, "a", 2) == 3
    assert integers({"a": 0.2}, "a", 2) == -2
    assert integers({}, "a", 2) == 2


def test_ranges_reach_batch_normalization_and_sums() -> None:
    """With lanes of a default range, inputs of 40 and scales of 3 would be cut off."""
    import keras

    from hepnn import vocabularies
    from hepnn.compress import quantize
    from hepnn.recipe import Quantize
    from hepnn.training import network

    def build(nn: Any) -> Any:
        inputs = nn.Input((6,), name="inputs")
        x = nn.BatchNormalization(name="norm")(nn.Dense(5, name="dense")(inputs))
        return nn.Model(inputs, nn.Add(name="add")([x, x]), name="small")

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    reference = build(vocabularies.get("float"))
    reference.get_layer("dense").kernel.assign(rng.normal(0, 4, (6, 5)))
    norm = reference.get_layer("norm")
    norm.gamma.assign(rng.uniform(20, 30, 5))
    norm.beta.assign(rng.normal(0, 5, 5))
    norm.moving_variance.assign(rng.uniform(60, 100, 5))
    x = rng.normal(0, 3, (500, 6)).astype(np.float32)
    options = quantize.plan(Quantize(method="qkeras", bits=14), reference, x).options
    model = build(vocabularies.get("qkeras", **options))
    network.warm_start(model, reference)
    wanted = reference.predict(x, verbose=0)
    assert np.abs(wanted).max() > 50
    error = np.sqrt(np.mean((model.predict(x, verbose=0) - wanted) ** 2))
    assert error < 0.002 * wanted.std()


def test_an_ebops_target_stops_the_pressing(trained: Run) -> None:
    from hepnn.compress import quantize
    from hepnn.recipe import Beta
    from hepnn.training import network

    model = network.load_model(trained.model_file("quantized"))
    now = quantize.ebops(model)
    assert now > 0
    for target, expected in ((2 * now, 1e-8), (now / 2, 1e-4)):
        ramp = quantize.BetaRamp(Beta(first=1e-8, last=1e-4, ramp=0.5), 10, target)
        ramp.set_model(model)
        ramp.on_epoch_begin(9)
        layer = model.get_layer("dense1")
        assert float(layer.beta) == pytest.approx(expected)
