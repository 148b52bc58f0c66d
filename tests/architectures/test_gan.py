"""GAN and DCGAN: the papers' sizes in closed form, shapes, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def _build(shape: tuple[int, ...], event: tuple[int, ...], **hyper: Any) -> Any:
    return architectures.get("gan")(shape, event, nn=vocabularies.get("float"), **hyper)


def test_the_first_papers_networks_on_mnist() -> None:
    """github.com/goodfeli/adversarial, mnist.yaml: 100-1200-1200-784; maxout 240 x 5, twice."""
    model = _build((100,), (28, 28, 1))
    dense = 100 * 1200 + 1200, 1200 * 1200 + 1200, 1200 * 784 + 784
    assert [layer.count_params() for layer in model.layers if layer.weights] == list(dense)
    assert model.count_params() == sum(dense) == 2_503_984
    assert model.output_shape == (None, 28, 28, 1)
    judge = model.discriminator((28, 28, 1), 0, nn=vocabularies.get("float"))
    maxout = 784 * 240 * 5 + 240 * 5, 240 * 240 * 5 + 240 * 5, 240 + 1
    assert [layer.count_params() for layer in judge.layers if layer.weights] == list(maxout)
    assert [layer.rate for layer in judge.layers if "dropout" in layer.name] == [0.5, 0.5]


def test_dcgan_is_figure_1() -> None:
    """100 to 4x4x1024, 8x8x512, 16x16x256, 32x32x128, 64x64x3; kernels 5x5 (arXiv:1511.06434)."""
    model = _build((100,), (64, 64, 3), filters=[1024, 512, 256, 128])
    maps = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert maps["small"] == (4, 4, 1024)
    shown = [(8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 3)]
    assert [maps[f"double{number}"] for number in (1, 2, 3, 4)] == shown
    channels = (1024, 512, 256, 128, 3)
    kernels = sum(25 * a * b + b for a, b in zip(channels, channels[1:], strict=False))
    project = 100 * 4 * 4 * 1024 + 4 * 4 * 1024
    normalization = 4 * sum(channels[:-1])
    assert model.count_params() == project + kernels + normalization
    judge = model.discriminator((64, 64, 3), 0, nn=vocabularies.get("float"))
    halved = {layer.name: layer.output.shape[1:] for layer in judge.layers}
    assert [halved[f"halve{n}"] for n in (1, 2, 3, 4)] == [
        (32, 32, 128),
        (16, 16, 256),
        (8, 8, 512),
        (4, 4, 1024),
    ]
    assert not any("ormaliz" in type(layer).__name__ for layer in judge.layers)


def test_a_maxout_unit_is_the_largest_of_its_linear_maps() -> None:
    """Goodfellow et al., arXiv:1302.4389, eq. (1)."""
    model = _build((4,), (3,), discriminator={"hidden": [6], "pieces": 5, "dropout": 0.0})
    judge = model.discriminator((3,), 0, nn=vocabularies.get("float"))
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    kernel, bias = (value.numpy() for value in judge.get_layer("dense1").weights)
    units = (x @ kernel + bias).reshape(50, 5, 6).max(axis=1)
    last, offset = (value.numpy() for value in judge.get_layer("real").weights)
    assert np.allclose(judge.predict(x, verbose=0), units @ last + offset, atol=1e-5)


@pytest.mark.parametrize("filters", [(), (8, 4)])
def test_a_conditional_discriminator_is_told_the_class(filters: tuple[int, ...]) -> None:
    event = (8, 8, 1)
    model = _build((16 + 3,), event, filters=filters, hidden=[8])
    judge = model.discriminator(event, 3, nn=vocabularies.get("float"))
    rng = np.random.default_rng(1)
    events = rng.normal(size=(20, *event)).astype(np.float32)
    told = [
        judge.predict([events, np.tile(np.eye(3, dtype=np.float32)[c], (20, 1))], verbose=0)
        for c in range(3)
    ]
    assert told[0].shape == (20, 1)
    assert not np.allclose(told[0], told[1]) and not np.allclose(told[1], told[2])


def test_repeated_pixels_are_the_same_form_as_transposed_convolutions() -> None:
    forms = [
        _build((10,), (16, 12, 2), filters=[8, 4], kernel=3, upsampling=how)
        for how in ("transposed", "nearest")
    ]
    assert forms[0].count_params() == forms[1].count_params()
    assert forms[0].output_shape == forms[1].output_shape == (None, 16, 12, 2)


def test_the_output_can_be_kept_in_a_range() -> None:
    x = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    for output, low, high in (("relu", 0.0, np.inf), ("tanh", -1.0, 1.0)):
        z = _build((5,), (4,), hidden=[16], output=output).predict(x, verbose=0)
        assert z.min() >= low and z.max() <= high


@pytest.mark.parametrize(
    ("hyper", "event", "message"),
    [
        ({"filters": [8, 4]}, (10, 8, 1), "10x8 pixels are no multiple of 4"),
        ({"filters": [8, 4]}, (16,), "makes images"),
        ({"upsampling": "cubic"}, (4,), "transposed or nearest, not 'cubic'"),
        ({"discriminator": {"hiden": [3]}}, (4,), "has no 'hiden'.*hidden"),
    ],
)
def test_what_cannot_be_built_is_refused(
    hyper: dict[str, Any], event: tuple[int, ...], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        _build((6,), event, **hyper)
    with pytest.raises(RecipeError, match="row of random numbers"):
        _build((8, 8, 1), event)
