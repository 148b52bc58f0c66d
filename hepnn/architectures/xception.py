"""Xception.

F. Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017
(arXiv:1610.02357), figure 5: an inception module taken to its end. Every map is convolved alone
(3x3, depthwise), then maps are mixed (1x1); in the entry, middle and exit flow the blocks of such
layers have residual connections around them. Batch normalization follows every convolution, and
every separable one as a whole. 22,855,952 trainable parameters on 299x299x3 images and 1,000
classes (table 3).

Defaults are the paper's. Small data and firmware want fewer and narrower blocks: `stem`, `entry`,
`middle`, `exit`; `stem_strides: 1` keeps small images whole, `normalization: none` leaves
normalization out (convolutions with biases).

Differences from the paper: all convolutions are padded, the first two as well, which in the
author's implementation are not (the middle flow has 19x19 pixels either way). The output is
logits.

Shapes: `(batch, height, width, channels)` to `(batch, classes)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "xception": Narrow(
        (8, 8, 1),
        (3,),
        {"stem": [2], "entry": [3], "middle": 1, "exit": [4, 4]},
    ),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    stem: Sequence[int] = (32, 64),
    stem_strides: int = 2,
    entry: Sequence[int] = (128, 256, 728),
    middle: int = 8,
    exit: Sequence[int] = (1024, 1536, 2048),
    normalization: Literal["batch", "none"] = "batch",
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(height, width, channels)`.
    output_shape
        `(classes,)`.
    nn
        Vocabulary.
    stem
        Maps of the ordinary convolutions at the start.
    stem_strides
        Of the first of them.
    entry
        Maps of each block of the entry flow; a block halves the sides.
    middle
        Blocks of the middle flow, with the maps of the entry flow's last block.
    exit
        Maps of the exit flow: of its block, which halves the sides, and of the separable
        convolutions behind it.
    normalization
        Batch normalization after every convolution, or none and biases instead.

    Raises
    ------
    RecipeError
        If the input is no image or smaller than the network's total stride, or if a flow is
        empty.
    """
    if len(input_shape) != 3:
        raise RecipeError(f"xception takes images (height, width, channels), not {input_shape}")
    if normalization not in ("batch", "none"):
        raise RecipeError(f"xception has no normalization {normalization!r}; use batch or none")
    if not stem or not entry or not exit:
        raise RecipeError("xception's stem, entry and exit have at least one width each")
    total = stem_strides * 2 ** (len(entry) + 1)
    if min(input_shape[:2]) < total:
        raise RecipeError(f"xception of total stride {total} is too deep for {input_shape}")

    normalized = normalization == "batch"
    convolution = partial(
        nn.Conv2D, padding="same", use_bias=not normalized, kernel_initializer="he_normal"
    )

    def normalize(x: Any, name: str) -> Any:
        if not normalized:
            return x
        return nn.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)

    def rectify(x: Any, name: str) -> Any:
        return nn.Activation("relu", name=f"{name}_relu")(x)

    def separable(x: Any, filters: int, name: str) -> Any:
        x = nn.DepthwiseConv2D(
            3,
            padding="same",
            use_bias=False,
            depthwise_initializer="he_normal",
            name=f"{name}_depthwise",
        )(x)
        return normalize(convolution(filters, 1, name=f"{name}_pointwise")(x), name)

    def halved(x: Any, widths: Sequence[int], name: str, rectified: bool = True) -> Any:
        filters = widths[-1]
        identity = convolution(filters, 1, strides=2, name=f"{name}_shortcut")(x)
        identity = normalize(identity, f"{name}_shortcut")
        for number, width in enumerate(widths, 1):
            if rectified or number > 1:
                x = rectify(x, f"{name}_sepconv{number}")
            x = separable(x, width, f"{name}_sepconv{number}")
        x = nn.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
        return nn.Add(name=f"{name}_add")([x, identity])

    inputs = nn.Input(input_shape, name="inputs")
    x = inputs
    for number, width in enumerate(stem, 1):
        strides = stem_strides if number == 1 else 1
        x = normalize(
            convolution(width, 3, strides=strides, name=f"conv{number}")(x), f"conv{number}"
        )
        x = rectify(x, f"conv{number}")
    for number, width in enumerate(entry, 1):
        x = halved(x, (width, width), f"entry{number}", rectified=number > 1)
    for number in range(1, middle + 1):
        identity = x
        for layer in (1, 2, 3):
            name = f"middle{number}_sepconv{layer}"
            x = separable(rectify(x, name), entry[-1], name)
        x = nn.Add(name=f"middle{number}_add")([x, identity])
    x = halved(x, (entry[-1], exit[0]), "exit")
    for number, width in enumerate(exit[1:], 1):
        x = rectify(separable(x, width, f"last{number}"), f"last{number}")
    x = nn.GlobalAveragePooling2D(name="pool")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="xception")
