"""A network that ends in its decision decides the same, bit for bit, wherever it goes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import dense, quantities, trying

from hepnn import rewrites
from hepnn.targets import hls4ml, tflite
from hepnn.targets.kit import Kit

KIT = Kit(name="test", title="test", targets=["hls4ml", "tflite", "rtl"])

pytestmark = pytest.mark.usefixtures("tensorflow")


def _network(vocabulary: str) -> tuple[Any, Any, np.ndarray]:
    """Return a network that ends in a softmax, the one that decides, and events."""
    import keras

    x = quantities()
    options = {"weight_bits": 3, "lane_fraction": 1} if vocabulary == "hgq" else {}
    logits = dense(vocabulary, x, **options)
    model = keras.Model(logits.inputs, keras.layers.Softmax(name="softmax")(logits.outputs[0]))
    decided, (told,) = rewrites.apply(model, ["softmax-to-argmax"], x)
    assert told["layers"] == ["softmax"] and told["decision_flips"] == 0
    return logits, decided, trying(x)


def _one_hot(logits: np.ndarray) -> np.ndarray:
    return np.eye(logits.shape[1])[[list(row).index(max(row)) for row in logits]]


def test_of_equals_the_first_one_counts() -> None:
    from hepnn.layers.decision import Largest

    tied = np.array([[1, 3, 3], [2, 2, 2], [-1, -4, -1], [0, 0, 5]], np.float32)
    expected = [[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert np.array_equal(Largest()(tied), expected)


def test_it_is_offered_where_a_network_decides() -> None:
    import keras

    inputs = keras.Input((5,))
    for units, activation, wanted in (
        (4, "softmax", True),
        (4, "sigmoid", False),
        (1, "softmax", False),
        (4, "linear", False),
    ):
        last = keras.layers.Dense(units, activation=activation, name="last")(inputs)
        found = rewrites.offered(keras.Model(inputs, last)).get("last", [])
        assert ("softmax-to-argmax" in found) == wanted


def test_a_fixed_point_network_decides_the_same_bits(tmp_path: Path) -> None:
    from hepnn.targets.rtl import trace
    from hepnn.training import network

    logits, model, x = _network("hgq")
    answers = logits.predict(x, verbose=0)
    tied = np.sort(answers, axis=1)
    assert (tied[:, -1] == tied[:, -2]).sum() > 10  # else the order of equals is not tried
    wanted = _one_hot(answers)
    assert np.array_equal(model.predict(x, verbose=0), wanted)
    model.save(tmp_path / "model.keras")
    again = network.load_model(tmp_path / "model.keras")
    assert np.array_equal(again.predict(x, verbose=0), wanted)
    assert np.array_equal(trace.trace_network(model).predict(x), wanted)
    for folder in ("t", "h"):
        (tmp_path / folder).mkdir()
    (artefact,) = tflite.write(model, tmp_path / "t", kit=KIT, calibration=x, exact=True)
    assert np.array_equal(artefact.predict(x), wanted)
    if shutil.which("g++") is not None:
        (artefact,) = hls4ml.write(model, tmp_path / "h", kit=KIT, calibration=x, exact=True)
        assert np.array_equal(artefact.predict(x), wanted)
    for target in (hls4ml, tflite):
        assert {row.verdict for row in target.check(model, KIT)} == {"exact"}


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_float_network_decides_nearly_the_same(tmp_path: Path) -> None:
    """After calibration of its widths; what leaves is zeros and a one."""
    logits, model, x = _network("float")
    x = quantities()
    wanted = _one_hot(logits.predict(x, verbose=0))
    for target, allowed in ((tflite, 0.0), (hls4ml, 0.005)):
        folder = tmp_path / target.__name__
        folder.mkdir()
        artefact, *_ = target.write(model, folder, kit=KIT, calibration=x, exact=False)
        answers = artefact.predict(x)
        assert np.array_equal(np.sort(answers, axis=1), np.sort(wanted, axis=1))
        assert np.mean((answers != wanted).any(axis=1)) <= allowed
