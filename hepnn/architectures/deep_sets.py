"""Deep Sets, as particle flow network.

M. Zaheer, S. Kottur, S. Ravanbakhsh, B. Póczos, R. R. Salakhutdinov, A. J. Smola, "Deep Sets",
NeurIPS 2017 (arXiv:1703.06114), theorem 2: a function of a set, in which no order of the objects
counts, is `rho(sum of phi(x))`. P. T. Komiske, E. M. Metodiev, J. Thaler, "Energy Flow Networks:
Deep Sets for Particle Jets", JHEP 01 (2019) 121 (arXiv:1810.05165) take it to the particles of a
jet; the defaults are their particle flow network's: phi of 100, 100, 256 neurons, rho of three
times 100. With three features a particle and two classes it has 82,458 parameters, the 82 k of
arXiv:1902.08570, table 3.

Differences from the papers: the sum over the places is a mean, which is the sum times a constant
and for a power of two of places exact in fixed point; the activation after the last layer of phi
comes before the sum, as in the second paper.

Shapes: `(batch, objects, features)`, the mask last, to `(batch, outputs)` logits. What stands
where the mask is 0 counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "deep-sets": Narrow((8, 4), (3,), {"phi": [6, 4], "rho": [5]}, masked=True),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    phi: Sequence[int] = (100, 100, 256),
    rho: Sequence[int] = (100, 100, 100),
    activation: str = "relu",
    pooling: Literal["sum", "max"] = "sum",
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
    phi, rho
        Neurons of the layers on each object, and on the sum.
    activation
        Of all hidden layers.
    pooling
        Sum, or the largest over the objects (of 0 and what is positive, if there is a mask).
    mask
        Whether the last feature is 1 for an object and 0 for padding.
    dropout
        Fraction of the neurons of rho dropped in training.

    Raises
    ------
    RecipeError
        If the input is no set of objects.
    """
    if len(input_shape) != 2:
        raise RecipeError(f"deep-sets takes (objects, features), not {input_shape}")
    if not phi:
        raise RecipeError("deep-sets needs at least one layer in phi")
    inputs = nn.Input(input_shape, name="inputs")
    x = inputs
    for number, units in enumerate(phi, 1):
        x = nn.Dense(units, activation=activation, name=f"phi{number}")(x)
    if mask:
        x = nn.Masked(name="masked")([x, nn.Mask(phi[-1], name="mask")(inputs)])
    pool = nn.GlobalMaxPooling1D if pooling == "max" else nn.GlobalAveragePooling1D
    x = pool(name="pool")(x)
    for number, units in enumerate(rho, 1):
        x = nn.Dense(units, activation=activation, name=f"rho{number}")(x)
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="deep_sets")
