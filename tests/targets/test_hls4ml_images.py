"""hls4ml on layers for images that it does not know, or gets wrong: equal bits."""

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
from hepnn.targets.kit import Kit

KIT = Kit(name="test", title="test", targets=["hls4ml"])

pytestmark = [
    pytest.mark.usefixtures("tensorflow"),
    pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++"),
]


def _pooled_and_stacked(nn: Any, x: Any) -> Any:
    """Pool with padding, behind a ReLU whose type has no sign and behind a signed layer.

    Then stack three tensors of different grids, and two along another axis.
    """
    x = nn.Conv2D(2, 1, activation="relu", name="rectified")(x)
    x = nn.MaxPooling2D(3, strides=1, padding="same", name="pool")(x)
    signed = nn.Conv2D(2, 1, name="signed")(x)
    x = nn.MaxPooling2D(2, strides=1, padding="same", name="pool_signed")(signed)
    stacked = nn.Concatenate(name="stacked")([nn.Conv2D(1, 1, name="one")(x), x, signed])
    return nn.Concatenate(axis=1, name="below")([stacked, nn.Conv2D(5, 1, name="five")(stacked)])


def _padded_and_grouped(nn: Any, x: Any) -> Any:
    """Put zeros around, then convolve in two groups to 2 x 2 pixels."""
    x = nn.ZeroPadding2D(((1, 0), (0, 1)), name="zeros")(x)
    return nn.Conv2D(4, 2, groups=2, activation="relu", name="grouped")(x)


def _network(body: Any, head: str, x: np.ndarray) -> Any:
    import keras

    keras.utils.set_random_seed(4)
    nn = vocabularies.get("hgq")
    inputs = keras.Input(x.shape[1:])
    h = nn.input_scaling(x.shape[1:], scaling.standard(x))(inputs)
    h = body(nn, nn.Conv2D(2, 2, name="first")(h))
    layer = nn.Flatten if head == "flatten" else nn.GlobalAveragePooling2D
    model = keras.Model(inputs, nn.Dense(3, name="logits")(layer(name="head")(h)))
    return _finished(model, "hgq", x, uneven=True)


@pytest.mark.parametrize(
    ("body", "head"), [(_pooled_and_stacked, "flatten"), (_padded_and_grouped, "average")]
)
def test_the_bits_are_repeated(body: Any, head: str, tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(1, 3, (200, 3, 3, 2)).astype(np.float32)
    model = _network(body, head, x)
    tried = trying(x)
    wanted = model.predict(tried, verbose=0)
    assert len(np.unique(wanted, axis=0)) > 100
    verdicts = hls4ml.check(model, KIT)
    assert {row.verdict for row in verdicts} == {"exact"}
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=True)
    np.testing.assert_array_equal(artefact.predict(tried), wanted)


def test_a_padded_signal_repeats_the_bits(tmp_path: Path) -> None:
    import keras

    x = np.random.default_rng(3).normal(1, 3, (200, 4, 2)).astype(np.float32)
    keras.utils.set_random_seed(4)
    nn = vocabularies.get("hgq")
    inputs = keras.Input((4, 2))
    h = nn.Conv1D(2, 1, name="first")(nn.input_scaling((4, 2), scaling.standard(x))(inputs))
    h = nn.Conv1D(2, 3, groups=2, name="grouped")(nn.ZeroPadding1D((2, 1), name="zeros")(h))
    h = nn.Dense(3, name="logits")(nn.Flatten(name="flat")(h))
    model = _finished(keras.Model(inputs, h), "hgq", x, uneven=True)
    tried = trying(x)
    (artefact,) = hls4ml.write(model, tmp_path, kit=KIT, calibration=x, exact=True)
    np.testing.assert_array_equal(artefact.predict(tried), model.predict(tried, verbose=0))
