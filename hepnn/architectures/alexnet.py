"""AlexNet.

A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep convolutional neural
networks", Proc. NIPS 25 (2012) 1097: the network that won ILSVRC-2012. Rectifiers instead of
squashing, dropout in the dense layers, response normalization across maps, pooling whose windows
overlap, and convolutions in two groups of maps (2, 4 and 5), each of which lay on a GPU of its
own. 60,965,224 parameters, nine tenths of them in the first two dense layers, and 724 million
connections, nine tenths of them in the convolutions.

224x224x3 images give 55x55x96, 27x27x256, 13x13x384 twice and 13x13x256 maps. Small data and
firmware want fewer `filters` and `units`, smaller `kernels`, `strides` and `pool`, and
`normalization: none`.

Differences from the paper: it says 224x224 inputs, and its 55x55 maps then need two pixels of
zeros around the image (`padding`). It counts 253,440 neurons in the first layer, where 55x55x96
are 290,400; with those they are 659,272 altogether, the 650,000 of its abstract. The output is
logits. Weights start from Glorot's distribution unless `initialization` is `paper`: normal with
deviation 0.01, and biases of one behind the second, fourth and fifth convolution and in the
hidden dense layers.

Shapes: `(batch, height, width, channels)` to `(batch, classes)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "alexnet": Narrow(
        (8, 8, 1),
        (3,),
        {
            "filters": [4, 4, 4, 4, 4],
            "kernels": [3, 3, 3, 3, 3],
            "strides": 2,
            "padding": 1,
            "pool": [2, 1],
            "units": [4, 4],
            "normalization": "none",
        },
    )
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    filters: Sequence[int] = (96, 256, 384, 384, 256),
    kernels: Sequence[int] = (11, 5, 3, 3, 3),
    strides: int = 4,
    padding: int = 2,
    groups: int = 2,
    pool: Sequence[int] = (3, 2),
    units: Sequence[int] = (4096, 4096),
    normalization: Literal["response", "none"] = "response",
    dropout: float = 0.5,
    initialization: Literal["keras", "paper"] = "keras",
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
    filters, kernels
        Maps and kernel sides of the five convolutions.
    strides, padding
        Of the first convolution; zeros around the image, in pixels.
    groups
        Of the second, fourth and fifth convolution: maps that see only their share of the maps
        below.
    pool
        Side of the pooling's windows and the step between them; the paper's overlap.
    units
        Neurons of the hidden dense layers.
    normalization
        `response`, across adjacent maps behind the first and second convolution, or `none`.
    dropout
        Fraction of the hidden dense neurons dropped in training.
    initialization
        Where weights start: `keras`, or the `paper`'s normal distribution.

    Raises
    ------
    RecipeError
        If the input is no image, too small, or maps cannot be divided into the groups.
    """
    if len(input_shape) != 3:
        raise RecipeError(f"alexnet takes images (height, width, channels), not {input_shape}")
    _check_sides(input_shape, kernels[0], strides, padding, pool)
    for maps in filters:
        if maps % groups:
            raise RecipeError(f"alexnet: {maps} maps do not divide into {groups} groups")

    def start(ones: bool) -> dict[str, Any]:
        if initialization == "keras":
            return {}
        kernel = {"class_name": "RandomNormal", "config": {"stddev": 0.01}}
        return {"kernel_initializer": kernel, "bias_initializer": "ones" if ones else "zeros"}

    def convolve(x: Any, number: int, **kwargs: Any) -> Any:
        name = f"conv{number}"
        kwargs |= start(ones=number in (2, 4, 5))
        return nn.Conv2D(
            filters[number - 1], kernels[number - 1], activation="relu", name=name, **kwargs
        )(x)

    def normalize(x: Any, number: int) -> Any:
        if normalization == "none":
            return x
        return nn.LocalResponseNormalization(name=f"norm{number}")(x)

    def subsample(x: Any, number: int) -> Any:
        return nn.MaxPooling2D(pool[0], strides=pool[1], name=f"pool{number}")(x)

    inputs = nn.Input(input_shape, name="inputs")
    x = nn.ZeroPadding2D(padding, name="padding")(inputs) if padding else inputs
    x = subsample(normalize(convolve(x, 1, strides=strides), 1), 1)
    x = subsample(normalize(convolve(x, 2, padding="same", groups=groups), 2), 2)
    x = convolve(x, 3, padding="same")
    x = convolve(x, 4, padding="same", groups=groups)
    x = convolve(x, 5, padding="same", groups=groups)
    x = nn.Flatten(name="flatten")(subsample(x, 5))
    for number, neurons in enumerate(units, 6):
        x = nn.Dense(neurons, activation="relu", name=f"fc{number}", **start(ones=True))(x)
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits", **start(ones=False))(x)
    return nn.Model(inputs, outputs, name="alexnet")


def _check_sides(
    input_shape: tuple[int, ...], kernel: int, strides: int, padding: int, pool: Sequence[int]
) -> None:
    side = (min(input_shape[:2]) + 2 * padding - kernel) // strides + 1
    for _ in range(3):
        side = (side - pool[0]) // pool[1] + 1
        if side < 1:
            raise RecipeError(f"alexnet is too deep for {input_shape}: set kernels, strides, pool")
