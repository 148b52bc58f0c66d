"""What structured pruning leaves as zeros is cut away, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn import rewrites
from hepnn.errors import HepnnError

pytestmark = pytest.mark.usefixtures("tensorflow")


def _network(residual: bool) -> tuple[Any, np.ndarray]:
    """Return a network with random weights, some of whose units are zero."""
    import keras

    layers = keras.layers
    inputs = keras.Input((6, 5, 2))
    x = layers.Conv2D(6, 3, use_bias=False, padding="same", name="conv1")(inputs)
    first = layers.ReLU()(layers.BatchNormalization(name="norm1")(x))
    x = layers.Conv2D(6, 2, padding="same", activation="relu", name="conv2")(first)
    if residual:
        x = layers.Add()([first, x])
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    x = layers.Dense(7, activation="relu", name="dense1")(x)
    outputs = layers.Dense(3, activation="softmax", name="last")(layers.Dropout(0.1)(x))
    model = keras.Model(inputs, outputs)
    rng = np.random.default_rng(3)
    for variable in model.variables:
        if "seed" not in variable.path:
            variable.assign(
                rng.uniform(0.1, 1.0, variable.shape) - 0.3 * ("var" not in variable.path)
            )
    for names, dead in ((("conv1", "norm1"), [1, 4]), (("conv2",), [0, 2, 3]), (("dense1",), [6])):
        for name in names:
            for variable in model.get_layer(name).variables:
                if "variance" not in variable.path and "gamma" not in variable.path:
                    value = variable.numpy()
                    value[..., dead] = 0
                    variable.assign(value)
    return model, rng.normal(size=(50, 6, 5, 2)).astype(np.float32)


def test_dead_units_are_cut_away() -> None:
    model, x = _network(residual=False)
    before = model.predict(x, verbose=0)
    other, (told,) = rewrites.apply(model, ["remove-dead-neurons"], x)
    assert told["layers"] == ["conv1", "conv2", "dense1"]
    shapes = {layer.name: layer.kernel.shape for layer in other.layers if hasattr(layer, "kernel")}
    assert shapes == {
        "conv1": (3, 3, 2, 4),
        "conv2": (2, 2, 4, 3),
        "dense1": (3 * 2 * 3, 6),
        "last": (6, 3),
    }
    assert other.get_layer("norm1").gamma.shape == (4,)
    np.testing.assert_allclose(other.predict(x, verbose=0), before, atol=1e-6)
    assert other.layers[-1].name == "last" and model.get_layer("dense1").units == 7
    with pytest.raises(HepnnError, match="applies to no layer"):
        rewrites.apply(other, ["remove-dead-neurons"], x)


def test_what_goes_into_a_sum_keeps_its_size() -> None:
    model, x = _network(residual=True)
    found = rewrites.offered(model)
    assert "remove-dead-neurons" in found["dense1"]
    assert not {"conv1", "conv2"} & set(found)
