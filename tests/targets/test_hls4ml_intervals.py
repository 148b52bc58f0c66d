"""Intervals hold what inputs in the widened ranges can bring, and types are judged by them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn.targets.hls4ml import intervals, precision, project
from hepnn.targets.kit import HLSOptions, Kit

pytestmark = pytest.mark.usefixtures("tensorflow")


def of_images() -> Any:
    """Return a network of most of the layers that are followed."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(2)
    inputs = keras.Input((6, 6, 2), name="in")
    h = layers.Conv2D(3, 3, padding="same", activation="tanh", name="conv")(inputs)
    h = layers.BatchNormalization(name="normed")(h)
    g = layers.DepthwiseConv2D(3, padding="same", name="depth")(h)
    h = layers.Subtract(name="less")([layers.Add(name="add")([h, g]), h])
    h = layers.Multiply(name="times")([layers.AveragePooling2D(2)(h), layers.MaxPooling2D(2)(h)])
    h = layers.Concatenate(name="both")([h, layers.ReLU(name="relu")(h)])
    h = layers.Dense(5, activation="elu", name="dense")(layers.Flatten(name="flat")(h))
    h = layers.Activation("gelu", name="odd")(h)  # falls, and then rises
    h = layers.Dense(4, name="sums")(h)
    model = keras.Model(inputs, layers.Softmax(name="shares")(h))
    rng = np.random.default_rng(3)
    for layer in model.layers:
        layer.set_weights([rng.normal(size=w.shape) ** 2 * 0.6 - 0.2 for w in layer.get_weights()])
    normed = model.get_layer("normed")
    normed.moving_variance.assign(rng.uniform(0.5, 2, 3))
    return model


def test_no_input_of_the_widened_ranges_leaves_an_interval() -> None:
    import keras

    model = of_images()
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 6, 6, 2)).astype(np.float32)
    found = intervals.propagated(model, x)
    low, high = x.min(axis=0), x.max(axis=0)
    more = intervals.MARGIN * (high - low)
    inside = rng.uniform(low - more, high + more, (3000, 6, 6, 2))
    ends = np.where(rng.random((3000, 6, 6, 2)) < 0.5, low - more, high + more)
    tried = np.concatenate([inside, ends]).astype(np.float32)
    followed = [layer for layer in model.layers[1:] if layer.name not in ("odd", "sums")]
    made = keras.Model(model.inputs, [layer.output for layer in followed]).predict(tried, verbose=0)
    for layer, values in zip(followed, made, strict=True):
        after = found[layer.name][1]
        assert not after.seen, layer.name
        slack = 1e-5 * (1 + np.abs(values).max())
        assert np.all(values >= after.low - slack) and np.all(values <= after.high + slack)
    assert found["odd"][1].seen
    odd = keras.Model(model.inputs, model.get_layer("odd").output).predict(x, verbose=0)
    wanted = odd.min(0) - 0.25 * np.ptp(odd, axis=0)[None]
    # Sums of other batches are rounded in another order: some units of the last of 24 bits.
    np.testing.assert_allclose(found["odd"][1].low, wanted, rtol=16 * 2.0**-24)


def test_the_ends_of_one_linear_layer_are_reached() -> None:
    """By hand: each weight with the end of its sign."""
    import keras

    inputs = keras.Input((2,), name="in")
    model = keras.Model(inputs, keras.layers.Dense(1, activation="relu", name="dense")(inputs))
    model.set_weights([np.array([[2.0], [-3.0]]), np.array([1.0])])
    x = np.array([[0.0, 0.0], [4.0, 8.0]], np.float32)  # widened: -1 to 5, and -2 to 10
    before, after = intervals.propagated(model, x)["dense"]
    assert before.ends == (2 * -1 - 3 * 10 + 1, 2 * 5 - 3 * -2 + 1) == (-31, 17)
    assert after.ends == (0, 17)


@pytest.mark.parametrize(("saturate", "says"), [(False, "wraps"), (None, "saturates")])
def test_types_are_compared_with_how_far_numbers_can_go(
    tmp_path: Any, saturate: Any, says: str
) -> None:
    """Two numbers that cancel in every event seen, and need not."""
    import keras

    inputs = keras.Input((2,), name="in")
    model = keras.Model(inputs, keras.layers.Dense(1, use_bias=False, name="sum")(inputs))
    model.set_weights([np.ones((2, 1), np.float32)])
    x = np.random.default_rng(4).uniform(-1, 1, (300, 1)).astype(np.float32)
    x = np.hstack([x, 0.1 - x])
    kit = Kit(name="t", title="t", targets=["hls4ml"], hls4ml=HLSOptions(saturate=saturate))
    graph = project.calibrated(model, tmp_path, kit, x)
    entered, sums, result = intervals.report(model, graph, precision.looked_at(x))
    assert [one["kind"] for one in (entered, sums, result)] == ["input", "sums", "result"]
    assert entered["beyond"] == sums["beyond"] == "fits"
    assert result["beyond"] == says
    np.testing.assert_allclose(result["seen"], [0.1, 0.1], atol=1e-6)
    reach = 1.5 * np.ptp(x, axis=0).sum() / 2
    np.testing.assert_allclose(result["interval"], [0.1 - reach, 0.1 + reach], atol=0.02)
    assert result["holds"][1] < 0.5 and result["propagated"]
