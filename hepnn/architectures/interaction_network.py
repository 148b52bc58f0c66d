"""Interaction network: pairwise effects of objects on one another.

P. W. Battaglia, R. Pascanu, M. Lai, D. J. Rezende, K. Kavukcuoglu, "Interaction Networks for
Learning about Objects, Relations and Physics", NIPS 2016 (arXiv:1612.00222): a function of every
sender and receiver, its effects summed for each receiver, a function of each object with the
effects on it. E. A. Moreno et al., "JEDI-net: a jet identification algorithm based on
interaction networks", Eur. Phys. J. C 80 (2020) 58 (arXiv:1908.05318) join all constituents of a
jet to all others and add a classifier. In their matrices, with `I` of features x objects:

    B = [I R_R; I R_S],  E = f_R(B),  C = [I; E R_R^T],  O = f_O(C),  logits = f_C(O)

The defaults are JEDI-net for 100 constituents of 16 features, 33,625 parameters (table 3): f_R of
30-15-10 neurons, f_O of 30-15-10, f_C of 30-15 on all of O in order; ELU. `pooling: sum` is its
other form, which adds the columns of O up and so knows no order.

`pairs: linear` is the form fit for firmware, of Z. Que et al., "JEDI-linear: Fast and Efficient
Graph Neural Networks for Jet Tagging on FPGAs" (arXiv:2508.15468): where f_R is a linear layer,

    sum over j of (W_R x_i + W_S x_j + b) = N W_R x_i + W_S (sum over j of x_j) + N b

needs one sum over the objects in place of a function of every pair. What the pairs lose, layers
on each object before the sum (`embed`) give back.

Differences from the papers: N is taken into the weights; the sum includes the object itself,
which is a change of W_R; sums over objects are means, the sum times a constant, and for a
power of two of places exact in fixed point.

Shapes: `(batch, objects, features)`, the mask last, to `(batch, outputs)` logits. What stands
where the mask is 0 counts for nothing: its effects are zero, and so is its column of O.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from math import ceil, log2, prod
from typing import Any, Literal

import numpy as np

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

_SMALL = {"activation": "relu", "objects": [3], "classifier": [4], "pooling": "sum"}

NARROW = {
    "interaction-network": Narrow((4, 4), (3,), {"relations": [3], **_SMALL}, masked=True),
    "interaction-network-linear": Narrow(
        (8, 4),
        (3,),
        {"pairs": "linear", "embed": [5], "relations": [4], **_SMALL},
        masked=True,
    ),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    pairs: Literal["all", "linear"] = "all",
    embed: Sequence[int] = (),
    relations: Sequence[int] = (30, 15, 10),
    objects: Sequence[int] = (30, 15, 10),
    classifier: Sequence[int] = (30, 15),
    activation: str = "elu",
    pooling: Literal["none", "sum"] = "none",
    mask: bool = True,
    dropout: float = 0.0,
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
    pairs
        `all`: f_R of every ordered pair. `linear`: f_R is one linear layer, in one sum.
    embed
        Neurons of layers on each object before everything else.
    relations
        Neurons of f_R; a single layer with `linear`.
    objects
        Neurons of f_O.
    classifier
        Neurons of f_C's hidden layers.
    activation
        Of all hidden layers.
    pooling
        What f_C is given: all columns of O in order, or their sum.
    mask
        Whether the last feature is 1 for an object and 0 for padding.
    dropout
        Fraction of the neurons of f_C dropped in training.

    Raises
    ------
    RecipeError
        If the input is no set of at least two objects, or `linear` is given several layers.
    """
    if len(input_shape) != 2 or input_shape[0] < 2:
        raise RecipeError(
            f"interaction-network takes (objects, features) of at least two, not {input_shape}"
        )
    if pairs == "linear" and len(relations) != 1:
        raise RecipeError("interaction-network: pairs: linear has one layer in relations")
    places = input_shape[0]

    def layers(x: Any, widths: Sequence[int], name: str) -> Any:
        for number, units in enumerate(widths, 1):
            x = nn.Dense(units, activation=activation, name=f"{name}{number}")(x)
        return x

    def masked(x: Any, units: int, name: str) -> Any:
        if not mask:
            return x
        return nn.Masked(name=name)([x, nn.Mask(units, name=f"{name}_bits")(inputs)])

    inputs = nn.Input(input_shape, name="inputs")
    x = layers(inputs, embed, "embed")
    if pairs == "all":
        receivers, senders = incidence(places)
        b = nn.Concatenate(name="pairs")(
            [
                nn.ConstantEinsum("anc,ne->aec", receivers, name="receivers")(x),
                nn.ConstantEinsum("anc,ne->aec", senders, name="senders")(x),
            ]
        )
        e = layers(b, relations, "relation")
        if mask:
            sent = nn.ConstantEinsum("anc,ne->aec", senders, name="effects_bits")
            e = nn.Masked(name="effects")([e, sent(nn.Mask(relations[-1], name="bits")(inputs))])
        scale = 2.0 ** -ceil(log2(places - 1))
        effects = nn.ConstantEinsum("aec,en->anc", receivers.T * scale, name="received")(e)
    else:
        x = masked(x, x.shape[-1], "present")
        total = nn.GlobalAveragePooling1D(name="total")(x)
        sent = nn.Dense(relations[0], use_bias=False, name="sent")(total)
        everywhere = nn.ConstantEinsum("ac,n->anc", np.ones(places), name="everywhere")
        received = nn.Dense(relations[0], name="received")(x)
        effects = nn.Add(name="effects_sum")([received, everywhere(sent)])
        effects = nn.Activation(activation, name="effects")(effects)
    o = layers(nn.Concatenate(name="with_effects")([x, effects]), objects, "object")
    o = masked(o, objects[-1], "observed")
    if pooling == "sum":
        x = nn.GlobalAveragePooling1D(name="pool")(o)
    else:
        x = nn.Flatten(name="flatten")(o)
    for number, units in enumerate(classifier, 1):
        x = nn.Dense(units, activation=activation, name=f"classifier{number}")(x)
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="interaction_network")


def incidence(objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `R_R` and `R_S`, `(objects, pairs)`: 1 where an object receives, where it sends.

    The pairs are ordered by receiver, then sender.

    >>> incidence(3)[0]
    array([[1., 1., 0., 0., 0., 0.],
           [0., 0., 1., 1., 0., 0.],
           [0., 0., 0., 0., 1., 1.]])
    """
    found = np.array(list(permutations(range(objects), 2)))
    one = np.eye(objects)
    return one[:, found[:, 0]], one[:, found[:, 1]]
