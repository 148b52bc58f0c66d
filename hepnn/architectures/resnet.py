"""Residual networks.

K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016
(arXiv:1512.03385): every block adds to its input what two or three convolutions make of it, so
that a hundred layers train as well as ten. Batch normalization follows every convolution.

Two families, by `family` and `depth`:

`imagenet` (table 1)
    18 and 34 layers of blocks of two 3x3 convolutions, 50, 101 and 152 layers of bottlenecks of
    1x1, 3x3 and 1x1, for 224x224x3 images: 11,689,512, 21,797,672, 25,557,032, 44,549,160 and
    60,192,808 trainable parameters. Where the shape changes the shortcut is a 1x1 convolution
    (`shortcut: projection`, the paper's option B).
`cifar` (section 4.2)
    6n + 2 layers in three stages of 16, 32 and 64 maps for 32x32x3 images: 0.27 M parameters at
    20 layers, 0.85 M at 56, 1.7 M at 110. The shortcuts have no parameters (`shortcut: padding`,
    option A): every second pixel, new maps zero.

Defaults are ResNet-50's. Small data and firmware want fewer `widths` and `blocks`, a `stem_strides`
that makes the maps smaller, and may leave normalization out (`normalization: none`, convolutions
with biases).

Differences from the paper: with even sides, strided convolutions and the maximum pooling pad at
the lower right only. The output is logits.

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
    "resnet": Narrow(
        (8, 8, 1),
        (3,),
        {"family": "cifar", "blocks": [1, 1], "widths": [2, 3], "stem_strides": 2},
    ),
    "resnet-bottleneck": Narrow(
        (8, 8, 1),
        (3,),
        {
            "blocks": [1, 1],
            "widths": [1, 1],
            "stem_width": 2,
            "stem_kernel": 3,
            "stem_pooling": False,
        },
    ),
}

#: Table 1: blocks of each stage, and whether they are bottlenecks.
IMAGENET = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}

#: A bottleneck's last convolution has so many times the maps of its others.
EXPANSION = 4


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    depth: int | None = None,
    family: Literal["imagenet", "cifar"] = "imagenet",
    widths: Sequence[int] | None = None,
    blocks: Sequence[int] | None = None,
    bottleneck: bool | None = None,
    shortcut: Literal["projection", "padding", "none"] | None = None,
    stem_width: int | None = None,
    stem_kernel: int | None = None,
    stem_strides: int | None = None,
    stem_pooling: bool | None = None,
    dropout: float = 0.0,
    normalization: Literal["batch", "none"] = "batch",
) -> Any:
    """Build the network.

    What is None is as the paper has it for the family and depth.

    Parameters
    ----------
    input_shape
        `(height, width, channels)`.
    output_shape
        `(classes,)`.
    nn
        Vocabulary.
    depth, family
        Layers with weights, 50 and 20 by default, and which of the paper's two families.
    widths, blocks
        Maps and blocks of each stage; every stage but the first halves the sides.
    bottleneck
        Blocks are bottlenecks, whose outputs have four times the stage's maps.
    shortcut
        Where the shape changes: 1x1 convolution, or every second pixel and maps of zeros. With
        `none` no block has one: the paper's plain network (section 3.3), to compare with.
    stem_width, stem_kernel, stem_strides, stem_pooling
        The first convolution, and whether a maximum pooling of 3x3 at every second pixel follows.
    dropout
        Fraction of the pooled maps dropped in training; the paper drops none.
    normalization
        Batch normalization after every convolution, or none and biases instead.

    Raises
    ------
    RecipeError
        If the input is no image or smaller than the network's total stride, or if the paper has
        no such network.
    """
    if len(input_shape) != 3:
        raise RecipeError(f"resnet takes images (height, width, channels), not {input_shape}")
    imagenet = _one_of("family", family, ("imagenet", "cifar")) == "imagenet"
    published, deep = _published(depth or (50 if imagenet else 20), imagenet)
    blocks = blocks or published
    widths = widths or ((64, 128, 256, 512) if imagenet else (16, 32, 64))
    bottleneck = deep if bottleneck is None else bottleneck
    shortcut = shortcut or ("projection" if imagenet else "padding")
    _one_of("shortcut", shortcut, ("projection", "padding", "none"))
    _one_of("normalization", normalization, ("batch", "none"))
    kernel = stem_kernel or (7 if imagenet else 3)
    strides = stem_strides or (2 if imagenet else 1)
    pooling = imagenet if stem_pooling is None else stem_pooling
    if len(widths) != len(blocks):
        raise RecipeError(f"resnet has {len(blocks)} stages of blocks, widths for {len(widths)}")
    total = strides * (2 if pooling else 1) * 2 ** (len(blocks) - 1)
    if min(input_shape[:2]) < total:
        raise RecipeError(f"resnet of total stride {total} is too deep for {input_shape}")

    normalized = normalization == "batch"
    convolution = partial(
        nn.Conv2D, padding="same", use_bias=not normalized, kernel_initializer="he_normal"
    )

    def convolve(x: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
        x = convolution(filters, size, strides=strides, name=name)(x)
        if normalized:
            x = nn.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
        return x

    def rectify(x: Any, name: str) -> Any:
        return nn.Activation("relu", name=name)(x)

    def residual(x: Any, width: int, strides: int, name: str) -> Any:
        layers = [(width, 3), (width, 3)]
        if bottleneck:
            layers = [(width, 1), (width, 3), (EXPANSION * width, 1)]
        identity = x
        for number, (filters, size) in enumerate(layers, 1):
            if number > 1:
                x = rectify(x, f"{name}_relu{number - 1}")
            x = convolve(x, filters, size, f"{name}_conv{number}", strides if number == 1 else 1)
        if shortcut == "none":
            return rectify(x, f"{name}_relu")
        filters = layers[-1][0]
        if shortcut == "projection" and (strides > 1 or identity.shape[-1] != filters):
            identity = convolve(identity, filters, 1, f"{name}_shortcut", strides)
        elif strides > 1 or identity.shape[-1] != filters:
            identity = nn.PaddedIdentity2D(filters, strides, name=f"{name}_shortcut")(identity)
        return rectify(nn.Add(name=f"{name}_add")([x, identity]), f"{name}_relu")

    inputs = nn.Input(input_shape, name="inputs")
    x = convolve(inputs, stem_width or widths[0], kernel, "conv1", strides)
    x = rectify(x, "conv1_relu")
    if pooling:
        x = nn.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    for stage, (width, repeated) in enumerate(zip(widths, blocks, strict=True), 2):
        for number in range(1, repeated + 1):
            halving = 2 if stage > 2 and number == 1 else 1
            x = residual(x, width, halving, f"conv{stage}_block{number}")
    x = nn.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = nn.Dropout(dropout, name="dropout")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="resnet")


def _published(depth: int, imagenet: bool) -> tuple[tuple[int, ...], bool]:
    """Return the blocks of each stage and whether they are bottlenecks."""
    if imagenet:
        if depth not in IMAGENET:
            raise RecipeError(
                f"resnet has no depth {depth}; the imagenet family has"
                f" {', '.join(map(str, IMAGENET))}, the cifar family (family: cifar) 6n + 2"
            )
        return IMAGENET[depth]
    if depth < 8 or (depth - 2) % 6:
        raise RecipeError(f"resnet of the cifar family has 6n + 2 layers (8, 20, 56), not {depth}")
    return ((depth - 2) // 6,) * 3, False


def _one_of(key: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise RecipeError(f"resnet has no {key} {value!r}; use {' or '.join(known)}")
    return value
