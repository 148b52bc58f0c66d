"""Convolutionalization: the classifier on every crop at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.architectures import narrow
from hepnn.data import scaling
from hepnn.errors import HepnnError

pytestmark = pytest.mark.usefixtures("tensorflow")

#: Narrow variants that classify images and are float as they stand.
LABELS = ("vgg", "lenet5", "googlenet", "alexnet", "fully-convolutional")


def _images(shape: tuple[int, ...], events: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 30, (events, *shape)).astype(np.float32)


def _float(build: Any, shape: tuple[int, ...], **hyper: Any) -> Any:
    """Build a float classifier with an input scaling and no weight at zero."""
    import keras

    keras.utils.set_random_seed(1)
    nn = vocabularies.get("float")
    nn.scaling = scaling.standard(_images(shape, 100))
    model = build(shape, (4,), nn=nn, **hyper)
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:
        if variable.name in ("bias", "beta"):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def _valid(input_shape: tuple[int, ...], output_shape: tuple[int, ...], *, nn: Any) -> Any:
    """Build convolutions without padding and a head of a global average."""
    inputs = nn.Input(input_shape, name="inputs")
    x = nn.Conv2D(4, 3, activation="relu", name="conv1")(inputs)
    x = nn.BatchNormalization(name="norm")(nn.MaxPooling2D(2, name="pool")(x))
    x = nn.GlobalAveragePooling2D(name="average")(nn.Conv2D(5, 3, name="conv2")(x))
    x = nn.Dense(6, activation="relu", name="dense")(x)
    return nn.Model(inputs, nn.Dense(*output_shape, name="logits")(x), name="valid")


@pytest.mark.parametrize("label", LABELS)
def test_on_the_original_size_it_is_the_classifier(label: str) -> None:
    from hepnn.training.convolutionalize import convolutionalize

    name, (shape, _, hyper, *_) = narrow.variants()[label]
    model = _float(architectures.get(name), shape, **hyper)
    x = _images(shape)
    heat = np.asarray(convolutionalize(model, shape)(x))
    logits = np.asarray(model(x))
    assert heat.shape == (len(x), 1, 1, 4)
    assert np.allclose(heat[:, 0, 0], logits, rtol=1e-5, atol=1e-5 * np.ptp(logits))


@pytest.mark.parametrize(
    ("name", "shape", "larger", "stride"),
    [
        ("lenet5", (32, 32, 1), (41, 36, 1), 4),  # the paper's: radial basis units at the end
        ("valid", (10, 10, 2), (15, 12, 2), 2),  # a global average, then dense layers
    ],
)
def test_every_cell_is_the_classifier_on_its_crop(
    name: str, shape: tuple[int, ...], larger: tuple[int, ...], stride: int
) -> None:
    from hepnn.training.convolutionalize import convolutionalize

    model = _float(_valid if name == "valid" else architectures.get(name), shape)
    x = _images(larger)
    heat = np.asarray(convolutionalize(model, larger)(x))
    rows, columns = ((larger[n] - shape[n]) // stride + 1 for n in (0, 1))
    assert heat.shape == (len(x), rows, columns, 4)
    assert rows * columns > 3
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            crop = x[:, top : top + shape[0], left : left + shape[1]]
            logits = np.asarray(model(crop))
            assert np.allclose(heat[:, row, column], logits, rtol=1e-4, atol=1e-4), (row, column)


def test_any_size_can_be_left_open() -> None:
    from hepnn.training.convolutionalize import convolutionalize

    model = _float(_valid, (10, 10, 2))
    x = _images((14, 18, 2))
    heat = np.asarray(convolutionalize(model, (None, None, 2))(x))
    assert np.array_equal(heat, np.asarray(convolutionalize(model, (14, 18, 2))(x)))


def test_what_needs_one_size_is_refused() -> None:
    import keras

    from hepnn.training.convolutionalize import convolutionalize

    model = _float(_valid, (10, 10, 2))
    with pytest.raises(HepnnError, match="do not hold that"):
        convolutionalize(model, (10, 8, 2))
    with pytest.raises(HepnnError, match="no classifier of images"):
        mlp = architectures.get("mlp")((4,), (2,), nn=vocabularies.get("float"))
        convolutionalize(mlp, (8, 8, 1))
    reshaped = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Reshape((16,), name="row"), keras.layers.Dense(2)]
    )
    with pytest.raises(HepnnError, match="'row', Reshape, needs images of one size"):
        convolutionalize(reshaped, (8, 8, 1))
    fixed = architectures.get("vgg")(
        (8, 8, 1), (3,), nn=vocabularies.get("hgq"), blocks=[1], filters=[2], units=[2]
    )
    with pytest.raises(HepnnError, match="is fixed point; convolutionalize the float stage"):
        convolutionalize(fixed, (16, 16, 1))
