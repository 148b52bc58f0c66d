"""GoogLeNet.

C. Szegedy et al., "Going deeper with convolutions", CVPR 2015 (arXiv:1409.4842), winner of
ILSVRC-2014: modules in which convolutions of three sizes and a pooling look at the same maps, and
what they find is stacked. 1x1 convolutions make the maps few before the large kernels see them
("reduce"), so that 22 layers on 224x224x3 images have 6,998,552 parameters, a ninth of AlexNet's.
The mean over all pixels comes before the only dense layer. Two auxiliary classifiers, on modules
4a and 4d, add their losses with weight 0.3 in training (`hepnn.training.auxiliary`); the network
that is saved and shipped does not have them.

Table 1 is `modules`; for small data and firmware give fewer and narrower rows, `stem: plain`
instead of the two strides and poolings in front, and `normalization: none`.

Differences from the paper: it gives neither the constants of its response normalization nor where
its weights start; they are AlexNet's and He's. The output is logits. On maps smaller than 5x5 an
auxiliary classifier pools what there is.

Shapes: `(batch, height, width, channels)` to `(batch, classes)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from string import ascii_lowercase
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError, nearest

#: Table 1, modules 3a to 5b: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, behind the pooling. Between
#: two groups a pooling halves the maps.
MODULES = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)

_CONVOLUTION = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}

NARROW = {
    "googlenet": Narrow(
        (4, 4, 1),
        (3,),
        {
            "stem": "plain",
            "filters": [2],
            "modules": [[[2, 3, 1, 3, 1, 1]], [[2, 3, 1, 3, 1, 1]]],
            "auxiliary": ["3a"],
            "auxiliary_units": [2, 4],
            "normalization": "none",
        },
    )
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    stem: Literal["imagenet", "plain"] = "imagenet",
    filters: Sequence[int] = (64, 64, 192),
    modules: Sequence[Sequence[Sequence[int]]] = MODULES,
    normalization: Literal["response", "none"] = "response",
    dropout: float = 0.4,
    auxiliary: Sequence[str] = ("4a", "4d"),
    auxiliary_weight: float = 0.3,
    auxiliary_units: Sequence[int] = (128, 1024),
    auxiliary_dropout: float = 0.7,
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
    stem
        `imagenet`: 7x7 with stride 2, pooling, 1x1, 3x3, pooling; or `plain`: one 3x3 convolution.
    filters
        Maps of the stem's convolutions.
    modules
        Groups of inception modules, the first called 3a: each six numbers of maps.
    normalization
        `response`, in the stem, or `none`.
    dropout
        Fraction of the averaged maps dropped in training.
    auxiliary
        Modules that carry an auxiliary classifier.
    auxiliary_weight
        Of their losses in training.
    auxiliary_units
        Maps of their 1x1 convolution and neurons of their dense layer.
    auxiliary_dropout
        Fraction of those neurons dropped in training.

    Raises
    ------
    RecipeError
        If the input is no image, a row has not six numbers, or an auxiliary module does not exist.
    """
    if len(input_shape) != 3:
        raise RecipeError(f"googlenet takes images (height, width, channels), not {input_shape}")
    classes = prod(output_shape)
    inputs = nn.Input(input_shape, name="inputs")
    x = _stem(nn, inputs, stem, filters, normalization)
    outputs_of = {}
    for group, rows in enumerate(modules, 3):
        if group > 3 or stem == "imagenet":
            x = nn.MaxPooling2D(3, strides=2, padding="same", name=f"pool{group - 1}")(x)
        for letter, row in zip(ascii_lowercase, rows, strict=False):
            x = outputs_of[f"{group}{letter}"] = _inception(nn, x, row, f"inception{group}{letter}")
    x = nn.GlobalAveragePooling2D(name="average")(x)
    if dropout:
        x = nn.Dropout(dropout, name="dropout")(x)
    outputs = nn.Dense(classes, name="logits")(x)
    branches = []
    for module in auxiliary:
        if module not in outputs_of:
            raise RecipeError(f"googlenet: no module {module!r}; {nearest(module, outputs_of)}")
        branch = _auxiliary(
            nn, outputs_of[module], auxiliary_units, auxiliary_dropout, classes, module
        )
        branches.append((branch, auxiliary_weight))
    return nn.Model(inputs, outputs, name="googlenet", auxiliary=branches)


def _stem(nn: Any, inputs: Any, stem: str, filters: Sequence[int], normalization: str) -> Any:
    convolve = partial(nn.Conv2D, **_CONVOLUTION)

    def normalize(x: Any, name: str) -> Any:
        if normalization == "none":
            return x
        return nn.LocalResponseNormalization(name=name)(x)

    if stem == "plain":
        return convolve(filters[0], 3, name="conv1")(inputs)
    if len(filters) != 3:
        raise RecipeError(f"googlenet's stem has three convolutions: filters {tuple(filters)}")
    x = convolve(filters[0], 7, strides=2, name="conv1")(inputs)
    x = nn.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    x = normalize(x, "norm1")
    x = convolve(filters[1], 1, name="conv2_reduce")(x)
    x = convolve(filters[2], 3, name="conv2")(x)
    return normalize(x, "norm2")


def _inception(nn: Any, x: Any, row: Sequence[int], name: str) -> Any:
    """Return the stacked maps of a module, figure 2b."""
    if len(row) != 6:
        raise RecipeError(f"googlenet: {name} wants six numbers of maps, not {tuple(row)}")
    one, reduce3, three, reduce5, five, pooled = row
    convolve = partial(nn.Conv2D, **_CONVOLUTION)
    pool = nn.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    branches = [
        convolve(one, 1, name=f"{name}_1x1")(x),
        convolve(three, 3, name=f"{name}_3x3")(convolve(reduce3, 1, name=f"{name}_3x3_reduce")(x)),
        convolve(five, 5, name=f"{name}_5x5")(convolve(reduce5, 1, name=f"{name}_5x5_reduce")(x)),
        convolve(pooled, 1, name=f"{name}_pool_proj")(pool),
    ]
    return nn.Concatenate(name=name)(branches)


def _auxiliary(
    nn: Any, x: Any, units: Sequence[int], dropout: float, classes: int, module: str
) -> Any:
    """Return an auxiliary classifier's logits, section 5."""
    name = f"auxiliary{module}"
    window = min(5, *x.shape[1:3])
    x = nn.AveragePooling2D(window, strides=3, name=f"{name}_average")(x)
    x = nn.Conv2D(units[0], 1, name=f"{name}_conv", **_CONVOLUTION)(x)
    x = nn.Flatten(name=f"{name}_flatten")(x)
    x = nn.Dense(units[1], activation="relu", name=f"{name}_fc")(x)
    if dropout:
        x = nn.Dropout(dropout, name=f"{name}_dropout")(x)
    return nn.Dense(classes, name=f"{name}_logits")(x)
