"""VGG.

K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition",
ICLR 2015 (arXiv:1409.1556): depth out of 3x3 convolutions alone. Two of them see 5x5 pixels and
three 7x7, with fewer weights and more rectifiers between; the maps are halved by pooling and
doubled in number from block to block. Table 1 has 11, 13, 16 and 19 layers with weights (A, B, D,
E); with 224x224x3 images and 1000 classes those have 133, 133, 138 and 144 M parameters, exactly
138,357,544 at 16 and 143,667,240 at 19.

Small data and firmware want fewer and narrower `blocks` and `filters`, small `units` or
`head: average`, whose global mean takes the place of the dense layers.

Differences from the paper: the output is logits; weights start from He's distribution, with
which the deep ones train from scratch (section 3.1 starts them from A's weights instead). A
pooling of an odd side drops its last row and column.

Shapes: `(batch, height, width, channels)` to `(batch, classes)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError, nearest

#: Table 1: convolutions of the five blocks, by the number of layers with weights.
BLOCKS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}

NARROW = {"vgg": Narrow((8, 8, 1), (3,), {"blocks": [1, 2], "filters": [2, 2], "units": [4]})}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    depth: int = 16,
    blocks: Sequence[int] | None = None,
    filters: Sequence[int] = (64, 128, 256, 512, 512),
    head: Literal["dense", "average"] = "dense",
    units: Sequence[int] = (4096, 4096),
    dropout: float = 0.5,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(height, width, channels)`, 224x224x3 in the paper.
    output_shape
        `(classes,)`, 1000 in the paper.
    nn
        Vocabulary.
    depth
        Layers with weights: 11, 13, 16 or 19 of table 1.
    blocks
        Convolutions of each block, instead of `depth`.
    filters
        Maps of each block.
    head
        `dense`, the paper's, or `average`: mean over all pixels, then logits.
    units
        Neurons of the hidden dense layers.
    dropout
        Fraction of the hidden dense neurons dropped in training.

    Raises
    ------
    RecipeError
        If the depth is none of the paper's, or the input is no image or too small.
    """
    if blocks is None:
        if depth not in BLOCKS:
            hint = nearest(str(depth), map(str, BLOCKS))
            raise RecipeError(f"vgg: no depth {depth} in table 1; {hint}")
        blocks = BLOCKS[depth]
    if len(input_shape) != 3:
        raise RecipeError(f"vgg takes images (height, width, channels), not {input_shape}")
    if len(filters) != len(blocks):
        raise RecipeError(f"vgg: {len(filters)} filters for {len(blocks)} blocks")
    if min(input_shape[:2]) < 2 ** len(blocks):
        raise RecipeError(f"vgg with {len(blocks)} blocks is too deep for {input_shape}")
    start = {"kernel_initializer": "he_normal"}
    inputs = nn.Input(input_shape, name="inputs")
    x = inputs
    for block, (convolutions, maps) in enumerate(zip(blocks, filters, strict=True), 1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            x = nn.Conv2D(maps, 3, padding="same", activation="relu", name=name, **start)(x)
        x = nn.MaxPooling2D(2, name=f"block{block}_pool")(x)
    if head == "average":
        x = nn.GlobalAveragePooling2D(name="average")(x)
    else:
        x = nn.Flatten(name="flatten")(x)
        for number, neurons in enumerate(units, 1):
            x = nn.Dense(neurons, activation="relu", name=f"fc{number}", **start)(x)
            if dropout:
                x = nn.Dropout(dropout, name=f"dropout{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="vgg")
