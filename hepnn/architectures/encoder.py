"""A classifier on the encoder of an autoencoder.

Y. Bengio et al., "Greedy layer-wise training of deep networks", NeurIPS 2006, and D. Erhan et
al., "Why does unsupervised pre-training help deep learning?", J. Mach. Learn. Res. 11 (2010)
625: a network that has learnt to represent events without labels is a better start for a
classifier with few labels than random weights.

The layers up to `latent` are those of `autoencoder` with the same hyper-parameters, by name and
shape. `start: RUN` in the recipe takes their weights over from a run of it.

Shapes: as of `autoencoder`, to `(batch, outputs)` logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.autoencoder import Kind, check_kind, encode
from hepnn.architectures.narrow import Narrow

NARROW = {
    "encoder": Narrow((8,), (3,), {"hidden": [6], "latent": 4, "head": [], "activation": "relu"}),
    "convolutional-encoder": Narrow(
        (8, 8, 1),
        (3,),
        {
            "kind": "convolutional",
            "hidden": [2, 3],
            "latent": 4,
            "head": [],
            "activation": "relu",
        },
    ),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    kind: Kind = "dense",
    hidden: Sequence[int] = (1000, 500, 250),
    latent: int = 30,
    kernel: int = 3,
    activation: str = "sigmoid",
    cell: Literal["simple", "lstm", "gru"] = "lstm",
    gates: Literal["soft", "hard"] = "soft",
    head: Sequence[int] = (32,),
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        Shape of one event.
    output_shape
        `(classes,)`.
    nn
        Vocabulary.
    kind, hidden, latent, kernel, activation, cell, gates
        As of `autoencoder`.
    head
        Neurons of the layers between the code and the logits.

    Raises
    ------
    RecipeError
        If the shape does not fit the kind.
    """
    check_kind(input_shape, kind, hidden, "encoder")
    inputs = nn.Input(input_shape, name="inputs")
    x, _, _ = encode(inputs, nn, kind, hidden, kernel, activation, cell=cell, gates=gates)
    x = nn.Dense(latent, name="latent")(x)
    for number, units in enumerate(head, 1):
        x = nn.Dense(units, name=f"head{number}")(x)
        x = nn.Activation(activation, name=f"head{number}_squash")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="encoder")
