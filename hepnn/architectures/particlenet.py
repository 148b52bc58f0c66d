"""ParticleNet: convolutions on the graph of nearest neighbours.

Y. Wang, Y. Sun, Z. Liu, S. E. Sarma, M. M. Bronstein, J. M. Solomon, "Dynamic Graph CNN for
Learning on Point Clouds", ACM Trans. Graph. 38 (2019) 146 (arXiv:1801.07829): a function of every
object and its difference from a neighbour, averaged over the neighbours; the next layer's
neighbours are the nearest in the features that came out. H. Qu, L. Gouskos, "ParticleNet: Jet
Tagging via Particle Clouds", Phys. Rev. D 101 (2020) 056019 (arXiv:1902.08570) take it to jets,
with three layers and a shortcut in each EdgeConv; the first neighbours are those in rapidity and
azimuth.

The defaults are ParticleNet's: EdgeConv of 64, 128 and 256 channels on 16 neighbours, 256 neurons,
dropout 0.1; of 7 features and 2 classes 366,160 parameters, the 366 k of table 3. Its small form,
ParticleNet-Lite, has 7 neighbours, 32 and 64 channels and 128 neurons: 26,416.

Differences from the paper: an object with too few neighbours has its last edges to itself and not
to padding, so that how much padding there is changes nothing; the sum over objects is divided by
the places.

Shapes: `(batch, objects, features)`, the mask last, to `(batch, outputs)` logits. What stands
where the mask is 0 counts for nothing. Only float: choosing the nearest has no fixed-point form.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "particlenet": Narrow(
        (8, 4),
        (3,),
        {"neighbours": 2, "channels": [[4], [6]], "hidden": [5], "coordinates": [1, 2]},
        masked=True,
    )
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    neighbours: int = 16,
    channels: Sequence[Sequence[int]] = ((64, 64, 64), (128, 128, 128), (256, 256, 256)),
    hidden: Sequence[int] = (256,),
    coordinates: Sequence[int] = (1, 2),
    graph: Literal["dynamic", "static"] = "dynamic",
    dropout: float = 0.1,
    mask: bool = True,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(objects, features)`.
    output_shape
        `(outputs,)`.
    nn
        Vocabulary.
    neighbours
        Edges of each object.
    channels
        Neurons of the layers of every EdgeConv.
    hidden
        Neurons of the layers after the sum over the objects.
    coordinates
        Places of those features in which the first neighbours are the nearest.
    graph
        Whether the later neighbours are those in the features so far, or the first ones.
    dropout
        Fraction of the hidden neurons dropped in training.
    mask
        Whether the last feature is 1 for an object and 0 for padding.

    Raises
    ------
    RecipeError
        If the input is no set of objects, or there are too few for the neighbours.
    """
    if len(input_shape) != 2:
        raise RecipeError(f"particlenet takes (objects, features), not {input_shape}")
    if not 0 < neighbours < input_shape[0]:
        raise RecipeError(
            f"particlenet: {neighbours} neighbours of {input_shape[0]} objects; from 1 to "
            f"{input_shape[0] - 1}"
        )
    if any(not 0 <= one < input_shape[1] for one in coordinates):
        raise RecipeError(f"particlenet: coordinates {list(coordinates)} are none of the features")

    inputs = nn.Input(input_shape, name="inputs")
    there = [nn.Mask(1, name="bits")(inputs)] if mask else []
    x = nn.BatchNormalization(name="features")(inputs)
    for number, widths in enumerate(channels, 1):
        name = f"edge{number}"
        first = number == 1 or graph == "static"
        edges = nn.EdgeFeatures(neighbours, coordinates=coordinates if first else None, name=name)
        e = edges([inputs if first else x, x, *there])
        for layer, units in enumerate(widths, 1):
            e = nn.Dense(units, use_bias=False, name=f"{name}_dense{layer}")(e)
            e = nn.BatchNormalization(name=f"{name}_norm{layer}")(e)
            e = nn.Activation("relu", name=f"{name}_relu{layer}")(e)
        e = nn.EdgeMean(name=f"{name}_mean")(e)
        shortcut = nn.Dense(widths[-1], use_bias=False, name=f"{name}_shortcut")(x)
        shortcut = nn.BatchNormalization(name=f"{name}_shortcut_norm")(shortcut)
        x = nn.Add(name=f"{name}_sum")([shortcut, e])
        x = nn.Activation("relu", name=f"{name}_relu")(x)
    if mask:
        x = nn.Masked(name="masked")([x, nn.Mask(widths[-1], name="mask")(inputs)])
    x = nn.GlobalAveragePooling1D(name="pool")(x)
    for number, units in enumerate(hidden, 1):
        x = nn.Dense(units, activation="relu", name=f"dense{number}")(x)
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="particlenet")
