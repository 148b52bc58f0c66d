"""AlexNet, VGG, GoogLeNet, the fully convolutional classifier: their papers' tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def _published(name: str, shape: tuple[int, ...], classes: int, **hyper: Any) -> Any:
    """Build a network at published size; the weights are counted and not made."""
    import keras

    with keras.StatelessScope(initialize_variables=False):
        nn = vocabularies.get("float")
        return architectures.get(name)(shape, (classes,), nn=nn, **hyper)


def _parameters(model: Any) -> dict[str, int]:
    return {layer.name: layer.count_params() for layer in model.layers if layer.weights}


def _multiplications(layer: Any) -> int:
    """Return weights without biases, times the pixels that they are used at."""
    kernel = int(np.prod(layer.kernel.shape))
    return kernel * int(np.prod(layer.output.shape[1:-1], dtype=int))


@pytest.fixture(scope="module")
def alexnet() -> Any:
    return _published("alexnet", (224, 224, 3), 1000)


@pytest.fixture(scope="module")
def googlenet() -> Any:
    return _published("googlenet", (224, 224, 3), 1000)


def test_alexnet_has_the_papers_parameters_layer_by_layer(alexnet: Any) -> None:
    """Section 3.5: kernels of 11x11x3, 5x5x48, 3x3x256, 3x3x192, 3x3x192, dense of 4096."""
    assert _parameters(alexnet) == {
        "conv1": 96 * (11 * 11 * 3 + 1),
        "conv2": 256 * (5 * 5 * 48 + 1),
        "conv3": 384 * (3 * 3 * 256 + 1),
        "conv4": 384 * (3 * 3 * 192 + 1),
        "conv5": 256 * (3 * 3 * 192 + 1),
        "fc6": 4096 * (6 * 6 * 256 + 1),
        "fc7": 4096 * (4096 + 1),
        "logits": 1000 * (4096 + 1),
    }
    assert alexnet.count_params() == 60_965_224  # "60 million"


def test_alexnet_has_the_papers_neurons(alexnet: Any) -> None:
    """Caption of figure 2: 150,528 inputs, then 253,440-186,624-64,896-64,896-43,264-4096-..."""
    neurons = {
        name: int(np.prod(alexnet.get_layer(name).output.shape[1:]))
        for name in ("inputs", *_parameters(alexnet))
    }
    published = [150_528, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert [neurons[name] for name in neurons if name != "conv1"] == published
    assert neurons["conv1"] == 55 * 55 * 96  # 253,440 in the caption: 55 x 48 x 96
    assert sum(neurons.values()) - neurons["inputs"] == pytest.approx(650_000, rel=0.015)


def test_alexnet_has_over_600_million_connections(alexnet: Any) -> None:
    """The authors' talk says "over 600M connections"; often 630 M is quoted."""
    found = sum(_multiplications(alexnet.get_layer(name)) for name in _parameters(alexnet))
    assert found == (
        55 * 55 * 96 * 363  # of 11 x 11 x 3
        + 27 * 27 * 256 * 1200  # of 5 x 5 x 48
        + 13 * 13 * (384 * 2304 + 384 * 1728 + 256 * 1728)
        + 9216 * 4096
        + 4096 * 4096
        + 4096 * 1000
    )
    assert 600e6 < found < 730e6


def test_a_group_of_alexnet_does_not_see_the_other() -> None:
    """Figure 2: the second, fourth and fifth convolution lie on two GPUs each."""
    nn = vocabularies.get("float")
    hyper = {"filters": [4] * 5, "kernels": [3] * 5, "strides": 1, "units": [4]}
    hyper |= {"pool": [2, 1], "normalization": "none"}
    model = architectures.get("alexnet")((8, 8, 1), (2,), nn=nn, **hyper)
    for name, shared in (("conv2", 2), ("conv3", 4), ("conv4", 2), ("conv5", 2)):
        assert model.get_layer(name).kernel.shape == (3, 3, shared, 4)


def test_alexnet_starts_from_the_papers_weights_where_asked() -> None:
    """Section 5: deviation 0.01; biases of one in layers 2, 4, 5 and the hidden dense ones."""
    nn = vocabularies.get("float")
    hyper = {"filters": [8] * 5, "units": [64, 64], "initialization": "paper"}
    model = architectures.get("alexnet")((67, 67, 3), (3,), nn=nn, **hyper)
    ones = {
        name for name in _parameters(model) if np.all(model.get_layer(name).bias.numpy() == 1.0)
    }
    assert ones == {"conv2", "conv4", "conv5", "fc6", "fc7"}
    for name in _parameters(model):
        assert np.std(model.get_layer(name).kernel.numpy()) == pytest.approx(0.01, rel=0.15)


