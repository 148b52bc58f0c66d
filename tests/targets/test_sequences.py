"""Words for sequences that libraries do not have, or stop at, have equal bits on every target.

HGQ2's causal convolution stops where it counts EBOPs. hls4ml reads tables behind vectors alone and
sums of two tensors alone. TFLite's converter has no product of every channel with a factor when
an offset differs from place to place.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import _finished, trying

from hepnn import targets, vocabularies
from hepnn.data import scaling
from hepnn.targets.kit import Kit

pytestmark = pytest.mark.usefixtures("tensorflow")

KIT = Kit(name="test", title="test", targets=["hls4ml"])


def network(x: np.ndarray) -> Any:
    import keras

    keras.utils.set_random_seed(3)
    nn = vocabularies.get("hgq")
    nn.scaling = scaling.standard(x)
    inputs = nn.Input(x.shape[1:], name="inputs")
    h = nn.Conv1D(3, 2, padding="causal", dilation_rate=2, name="causal")(inputs)
    h = nn.Activation("tanh", name="table")(h)
    others = [nn.Dense(3, name=name)(h) for name in ("one", "two")]
    h = nn.Add(name="three")([h, *others])
    h = nn.Maximum(name="largest")([h, *others])
    h = nn.Dense(3, activation="relu", name="dense")(h)
    offset = np.arange(-6, 6).reshape(4, 3) / 4
    h = nn.ConstantEinsum("abc,c->abc", np.array([0.5, 1, 2]), bias=offset, name="places")(h)
    h = nn.UpSampling1D(2, name="repeated")(nn.ZeroPadding1D((1, 0), name="padded")(h))
    h = nn.Conv1D(2, 3, strides=2, name="conv")(h)
    outputs = nn.Dense(3, name="logits")(nn.Flatten(name="flat")(h))
    return _finished(nn.Model(inputs, outputs), "hgq", x, uneven=True)


@pytest.mark.parametrize("target", ["tflite", "hls4ml", "rtl"])
def test_they_repeat_the_bits_for_any_input(target: str, tmp_path: Path) -> None:
    if target == "hls4ml" and shutil.which("g++") is None:
        pytest.skip("needs g++")
    x = (np.random.default_rng(0).normal(size=(200, 4, 2)) * 3 + 1).astype(np.float32)
    model, tried = network(x), trying(x)
    wanted = model.predict(tried, verbose=0)
    assert len(np.unique(wanted, axis=0)) > 100
    assert {row.verdict for row in targets.get(target).check(model, KIT)} == {"exact"}
    if target == "rtl":
        from hepnn.targets.rtl import trace

        found = trace.trace_network(model).predict(tried)
    else:
        (artefact,) = targets.get(target).write(model, tmp_path, kit=KIT, calibration=x, exact=True)
        found = artefact.predict(tried)
    np.testing.assert_array_equal(found, wanted)


def test_a_causal_convolution_is_kerass_own() -> None:
    import keras

    from hepnn.training.network import warm_start

    x = np.random.default_rng(1).normal(size=(50, 6, 2)).astype(np.float32)
    inputs = keras.Input((6, 2))
    options = {"padding": "causal", "dilation_rate": 2, "name": "conv"}
    wanted = keras.Model(inputs, keras.layers.Conv1D(3, 2, **options)(inputs))
    nn = vocabularies.get("hgq", lane_integer=4, lane_fraction=12, weight_bits=14)
    model = keras.Model(inputs, nn.Conv1D(3, 2, **options)(inputs))
    assert warm_start(model, wanted) == ["conv"]
    difference = model.predict(x, verbose=0) - wanted.predict(x, verbose=0)
    assert np.abs(difference).max() < 2e-3
