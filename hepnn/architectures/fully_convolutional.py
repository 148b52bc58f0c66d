"""Fully convolutional classifier.

J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller, "Striving for simplicity: the all
convolutional net", ICLR 2015 workshop (arXiv:1412.6806), All-CNN-C of table 1: convolutions alone.
Strides take the place of pooling and 1x1 convolutions that of dense layers; the mean of each
class's map over all pixels is its logit (M. Lin et al., "Network in network", arXiv:1312.4400).
The maps before the mean are heat maps: they say where each class is seen, and no weight depends
on the size of the image. With 32x32x3 images and 10 classes, 1,369,738 parameters.

A trained classifier with dense layers becomes fully convolutional by
`hepnn.training.convolutionalize`.

Small data and firmware want fewer and narrower blocks, and a mean over a power of two of pixels,
for which `last_padding: same` helps.

Differences from the paper: no rectifier behind the last 1x1 convolution, so that the output is
logits.

Shapes: `(batch, height, width, channels)` to `(batch, classes)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "fully-convolutional": Narrow(
        (8, 8, 1),
        (3,),
        {"filters": [2, 4], "convolutions": 1, "last_padding": "same", "head": [4]},
    )
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    filters: Sequence[int] = (96, 192),
    convolutions: int = 3,
    last_padding: Literal["valid", "same"] = "valid",
    head: Sequence[int] = (192,),
    dropout: Sequence[float] = (0.2, 0.5),
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(height, width, channels)`, 32x32x3 in the paper.
    output_shape
        `(classes,)`, 10 in the paper.
    nn
        Vocabulary.
    filters
        Maps of each block; the block's last convolution halves height and width.
    convolutions
        3x3 convolutions of a block.
    last_padding
        Of the 3x3 convolution behind the blocks.
    head
        Maps of the 1x1 convolutions before that to the classes.
    dropout
        Fraction of the image's pixels, and of the maps behind each block, dropped in training.

    Raises
    ------
    RecipeError
        If the input is no image or too small.
    """
    if len(input_shape) != 3:
        raise RecipeError(
            f"fully_convolutional takes images (height, width, channels), not {input_shape}"
        )
    smallest = 3 if last_padding == "valid" else 1
    if -(-min(input_shape[:2]) // 2 ** len(filters)) < smallest:
        raise RecipeError(
            f"fully_convolutional with {len(filters)} blocks is too deep for {input_shape}"
        )

    def convolve(x: Any, maps: int, kernel: int, name: str, **kwargs: Any) -> Any:
        kwargs = {"padding": "same", "kernel_initializer": "he_normal", **kwargs}
        return nn.Conv2D(maps, kernel, activation="relu", name=name, **kwargs)(x)

    def drop(x: Any, fraction: float, name: str) -> Any:
        return nn.Dropout(fraction, name=name)(x) if fraction else x

    inputs = nn.Input(input_shape, name="inputs")
    x = drop(inputs, dropout[0], "dropout_inputs")
    for block, maps in enumerate(filters, 1):
        for number in range(1, convolutions + 1):
            strides = 2 if number == convolutions else 1
            x = convolve(x, maps, 3, f"block{block}_conv{number}", strides=strides)
        x = drop(x, dropout[1], f"block{block}_dropout")
    x = convolve(x, filters[-1], 3, "last_conv", padding=last_padding)
    for number, maps in enumerate(head, 1):
        x = convolve(x, maps, 1, f"head{number}")
    x = nn.Conv2D(prod(output_shape), 1, name="heat_maps")(x)
    outputs = nn.GlobalAveragePooling2D(name="logits")(x)
    return nn.Model(inputs, outputs, name="fully_convolutional")