@pytest.mark.parametrize("size", [3, 5])
def test_response_normalization_is_tensorflows_own(size: int) -> None:
    import tensorflow as tf

    from hepnn.layers.normalization import LocalResponseNormalization

    x = np.random.default_rng(0).normal(0, 30, (2, 4, 4, 7)).astype(np.float32)
    layer = LocalResponseNormalization(size=size, k=2.0, alpha=1e-2, beta=0.75)
    expected = tf.nn.local_response_normalization(x, size // 2, 2.0, 1e-2, 0.75)
    assert np.allclose(layer(x), expected, rtol=1e-5)
    again = LocalResponseNormalization.from_config(layer.get_config())
    assert np.array_equal(again(x), layer(x))


def test_response_normalization_is_refused_in_fixed_point() -> None:
    with pytest.raises(RecipeError, match="LocalResponseNormalization; set normalization: none"):
        architectures.get("alexnet")((67, 67, 3), (3,), nn=vocabularies.get("hgq"))


@pytest.mark.parametrize(
    ("depth", "millions"), [(11, 133), (13, 133), (16, 138), (19, 144)], ids="ABDE"
)
def test_vgg_has_the_papers_parameters(depth: int, millions: int) -> None:
    """Table 2: 133, 133, 138 and 144 million for A, B, D and E."""
    model = _published("vgg", (224, 224, 3), 1000, depth=depth)
    assert round(model.count_params() / 1e6) == millions
    assert len(_parameters(model)) == depth


@pytest.mark.parametrize("depth", [16, 19])
def test_vgg_is_that_of_keras_applications(depth: int) -> None:
    import keras

    ours = _published("vgg", (224, 224, 3), 1000, depth=depth)
    with keras.StatelessScope(initialize_variables=False):
        theirs = getattr(keras.applications, f"VGG{depth}")(weights=None)
    assert ours.count_params() == theirs.count_params()

    def rows(model: Any) -> list[tuple[Any, int]]:
        layers = [layer for layer in model.layers if layer.weights or "pool" in layer.name]
        return [(layer.output.shape, layer.count_params()) for layer in layers]

    assert rows(ours) == rows(theirs)


#: Table 1 of GoogLeNet: output size, maps, parameters in thousands of 1024, operations in
#: millions. What does not fit the row's own kernels is left out: 2.7K and 34M for a 7x7x3x64
#: kernel, the parameters of 4a to 5b (up to 7 % off, while their operations fit), and 5a's 54M.
TABLE_1: dict[str, tuple[int, int, int | None, int | None]] = {
    "conv1": (112, 64, None, None),
    "conv2": (56, 192, 112, 360),
    "inception3a": (28, 256, 159, 128),
    "inception3b": (28, 480, 380, 304),
    "inception4a": (14, 512, None, 73),
    "inception4b": (14, 512, None, 88),
    "inception4c": (14, 512, None, 100),
    "inception4d": (14, 528, None, 119),
    "inception4e": (14, 832, None, 170),
    "inception5a": (7, 832, None, None),
    "inception5b": (7, 1024, None, 71),
    "logits": (1, 1000, 1000, 1),
}


@pytest.mark.parametrize("row", TABLE_1)
def test_googlenet_has_the_rows_of_table_1(googlenet: Any, row: str) -> None:
    side, maps, thousands, millions = TABLE_1[row]
    output = googlenet.get_layer(row).output.shape
    assert output[1:] in ((side, side, maps), (maps,))
    layers = [layer for layer in googlenet.layers if layer.name.startswith(row) and layer.weights]
    if thousands is not None:
        kernels = sum(int(np.prod(layer.kernel.shape)) for layer in layers)
        assert kernels / 1024 == pytest.approx(thousands, abs=1)
    if millions is not None:
        assert sum(map(_multiplications, layers)) / 1e6 == pytest.approx(millions, abs=1)


def test_googlenet_has_the_parameters_of_the_caffe_model(googlenet: Any) -> None:
    """bvlc_googlenet without its auxiliary classifiers: kernels and biases, closed form."""
    total = 64 * (7 * 7 * 3 + 1) + 64 * (64 + 1) + 192 * (9 * 64 + 1) + 1000 * (1024 + 1)
    maps = 192
    for one, r3, three, r5, five, pool in (
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    ):
        total += (maps + 1) * (one + r3 + r5 + pool) + (9 * r3 + 1) * three + (25 * r5 + 1) * five
        maps = one + three + five + pool
    assert googlenet.count_params() == total == 6_998_552


def test_googlenet_has_two_auxiliary_classifiers_that_are_not_in_it(googlenet: Any) -> None:
    """Section 5: 5x5 average with stride 3, 128 maps, 1024 neurons; on 4a and 4d; weight 0.3."""
    assert [weight for _, weight in googlenet.auxiliary] == [0.3, 0.3]
    for (logits, _), maps in zip(googlenet.auxiliary, (512, 528), strict=True):
        assert logits.shape == (None, 1000)
        layer = logits._keras_history.operation
        found = []
        while not layer.name.startswith("inception"):
            if layer.weights:
                found.append(layer.count_params())
            if "average" in layer.name:
                assert layer.output.shape[1:] == (4, 4, maps)
            layer = layer.input._keras_history.operation
        assert found == [1000 * 1025, 1024 * (4 * 4 * 128 + 1), 128 * (maps + 1)]
    assert not [layer for layer in googlenet.layers if "auxiliary" in layer.name]


def test_an_inception_module_is_its_four_branches() -> None:
    """Figure 2b, written out with TensorFlow's functions."""
    import tensorflow as tf

    nn = vocabularies.get("float")
    hyper: dict[str, Any] = {"stem": "plain", "filters": [3], "auxiliary": []}
    model = architectures.get("googlenet")(
        (6, 6, 1), (2,), nn=nn, modules=[[[2, 3, 4, 2, 3, 2]]], normalization="none", **hyper
    )
    import keras

    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)

    def convolve(x: Any, name: str) -> Any:
        layer = model.get_layer(f"inception3a_{name}")
        return tf.nn.relu(tf.nn.conv2d(x, layer.kernel.value, 1, "SAME") + layer.bias.value)

    pooled = tf.nn.max_pool2d(x, 3, 1, "SAME")
    expected = tf.concat(
        [
            convolve(x, "1x1"),
            convolve(convolve(x, "3x3_reduce"), "3x3"),
            convolve(convolve(x, "5x5_reduce"), "5x5"),
            convolve(pooled, "pool_proj"),
        ],
        axis=-1,
    )
    module = keras.Model(model.get_layer("conv1").output, model.get_layer("inception3a").output)
    assert np.allclose(module(x), expected, atol=1e-6)


