"""Dilated convolutions: hls4ml reads them as if they were not, hepnn gives it their kernels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import _finished, trying

from hepnn import vocabularies
from hepnn.data import scaling
from hepnn.targets import hls4ml
from hepnn.targets.hls4ml import dilation
from hepnn.targets.kit import HLSOptions, Kit

KIT = Kit(name="test", title="test", targets=["hls4ml"])

pytestmark = [
    pytest.mark.usefixtures("tensorflow"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++"),
]

SHAPES = {"signal": (5, 2), "image": (4, 5, 2)}


def events(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).normal(1, 3, (200, *shape)).astype(np.float32)


def network(vocabulary: str, x: np.ndarray) -> Any:
    import keras

    keras.utils.set_random_seed(4)
    nn = vocabularies.get(vocabulary)
    nn.scaling = scaling.standard(x)
    inputs = nn.Input(x.shape[1:], name="inputs")
    same = {"padding": "same", "dilation_rate": 2}
    if x.ndim == 3:
        h = nn.Conv1D(2, 3, activation="relu", name="same", **same)(inputs)
        h = nn.Conv1D(4, 2, dilation_rate=3, groups=2, name="valid")(h)
    else:
        h = nn.Conv2D(2, (2, 3), activation="relu", name="same", **same)(inputs)
        h = nn.DepthwiseConv2D(2, dilation_rate=2, name="maps")(h)
        h = nn.Conv2D(2, 2, padding="same", dilation_rate=(1, 2), name="one")(h)
    outputs = nn.Dense(3, name="logits")(nn.Flatten(name="flat")(h))
    return _finished(nn.Model(inputs, outputs), vocabulary, x, uneven=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_dilated_convolutions_repeat_the_bits(shape: str, tmp_path: Path) -> None:
    from hepnn.targets.rtl import trace

    x = events(SHAPES[shape])
    model, tried = network("hgq", x), trying(x)
    wanted = model.predict(tried, verbose=0)
    assert len(np.unique(wanted, axis=0)) > 100
    assert {row.verdict for row in hls4ml.check(model, KIT)} == {"exact"}
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=True)
    np.testing.assert_array_equal(artefact.predict(tried), wanted)
    np.testing.assert_array_equal(trace.trace_network(model).predict(tried), wanted)


@pytest.mark.long
def test_dilated_convolutions_are_near_in_float(tmp_path: Path) -> None:
    x = events(SHAPES["image"])
    model = network("float", x)
    wanted = model.predict(x, verbose=0)
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=False)
    assert np.sqrt(np.mean((artefact.predict(x) - wanted) ** 2)) < 0.005 * np.ptp(wanted)


def test_hls4ml_alone_leaves_the_dilation_out(tmp_path: Path, monkeypatch: Any) -> None:
    """When this fails, hls4ml was mended and `dilation` can go."""
    import keras

    monkeypatch.setattr(dilation, "mended", pytest.MonkeyPatch.context)
    inputs = keras.Input((5, 1))
    layer = keras.layers.Conv1D(1, 3, padding="same", dilation_rate=2, use_bias=False)
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign(np.array([1, 2, 4], np.float32)[:, None, None])
    x = np.eye(5, dtype=np.float32)[..., None]
    kit = Kit(name="d", title="d", targets=["hls4ml"], hls4ml=HLSOptions(types="default"))
    (alone,) = hls4ml.write(model, tmp_path, kit=kit, calibration=x, exact=False)
    found = alone.predict(x)[..., 0]
    undilated = [
        [2, 1, 0, 0, 0],
        [4, 2, 1, 0, 0],
        [0, 4, 2, 1, 0],
        [0, 0, 4, 2, 1],
        [0, 0, 0, 4, 2],
    ]
    np.testing.assert_array_equal(found, undilated)
    assert (model.predict(x, verbose=0)[..., 0] != found).any()
