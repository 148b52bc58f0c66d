"""ResNet, DenseNet, Xception: the counts of their papers and of keras.applications, and shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def build(name: str, *shapes: tuple[int, ...], vocabulary: str = "float", **hyper: Any) -> Any:
    return architectures.get(name)(*shapes, nn=vocabularies.get(vocabulary), **hyper)


def count(variables: Any) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


def shapes(model: Any, *names: str) -> list[tuple[int, ...]]:
    """Return the shapes of all variables so named, in the order of size and place."""
    return sorted(tuple(v.shape) for v in model.variables if v.name in names)


def same_but_biases(model: Any, reference: Any) -> int:
    """Assert equal kernels and normalizations; return the biases that the reference has more."""
    kernels = ("kernel", "depthwise_kernel", "pointwise_kernel")
    assert shapes(model, *kernels) == shapes(reference, *kernels)
    for part in ("gamma", "beta", "moving_mean", "moving_variance"):
        assert shapes(model, part) == shapes(reference, part)
    assert count(model.non_trainable_variables) == count(reference.non_trainable_variables)
    return count(reference.trainable_variables) - count(model.trainable_variables)


@pytest.mark.parametrize("depth", [50, 152])
def test_resnet_has_kerass_weights_but_the_biases_of_its_convolutions(depth: int) -> None:
    """Keras gives every convolution a bias; in front of batch normalization none is needed."""
    import keras

    reference = getattr(keras.applications, f"ResNet{depth}")(weights=None)
    model = build("resnet", (224, 224, 3), (1000,), depth=depth)
    biases = [layer.filters for layer in reference.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(biases) == depth - 1 + 4  # all layers but the last, and four projections
    assert same_but_biases(model, reference) == sum(biases)


@pytest.mark.parametrize(("depth", "blocks"), [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
def test_the_shallow_resnets_have_the_layers_of_table_1(depth: int, blocks: Any) -> None:
    model = build("resnet", (224, 224, 3), (1000,), depth=depth)
    expected = 7 * 7 * 3 * 64 + 2 * 64 + 512 * 1000 + 1000
    entering = 64
    for width, repeated in zip((64, 128, 256, 512), blocks, strict=True):
        for _ in range(repeated):
            expected += 9 * entering * width + 9 * width**2 + 4 * width
            if entering != width:
                expected += entering * width + 2 * width
            entering = width
    assert count(model.trainable_variables) == expected
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert len([layer for layer in layers if "shortcut" not in layer.name]) == depth


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, "0.27"), (32, "0.46"), (44, "0.66"), (56, "0.85"), (110, "1.7")]
)
def test_resnet_of_cifar_has_the_papers_parameters(depth: int, millions: str) -> None:
    """Table 6; and by hand: 6n convolutions, none of the shortcuts has a weight."""
    model = build("resnet", (32, 32, 3), (10,), family="cifar", depth=depth)
    n = (depth - 2) // 6
    kernels = 9 * (3 * 16 + 2 * n * 16**2)
    kernels += 9 * (16 * 32 + (2 * n - 1) * 32**2) + 9 * (32 * 64 + (2 * n - 1) * 64**2)
    maps = 16 + 2 * n * (16 + 32 + 64)
    total = count(model.trainable_variables)
    assert total == kernels + 2 * maps + 64 * 10 + 10
    assert f"{total / 1e6:.{len(millions) - 2}f}" == millions


def test_resnet_has_the_output_sizes_of_table_1() -> None:
    model = build("resnet", (224, 224, 3), (1000,))
    found = [model.get_layer(name).output.shape[1:] for name in ("conv1", "pool1")]
    assert found == [(112, 112, 64), (56, 56, 64)]
    for stage, side, maps in ((2, 56, 256), (3, 28, 512), (4, 14, 1024), (5, 7, 2048)):
        last = [layer for layer in model.layers if layer.name.startswith(f"conv{stage}_")][-1]
        assert last.output.shape[1:] == (side, side, maps)


def test_the_padded_identity_is_every_second_pixel_and_zeros() -> None:
    from hepnn.layers.shortcut import PaddedIdentity2D

    x = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    found = np.asarray(PaddedIdentity2D(5, 2)(x))
    assert found.shape == (2, 3, 2, 5) == PaddedIdentity2D(5, 2).compute_output_shape(x.shape)
    expected = np.zeros((2, 3, 2, 5), np.float32)
    for row in range(3):
        for column in range(2):
            expected[:, row, column, :3] = x[:, 2 * row, 2 * column]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shortcut", ["padding", "projection"])
def test_a_silent_residual_leaves_the_identity(shortcut: str) -> None:
    import keras

    hyper = {"family": "cifar", "depth": 14, "widths": (2, 3, 4), "shortcut": shortcut}
    model = build("resnet", (8, 8, 1), (3,), **hyper)
    silent = "conv2_block2"  # the shape stays: no layer on the shortcut, whichever it is
    model.get_layer(f"{silent}_conv2_norm").gamma.assign([0.0, 0.0])
    ends = [model.get_layer(name).output for name in ("conv2_block1_relu", f"{silent}_relu")]
    before, after = keras.Model(model.inputs, ends)(
        np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    )
    np.testing.assert_array_equal(before, after)


def test_densenet_has_kerass_weights() -> None:
    import keras

    reference = keras.applications.DenseNet121(weights=None)
    model = build("densenet", (224, 224, 3), (1000,))
    assert same_but_biases(model, reference) == 0
    assert count(model.trainable_variables) == 7_978_856
    assert count(model.non_trainable_variables) == 83_648
    for name in ("pool1", "transition1_pool", "transition2_pool", "transition3_pool"):
        side = model.get_layer(name).output.shape[1]
        assert side == {"pool1": 56, "transition1_pool": 28, "transition2_pool": 14}.get(name, 7)


@pytest.mark.parametrize(
    ("hyper", "millions"),
    [
        ({"depth": 100}, 0.8),
        ({"depth": 40, "bottleneck": False, "compression": 1.0}, 1.0),
    ],
)
def test_densenet_of_cifar_has_the_papers_parameters(hyper: Any, millions: float) -> None:
    """Table 2; and by hand from the maps that each layer sees."""
    model = build("densenet", (32, 32, 3), (10,), family="cifar", **hyper)
    growth, plain = 12, not hyper.get("bottleneck", True)
    maps = 16 if plain else 2 * growth
    expected = 9 * 3 * maps
    for block in range(3):
        for _ in range((hyper["depth"] - 4) // (3 if plain else 6)):
            expected += 2 * maps
            if plain:
                expected += 9 * maps * growth
            else:
                expected += 4 * growth * maps + 2 * 4 * growth + 9 * 4 * growth * growth
            maps += growth
        if block < 2:
            kept = int(hyper.get("compression", 0.5) * maps)
            expected += 2 * maps + maps * kept
            maps = kept
    total = count(model.trainable_variables)
    assert total == expected + 2 * maps + 10 * maps + 10
    assert round(total / 1e6, 1) == millions


def test_every_layer_of_a_dense_block_sees_all_maps_before_it() -> None:
    model = build("densenet", (16, 16, 1), (2,), family="cifar", blocks=[4], growth=3, stem_width=5)
    seen = [model.get_layer(f"block1_layer{n}_norm1").input.shape[-1] for n in (1, 2, 3, 4)]
    assert seen == [5, 8, 11, 14]
    assert model.get_layer("last_norm").input.shape[-1] == 17


def test_xception_has_kerass_weights_and_sizes() -> None:
    import keras

    reference = keras.applications.Xception(weights=None)
    model = build("xception", (299, 299, 3), (1000,))
    assert same_but_biases(model, reference) == 0
    assert count(model.trainable_variables) == 22_855_952
    assert count(model.non_trainable_variables) == 54_528
    for name, shape in (("middle8_add", (19, 19, 728)), ("last2_relu", (10, 10, 2048))):
        assert model.get_layer(name).output.shape[1:] == shape


@pytest.mark.parametrize(
    ("name", "hyper", "message"),
    [
        ("resnet", {"depth": 20}, "no depth 20; the imagenet family has 18, 34"),
        ("resnet", {"depth": 21, "family": "cifar"}, r"6n \+ 2 layers"),
        ("resnet", {"family": "mnist"}, "no family 'mnist'; use imagenet or cifar"),
        ("resnet", {"shortcut": "zero"}, "no shortcut 'zero'; use projection or padding or none"),
        ("resnet", {"widths": [8, 16]}, "4 stages of blocks, widths for 2"),
        ("resnet", {}, "too deep"),
        ("densenet", {"depth": 100}, "no depth 100; the imagenet family has 121"),
        ("densenet", {"depth": 101, "family": "cifar"}, r"6n \+ 4 layers"),
        ("densenet", {"compression": 0}, "compression"),
        ("densenet", {"normalization": "layer"}, "no normalization 'layer'; use batch or none"),
        ("densenet", {}, "too deep"),
        ("xception", {"normalization": "layer"}, "no normalization 'layer'; use batch or none"),
        ("xception", {"entry": []}, "at least one width each"),
        ("xception", {}, "too deep"),
    ],
)
def test_what_the_papers_do_not_have_is_refused(name: str, hyper: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(name, (16, 16, 1), (2,), **hyper)


@pytest.mark.parametrize("name", ["resnet", "densenet", "xception"])
def test_only_images_are_taken(name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name} takes images"):
        build(name, (16,), (2,))


@pytest.mark.parametrize("name", ["resnet", "densenet", "xception"])
def test_without_normalization_the_convolutions_have_biases(name: str) -> None:
    from hepnn.architectures import narrow

    variant = narrow.variants()[name][1]
    sides = variant.input_shape, variant.output_shape
    model = build(name, *sides, **{**variant.hyper, "normalization": "none"})
    assert not model.non_trainable_variables
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"]
    assert all(layer.use_bias for layer in convolutions)


def test_the_depthwise_convolution_in_fixed_point_is_kerass_on_its_lanes(tmp_path: Path) -> None:
    import keras

    from hepnn.training import network

    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 7, 6, 4)).astype(np.float32)
    options = {"strides": 2, "padding": "same", "depth_multiplier": 2, "name": "depthwise"}
    nn = vocabularies.get("hgq", weight_bits=5, lane_fraction=3)
    layer = nn.DepthwiseConv2D(3, **options)
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    layer.bias.assign(rng.normal(size=8))
    reference = keras.layers.DepthwiseConv2D(3, **options)
    reference.build(x.shape)
    assert [v.path for v in reference.variables] == ["depthwise/kernel", "depthwise/bias"]
    assert {v.path for v in reference.variables} <= {v.path for v in layer.variables}
    reference.kernel.assign(layer.qkernel)
    reference.bias.assign(layer.qbias)
    assert np.any(np.asarray(layer.kernel) != np.asarray(layer.qkernel))
    wanted = reference(layer.iq(x))
    np.testing.assert_array_equal(model(x), wanted)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(network.load_model(tmp_path / "model.keras")(x), wanted)


def test_the_effective_bit_operations_of_a_depthwise_convolution_are_of_each_map() -> None:
    """The same as of one ordinary convolution a map, summed."""
    import keras

    rng = np.random.default_rng(0)
    nn = vocabularies.get("hgq", beta=1e-6)
    together = nn.DepthwiseConv2D(3, use_bias=False, name="depthwise")
    alone = [nn.Conv2D(1, 3, use_bias=False, name=f"conv{number}") for number in range(3)]
    x = rng.normal(size=(1, 6, 6, 3)).astype(np.float32)
    together(x, training=True)
    widths = rng.integers(1, 7, 3)
    together.iq.quantizer._f.assign(widths.reshape(together.iq.quantizer._f.shape))
    together(x, training=True)
    total = 0
    for number, layer in enumerate(alone):
        one = x[..., number : number + 1]
        layer(one, training=True)
        layer.iq.quantizer._f.assign(widths[number].reshape(1, 1, 1, 1))
        layer.kernel.assign(together.kernel[..., number : number + 1, :])
        layer(one, training=True)
        total += int(layer.ebops)
    assert isinstance(together, keras.layers.DepthwiseConv2D)
    assert int(together.ebops) == total > 0
