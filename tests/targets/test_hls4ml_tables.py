"""Tables are as large as what addresses them needs, and no more wrong than is said."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

from hepnn import files
from hepnn.targets import hls4ml
from hepnn.targets.hls4ml import entries
from hepnn.targets.kit import Kit

KIT = Kit(name="test", title="test", targets=["hls4ml"])


def read(x: np.ndarray, size: int, low: float, high: float, function: Any) -> np.ndarray:
    """Return what a table answers: the entry at the end of the interval, that of zero below."""
    index = np.trunc(x * size / (high - low)) - low * size / (high - low)
    index = np.clip(index, 0, size - 1)
    return function(low + index * (high - low) / size)


@pytest.mark.parametrize(
    ("name", "low", "high", "function"),
    [
        ("sigmoid", -8, 8, lambda x: 1 / (1 + np.exp(-x))),
        ("tanh", -4, 4, np.tanh),
        ("softsign", -8, 8, lambda x: x / (1 + np.abs(x))),
    ],
)
@pytest.mark.parametrize("seen", [(-3.0, 2.0), (1.5, 3.5), (-12.0, 9.0)])
def test_a_table_is_as_fine_as_was_asked_and_no_larger(name, low, high, function, seen) -> None:
    size = entries.needed(name, *seen)
    x = np.random.default_rng(0).uniform(*seen, 20000)
    wrong = np.abs(read(x, size, low, high, function) - function(x)).max()
    said = entries.between(name, size, *seen) + entries.beyond(name, *seen)
    assert wrong <= said <= 4 * wrong
    inside = (x > low) & (x < high)
    assert np.abs(read(x, size, low, high, function) - function(x))[inside].max() <= 2**-10
    assert size == entries.FEWEST or entries.between(name, size // 2, *seen) > 2**-10


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_final_sigmoid_flips_no_more_than_is_said(tmp_path: Any) -> None:
    import keras

    rng = np.random.default_rng(2)
    inputs = keras.Input((3,), name="in")
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="p")(hidden))
    model.set_weights([rng.normal(size=weight.shape) / 2 for weight in model.get_weights()])
    # Many logits near zero, where a table decides.
    model.get_layer("p").kernel.assign(model.get_layer("p").kernel / 30)
    model.get_layer("p").bias.assign([0.0])
    x = rng.normal(size=(2000, 3)).astype(np.float32)
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=False)
    first, last = files.read_json(tmp_path / "interface.json")["tables"]
    assert (first["function"], last["function"]) == ("tanh", "sigmoid")
    wanted, got = model.predict(x, verbose=0), artefact.predict(x)
    flipped = np.mean((got >= 0.5) != (wanted >= 0.5))
    # What the hidden layer's table is wrong by, times the weights, is the logits' share.
    carried = first["error"] * np.abs(model.get_layer("p").kernel).sum()
    near = np.abs(np.log(wanted / (1 - wanted)))[:, 0]
    assert flipped <= np.mean(near < last["step"] + carried + 2**-12)
    assert last["flips"] == pytest.approx(np.mean(near < last["step"]), abs=2e-3)
    assert 0 < last["flips"] < 0.2
    assert np.abs(got - wanted).max() <= last["error"] + carried / 4 + 2**-12
