"""LeNet-5.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86 (1998) 2278, section II.B and figure 2: convolutions that share
weights, alternating with subsampling, then fully connected layers. 60,000 trainable parameters
on 32x32 inputs: C1 156, S2 12, C3 1,516, S4 32, C5 48,120, F6 10,164; the radial basis units at
the end are fixed.

Every default is the paper's. What firmware wants instead are hyper-parameters: `subsampling`
(`max`, `average`), `connections="full"`, `activation="relu"`, `output="dense"`, and fewer or
smaller `filters`, `kernels`, `units`. A pooling of an odd side drops its last row and column.

Differences from the paper: inputs are standardized by the data's scaling and not to the range
-0.1 to 1.175; the radial basis codes are random ones of -1 and +1, which section II.B allows
for, and not the drawn 7x12 bitmaps.

Shapes: `(batch, height, width, channels)` to `(batch, classes)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "lenet5": Narrow(
        (8, 8, 1),
        (3,),
        {
            "filters": [2, 3, 4],
            "kernels": [3, 2, 1],
            "units": 5,
            "activation": "relu",
            "subsampling": "max",
            "connections": "full",
            "output": "dense",
        },
    )
}

#: Table I: for each of the 16 maps of C3, the maps of S2 that it is connected to.
TABLE_I = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    filters: Sequence[int] = (6, 16, 120),
    kernels: Sequence[int] = (5, 5, 5),
    units: int = 84,
    activation: str = "scaled_tanh",
    subsampling: Literal["trainable", "average", "max"] = "trainable",
    connections: Literal["table", "full"] = "table",
    output: Literal["rbf", "dense"] = "rbf",
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(height, width, channels)`, 32x32x1 in the paper.
    output_shape
        `(classes,)`.
    nn
        Vocabulary.
    filters, kernels
        Maps and kernel sides of C1, C3 and C5.
    units
        Neurons of F6.
    activation
        `scaled_tanh`, the paper's `1.7159 tanh(2 x / 3)`, or a Keras activation.
    subsampling
        S2 and S4: trainable coefficient and bias (the paper's), mean, or maximum.
    connections
        C3: Table I (the paper's) or every input map to every output map.
    output
        Radial basis units (the paper's) or a dense layer of logits.

    Raises
    ------
    RecipeError
        If the input is no image or too small for the kernels.
    """
    if len(input_shape) != 3:
        raise RecipeError(f"lenet5 takes images (height, width, channels), not {input_shape}")
    side = min(input_shape[:2])
    for kernel, pool in zip(kernels, (2, 2, 1), strict=True):
        side = (side - kernel + 1) // pool
        if side < 1:
            raise RecipeError(f"lenet5 with kernels {tuple(kernels)} is too deep for {input_shape}")

    def squash(x: Any, name: str) -> Any:
        if activation == "scaled_tanh":
            return nn.ScaledTanh(name=name)(x)
        return nn.Activation(activation, name=name)(x)

    def subsample(x: Any, name: str) -> Any:
        if subsampling == "max":
            return nn.MaxPooling2D(2, name=name)(x)
        if subsampling == "average":
            return nn.AveragePooling2D(2, name=name)(x)
        return squash(nn.Subsampling2D(2, name=name)(x), f"{name}_squash")

    inputs = nn.Input(input_shape, name="inputs")
    x = squash(nn.Conv2D(filters[0], kernels[0], name="c1")(inputs), "c1_squash")
    x = subsample(x, "s2")
    if connections == "table":
        if tuple(filters[:2]) != (6, 16):
            raise RecipeError("lenet5's Table I connects 6 to 16 maps: set connections: full")
        x = nn.PartialConv2D(TABLE_I, kernels[1], name="c3")(x)
    else:
        x = nn.Conv2D(filters[1], kernels[1], name="c3")(x)
    x = subsample(squash(x, "c3_squash"), "s4")
    x = squash(nn.Conv2D(filters[2], kernels[2], name="c5")(x), "c5_squash")
    x = nn.Flatten(name="flatten")(x)
    x = squash(nn.Dense(units, name="f6")(x), "f6_squash")
    if output == "rbf":
        outputs = nn.RadialBasis(prod(output_shape), name="output")(x)
    else:
        outputs = nn.Dense(prod(output_shape), name="output")(x)
    return nn.Model(inputs, outputs, name="lenet5")
