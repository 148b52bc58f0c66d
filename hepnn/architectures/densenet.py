"""Densely connected convolutional networks.

G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, "Densely connected convolutional networks",
CVPR 2017 (arXiv:1608.06993): within a block every layer sees the maps of all layers before it,
side by side, and adds `growth` maps of its own. Layers are batch normalization, ReLU and
convolution, in this order. A bottleneck of 1x1 to `4 growth` maps comes before each 3x3 (B), and
transitions between blocks keep a fraction of the maps and halve the sides (C).

Two families, by `family` and `depth`:

`imagenet` (table 1)
    121, 169, 201 and 264 layers in four blocks, growth 32, for 224x224x3 images; 7,978,856
    trainable parameters at 121.
`cifar` (section 4)
    Three blocks of equal depth for 32x32x3 images; with growth 12, DenseNet-BC of 100 layers has
    0.8 M parameters, the plain DenseNet of 40 (`bottleneck: false`, `compression: 1`) 1.0 M.

Defaults are DenseNet-121's. Small data and firmware want fewer `blocks`, a smaller `growth`, a
`stem_strides` that makes the maps smaller, and may leave normalization out (`normalization: none`,
convolutions with biases).

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
    "densenet": Narrow(
        (8, 8, 1),
        (3,),
        {"family": "cifar", "blocks": [2, 1], "growth": 1, "stem_width": 2, "stem_strides": 2},
    ),
}

#: Table 1: layers (each with its bottleneck) of each block.
IMAGENET = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}

#: A bottleneck has so many times the growth's maps.
WIDENING = 4


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    depth: int | None = None,
    family: Literal["imagenet", "cifar"] = "imagenet",
    growth: int | None = None,
    blocks: Sequence[int] | None = None,
    bottleneck: bool = True,
    compression: float = 0.5,
    stem_width: int | None = None,
    stem_strides: int | None = None,
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
        Layers with weights, 121 and 100 by default, and which of the paper's two families.
    growth
        Maps that each layer adds, 32 and 12 by default.
    blocks
        Layers of each block, counted with their bottlenecks as one.
    bottleneck
        Each 3x3 convolution comes after one of 1x1.
    compression
        Fraction of the maps that a transition keeps.
    stem_width, stem_strides
        The first convolution: 7x7 and followed by a maximum pooling for `imagenet`, 3x3 for
        `cifar`.
    dropout
        Fraction of a layer's new maps' pixels dropped in training (0.2 in the paper, where images
        are not augmented).
    normalization
        Batch normalization before every ReLU, or none and biases instead.

    Raises
    ------
    RecipeError
        If the input is no image or smaller than the network's total stride, or if the paper has
        no such network.
    """
    if len(input_shape) != 3:
        raise RecipeError(f"densenet takes images (height, width, channels), not {input_shape}")
    for key, value, known in (
        ("family", family, ("imagenet", "cifar")),
        ("normalization", normalization, ("batch", "none")),
    ):
        if value not in known:
            raise RecipeError(f"densenet has no {key} {value!r}; use {' or '.join(known)}")
    if not 0 < compression <= 1:
        raise RecipeError(f"densenet's compression is above 0 and at most 1, not {compression}")
    imagenet = family == "imagenet"
    blocks = blocks or _published(depth, imagenet, bottleneck)
    growth = growth or (32 if imagenet else 12)
    width = stem_width or (2 * growth if imagenet or bottleneck else 16)
    strides = stem_strides or (2 if imagenet else 1)
    total = strides * (2 if imagenet else 1) * 2 ** (len(blocks) - 1)
    if min(input_shape[:2]) < total:
        raise RecipeError(f"densenet of total stride {total} is too deep for {input_shape}")

    normalized = normalization == "batch"
    convolution = partial(
        nn.Conv2D, padding="same", use_bias=not normalized, kernel_initializer="he_normal"
    )

    def rectify(x: Any, name: str, number: str = "") -> Any:
        if normalized:
            norm = nn.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm{number}")
            x = norm(x)
        return nn.Activation("relu", name=f"{name}_relu{number}")(x)

    def grow(x: Any, name: str) -> Any:
        new = rectify(x, name, "1")
        if bottleneck:
            new = convolution(WIDENING * growth, 1, name=f"{name}_conv1")(new)
            new = rectify(new, name, "2")
        new = convolution(growth, 3, name=f"{name}_conv{2 if bottleneck else 1}")(new)
        if dropout:
            new = nn.Dropout(dropout, name=f"{name}_dropout")(new)
        return nn.Concatenate(name=f"{name}_concat")([x, new])

    inputs = nn.Input(input_shape, name="inputs")
    x = convolution(width, 7 if imagenet else 3, strides=strides, name="conv1")(inputs)
    if imagenet:
        x = rectify(x, "conv1")
        x = nn.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    for block, layers in enumerate(blocks, 1):
        if block > 1:
            x = rectify(x, f"transition{block - 1}")
            kept = max(int(compression * x.shape[-1]), 1)
            x = convolution(kept, 1, name=f"transition{block - 1}_conv")(x)
            x = nn.AveragePooling2D(2, name=f"transition{block - 1}_pool")(x)
        for layer in range(1, layers + 1):
            x = grow(x, f"block{block}_layer{layer}")
    x = rectify(x, "last")
    x = nn.GlobalAveragePooling2D(name="pool")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="densenet")


def _published(depth: int | None, imagenet: bool, bottleneck: bool) -> tuple[int, ...]:
    """Return the layers of each block."""
    if imagenet:
        depth = 121 if depth is None else depth
        if depth not in IMAGENET:
            raise RecipeError(
                f"densenet has no depth {depth}; the imagenet family has"
                f" {', '.join(map(str, IMAGENET))}, the cifar family (family: cifar) 6n + 4"
            )
        return IMAGENET[depth]
    depth = 100 if depth is None else depth
    each = 6 if bottleneck else 3
    if depth < 4 + each or (depth - 4) % each:
        raise RecipeError(f"densenet of the cifar family has {each}n + 4 layers here, not {depth}")
    return ((depth - 4) // each,) * 3
