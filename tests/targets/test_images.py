"""hepnn's own layers for images have equal bits in Keras, TFLite, C++ and logic."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import trying

from hepnn import targets, vocabularies
from hepnn.data import scaling
from hepnn.targets import preflight
from hepnn.targets.kit import Kit

pytestmark = pytest.mark.usefixtures("tensorflow")

KIT = Kit(name="test", title="test", targets=["hls4ml"])


def events() -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(200, 5, 6, 2)) * 3 + 1).astype(np.float32)


def network(vocabulary: str, x: np.ndarray) -> Any:
    """Return a network with odd sides, both strides, two kernels a map, and uneven widths."""
    import keras
    from hgq.utils import trace_minmax

    keras.utils.set_random_seed(1)
    nn = vocabularies.get(vocabulary)
    nn.scaling = scaling.standard(x)
    inputs = nn.Input(x.shape[1:], name="inputs")
    h = nn.DepthwiseConv2D(
        (3, 2), depth_multiplier=2, activation="relu", padding="same", name="first"
    )(inputs)
    wide = nn.PaddedIdentity2D(6, 1, name="wide")(h)
    h = nn.PaddedIdentity2D(7, 2, name="small")(wide)
    h = nn.Add(name="add")([h, nn.Conv2D(7, 3, strides=2, padding="same", name="conv")(wide)])
    h = nn.BatchNormalization(name="norm")(h)
    h = nn.DepthwiseConv2D(2, use_bias=False, name="last")(h)
    model = nn.Model(inputs, nn.Dense(3, name="logits")(nn.Flatten(name="flat")(h)))
    rng = np.random.default_rng(2)
    model.get_layer("first").bias.assign(rng.normal(size=4))
    norm = model.get_layer("norm")
    norm.moving_mean.assign(rng.normal(size=7))
    norm.moving_variance.assign(rng.uniform(0.3, 2, 7))
    if vocabulary == "hgq":
        for layer in model.layers:
            lane = getattr(getattr(layer, "iq", None), "quantizer", None)
            if layer.name != "input_scaling" and hasattr(lane, "_f"):
                lane._f.assign(rng.integers(0, 7, lane._f.shape))
        trace_minmax(model, x, verbose=False)
    return model


@pytest.mark.parametrize("vocabulary", ["hgq", pytest.param("qkeras", marks=pytest.mark.long)])
@pytest.mark.parametrize("target", ["tflite", "hls4ml", "rtl"])
def test_they_repeat_the_bits_for_any_input(vocabulary: str, target: str, tmp_path: Path) -> None:
    if target == "hls4ml" and shutil.which("g++") is None:
        pytest.skip("needs g++")
    x = events()
    model = network(vocabulary, x)
    tried = trying(x)
    wanted = model.predict(tried, verbose=0)
    assert len(np.unique(wanted, axis=0)) > 100
    assert all(row.verdict == "exact" for row in targets.get(target).check(model, KIT))
    if target == "rtl":
        from hepnn.targets.rtl import trace

        found = trace.trace_network(model).predict(tried)
    else:
        (artefact,) = targets.get(target).write(model, tmp_path, kit=KIT, calibration=x, exact=True)
        found = artefact.predict(tried)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.long
def test_hls4ml_takes_them_in_float_too(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    x = events()
    model = network("float", x)
    wanted = model.predict(x, verbose=0)
    (artefact,) = targets.get("hls4ml").write(model, tmp_path, kit=KIT, calibration=x, exact=False)
    assert np.sqrt(np.mean((artefact.predict(x) - wanted) ** 2)) < 0.005 * np.ptp(wanted)


def test_a_depthwise_sum_has_the_terms_of_one_map() -> None:
    """9 terms of up to 3.75 by up to 7.5, in steps of 2**-3 by 2**-2: the bits of one map's sum."""
    import keras
    from hgq.config import QuantizerConfig

    from hepnn.layers.depthwise import QDepthwiseConv2D

    lane = QuantizerConfig("kif", "datalane", k0=0, i0=3, f0=2, trainable=False)
    weight = QuantizerConfig("kif", "weight", k0=1, i0=2, f0=3, trainable=False)
    layer = QDepthwiseConv2D(3, use_bias=False, iq_conf=lane, kq_conf=weight, name="alone")
    inputs = keras.Input((4, 4, 16))
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign(np.full((3, 3, 16, 1), 2.125))
    found = preflight.accumulator_bits(model)["alone"]
    assert found == pytest.approx(np.log2(9 * 2.125 * 7.75 / 2.0**-5))