def test_the_fully_convolutional_classifier_is_all_cnn_c() -> None:
    """Table 1 of Springenberg et al.: 96, 96, 96/2, 192, 192, 192/2, 192 (valid), 192, classes."""
    model = _published("fully_convolutional", (32, 32, 3), 10)
    sides = {
        layer.name: (*layer.output.shape[1:], layer.kernel_size[0])
        for layer in model.layers
        if layer.weights
    }
    assert list(sides.values()) == [
        (32, 32, 96, 3),
        (32, 32, 96, 3),
        (16, 16, 96, 3),
        (16, 16, 192, 3),
        (16, 16, 192, 3),
        (8, 8, 192, 3),
        (6, 6, 192, 3),
        (6, 6, 192, 1),
        (6, 6, 10, 1),
    ]
    kernels = [(27, 96), *[(864, 96)] * 2, (864, 192), *[(1728, 192)] * 3, (192, 192), (192, 10)]
    assert model.count_params() == sum((inputs + 1) * maps for inputs, maps in kernels)
    assert model.count_params() == 1_369_738  # "1.4 M"


@pytest.mark.parametrize(
    ("name", "shape", "hyper", "message"),
    [
        ("alexnet", (16,), {}, "takes images"),
        ("alexnet", (32, 32, 1), {}, "too deep"),
        ("alexnet", (224, 224, 1), {"filters": [8, 9, 8, 8, 8]}, "9 maps do not divide"),
        ("vgg", (16,), {}, "takes images"),
        ("vgg", (28, 28, 1), {}, "too deep"),
        ("vgg", (32, 32, 1), {"depth": 17}, "no depth 17"),
        ("vgg", (32, 32, 1), {"blocks": [1], "filters": [1, 2]}, "2 filters for 1 blocks"),
        ("googlenet", (16,), {}, "takes images"),
        ("googlenet", (64, 64, 1), {"auxiliary": ["4f"]}, "no module '4f'"),
        ("googlenet", (64, 64, 1), {"modules": [[[1, 2]]]}, "wants six numbers"),
        ("googlenet", (64, 64, 1), {"filters": [4]}, "stem has three convolutions"),
        ("fully_convolutional", (16,), {}, "takes images"),
        ("fully_convolutional", (8, 8, 1), {}, "too deep"),
    ],
)
def test_what_cannot_be_built_is_refused(
    name: str, shape: tuple[int, ...], hyper: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        architectures.get(name)(shape, (2,), nn=vocabularies.get("float"), **hyper)
