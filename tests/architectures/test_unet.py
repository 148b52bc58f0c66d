"""U-Net: the paper's sizes and counts, the paths meet pixel on pixel, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")

#: Figure 1: the sides of the maps after every convolution, pooling and up-convolution.
SIDES = {
    **{"down1_conv1": 570, "down1_conv2": 568, "down1_pool": 284},
    **{"down2_conv1": 282, "down2_conv2": 280, "down2_pool": 140},
    **{"down3_conv1": 138, "down3_conv2": 136, "down3_pool": 68},
    **{"down4_conv1": 66, "down4_conv2": 64, "down4_pool": 32},
    **{"bottom_conv1": 30, "bottom_conv2": 28},
    **{"up4_upconv": 56, "up4_conv1": 54, "up4_conv2": 52},
    **{"up3_upconv": 104, "up3_conv1": 102, "up3_conv2": 100},
    **{"up2_upconv": 200, "up2_conv1": 198, "up2_conv2": 196},
    **{"up1_upconv": 392, "up1_conv1": 390, "up1_conv2": 388},
    "logits": 388,
}

#: Figure 1: the maps above every box.
MAPS = {"down1": 64, "down2": 128, "down3": 256, "down4": 512, "bottom": 1024}
MAPS |= {"up4": 512, "up3": 256, "up2": 128, "up1": 64}


def unet(shape: tuple[int, ...], output: tuple[int, ...], **hyper: Any) -> Any:
    return architectures.get("unet")(shape, output, nn=vocabularies.get("float"), **hyper)


def closed_form(first: int, depth: int, channels: int, classes: int) -> int:
    """Return the parameters, the levels summed as geometric series.

    With `w` maps in the first level, second convolutions of the way down have 9 (w 2^l)^2
    weights, first ones half of that, and a level of the way up 8 + 18 + 9 times (w 2^l)^2.
    """
    down = 3 * first**2 * (4 ** (depth + 1) - 1) + 9 * channels * first
    down += 3 * first**2 * (4 ** (depth + 1) - 4) // 2
    up = 35 * first**2 * (4**depth - 1) // 3
    biases = 2 * first * (2 ** (depth + 1) - 1) + 3 * first * (2**depth - 1)
    return down + up + biases + (first + 1) * classes


@pytest.fixture(scope="module")
def published() -> Any:
    return unet((572, 572, 1), (388, 388, 2))


def test_the_published_network_has_the_figures_sizes(published: Any) -> None:
    found = {layer.name: tuple(layer.output.shape[1:3]) for layer in published.layers}
    assert {name: found[name] for name in SIDES} == {n: (side, side) for n, side in SIDES.items()}
    for level, maps in MAPS.items():
        assert published.get_layer(f"{level}_conv2").output.shape[-1] == maps
        if level.startswith("up"):  # half of them copied across
            assert published.get_layer(f"{level}_concatenate").output.shape[-1] == 2 * maps


def test_the_published_network_has_23_convolutions_and_31_million_parameters(
    published: Any,
) -> None:
    """Section 2: "In total the network has 23 convolutional layers"."""
    convolutions = [layer for layer in published.layers if "Conv2D" in type(layer).__name__]
    assert len(convolutions) == 23
    table = 0
    for layer in convolutions:
        side = 3 if "conv" in layer.name.split("_")[-1][:4] else 1
        side = 2 if layer.name.endswith("upconv") else side
        maps = layer.input.shape[-1], layer.output.shape[-1]
        table += side**2 * maps[0] * maps[1] + maps[1]
    assert published.count_params() == table == closed_form(64, 4, 1, 2) == 31_030_658


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize(("first", "depth"), [(3, 1), (4, 2), (2, 3)])
def test_every_size_has_the_closed_forms_parameters(
    first: int, depth: int, upsampling: str
) -> None:
    model = unet(
        (16, 24, 4),
        (16, 24, 3),
        filters=first,
        depth=depth,
        padding="same",
        upsampling=upsampling,
    )
    assert model.count_params() == closed_form(first, depth, 4, 3)


def _passing(model: Any, upsampling: str, along: str) -> None:
    """Let every kernel pass its first map as it is; `up1` takes it from the skip or from below."""
    for layer in model.layers:
        if not layer.weights:
            continue
        kernel = np.zeros(layer.kernel.shape, np.float32)
        middle = (kernel.shape[0] - 1) // 2
        if layer.name.endswith("upconv"):
            if upsampling == "transposed":
                kernel[:, :, 0, 0] = 1  # repeats the pixel
            else:
                kernel[0, 0, 0, 0] = 1  # of the 2 x 2, the pixel itself
        elif layer.name.startswith("up") and layer.name.endswith("conv1"):
            kernel[middle, middle, 0 if along == "skip" else kernel.shape[2] // 2, 0] = 1
        else:
            kernel[middle, middle, 0, 0] = 1
        layer.set_weights([kernel, np.zeros(layer.bias.shape, np.float32)])


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("along", ["skip", "below"])
@pytest.mark.parametrize(("padding", "side"), [("same", 44), ("valid", 44)])
def test_both_paths_answer_for_the_pixels_at_the_same_place(
    padding: str, side: int, along: str, upsampling: str
) -> None:
    answered = 4 if padding == "valid" else side
    how = {"filters": 2, "depth": 2, "padding": padding, "upsampling": upsampling}
    model = unet((side, side, 1), (answered, answered, 1), dropout=0.0, **how)
    _passing(model, upsampling, along)
    # Constant over what two poolings take together: without padding, from the sixth pixel on.
    coarse = np.random.default_rng(0).uniform(1, 2, (3, side // 4 + 1, side // 4 + 1, 1))
    cut = (side - answered) // 2
    first = 2 if padding == "valid" else 0
    x = coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)
    x = x[:, first : first + side, first : first + side]
    expected = x[:, cut : cut + answered, cut : cut + answered]
    assert np.array_equal(model.predict(x, verbose=0), expected)


def test_a_pixel_is_seen_from_afar_only_through_the_poolings() -> None:
    """The two convolutions before the first pooling, and those beside it, reach 4 pixels."""
    how: dict[str, Any] = {"filters": 4, "padding": "same", "dropout": 0.0}
    for depth, reach in ((1, 14), (2, 32)):
        model = unet((64, 64, 1), (64, 64, 1), depth=depth, **how)
        x = np.zeros((2, 64, 64, 1), np.float32)
        x[1, 32, 32] = 1
        nothing, pixel = model.predict(x, verbose=0)
        rows, columns = np.nonzero((nothing != pixel)[..., 0])
        assert 8 < np.ptp(rows) <= 2 * reach and 8 < np.ptp(columns) <= 2 * reach


def test_dropout_acts_on_the_two_deepest_levels_in_training_alone() -> None:
    how: dict[str, Any] = {"filters": 4, "depth": 2, "padding": "same"}
    model = unet((8, 8, 1), (8, 8, 2), **how)
    names = [layer.name for layer in model.layers if "dropout" in layer.name]
    assert names == ["down2_dropout", "bottom_dropout"]
    assert model.get_layer("down2_pool").input is model.get_layer("down2_dropout").output
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 1)).astype(np.float32)
    quiet, again = (np.asarray(model(x, training=False)) for _ in range(2))
    assert np.array_equal(quiet, again)
    assert not np.array_equal(quiet, np.asarray(model(x, training=True)))


def test_normalization_stands_before_every_relu_and_takes_the_biases_place() -> None:
    how: dict[str, Any] = {"filters": 4, "depth": 2, "padding": "same"}
    plain = unet((8, 8, 1), (8, 8, 2), **how)
    model = unet((8, 8, 1), (8, 8, 2), normalization="batch", **how)
    relus = [layer for layer in model.layers if "_relu" in layer.name]
    assert len(relus) == 2 * (2 * 2 + 1)
    for relu in relus:
        level, number = relu.name.split("_relu")
        assert relu.input is model.get_layer(f"{level}_norm{number}").output
    # Scale and offset of each map in place of its bias; mean and variance are not trained.
    maps = sum(relu.output.shape[-1] for relu in relus)
    trained = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    assert trained == plain.count_params() + maps


@pytest.mark.parametrize(
    ("shape", "output", "hyper", "message"),
    [
        ((64,), (64, 2), {}, r"takes images \(height, width, channels\), not \(64,\)"),
        ((64, 64, 4), (64, 64, 3), {}, "halves every side 4 times, with padding: valid this side"),
        ((60, 64, 4), (60, 64, 3), {"padding": "same"}, "comes to 15: choose another depth"),
        ((572, 572, 1), (572, 572, 2), {}, "answers 388x388 pixels .* set padding: same"),
        ((64, 64, 4), (3,), {"padding": "same"}, r"answers 64x64 .* the outputs are \(3,\)$"),
        ((8, 8, 1), (8, 8, 2), {"padding": "full"}, "'full' is neither valid nor same"),
        (
            (8, 8, 1),
            (8, 8, 2),
            {"padding": "same", "depth": 1, "upsampling": "bilinear"},
            "'bilinear' is neither transposed nor nearest",
        ),
        (
            (8, 8, 1),
            (8, 8, 2),
            {"padding": "same", "depth": 1, "normalization": "layer"},
            "'layer' is neither none nor batch",
        ),
        ((12, 12, 1), (4, 4, 1), {"depth": 1}, "of depth 1 is too deep"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], output: tuple[int, ...], hyper: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        unet(shape, output, **hyper)


@pytest.mark.parametrize("vocabulary", ["hgq", "qkeras"])
def test_in_fixed_point_pixels_are_repeated(vocabulary: str) -> None:
    how: dict[str, Any] = {"filters": 2, "depth": 1, "padding": "same"}
    nn = vocabularies.get(vocabulary)
    with pytest.raises(RecipeError, match="no Conv2DTranspose; set upsampling: nearest"):
        architectures.get("unet")((8, 8, 1), (8, 8, 2), nn=nn, **how)
    how["upsampling"] = "nearest"
    model = architectures.get("unet")((8, 8, 1), (8, 8, 2), nn=nn, **how)
    assert model.output_shape == (None, 8, 8, 2)
