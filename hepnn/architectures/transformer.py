"""Transformer encoder.

A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser, I. Polosukhin,
"Attention Is All You Need", NIPS 2017 (arXiv:1706.03762): layers of self-attention of several
heads, eq. (1), and a feed-forward network on every place, eq. (2), each within a shortcut that
ends in a layer normalization (section 3.1); no recurrence. Positions come in as sinusoids
(section 3.5), as learned vectors, or not at all, which makes it a function of a set.

The defaults are the base model's, table 3: 6 layers of width 512, 8 heads of 64, feed-forward
2,048, dropout 0.1; 3,150,336 parameters a layer, `4 * 512**2` of them in the attention.

For fixed point: `normalization: batch`, as firmware has it (or `none`), since a layer
normalization divides by a root of what it is given. The softmax becomes two tables there.

Differences from the paper: the objects' features are projected to the width, in place of
embedded tokens; the encoder ends in a sum over the places (a mean, the sum times a constant) and
a dense layer of logits.

Shapes: `(batch, places, features)`, the mask last, to `(batch, outputs)` logits. Where the mask
is 0, no place attends to what stands there, and it is not in the sum: scores of padding are zero
and all others are raised by 64 or more, times the root of eq. (1), so that after the softmax
nothing is left of the padding's: exp(-64) vanishes beside 1 in float32, and is 0 in a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2, prod
from typing import Any, Literal

import numpy as np

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError
from hepnn.layers.attention import sinusoids

NARROW = {
    "transformer": Narrow(
        (4, 4),
        (3,),
        {
            "width": 4,
            "layers": 1,
            "heads": 2,
            "feed_forward": 5,
            "positions": "none",
            "normalization": "batch",
            "dropout": 0.0,
        },
        masked=True,
    )
}

#: What scores over the root of eq. (1) are raised by, at least; zero is the score of padding.
RAISED = 64.0


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    width: int = 512,
    layers: int = 6,
    heads: int = 8,
    key_dim: int | None = None,
    feed_forward: int = 2048,
    activation: str = "relu",
    positions: Literal["sinusoidal", "learned", "none"] = "sinusoidal",
    normalization: Literal["layer", "batch", "none"] = "layer",
    attention_bias: bool = False,
    dropout: float = 0.1,
    head: Sequence[int] = (),
    mask: bool = True,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(places, features)`.
    output_shape
        `(outputs,)`.
    nn
        Vocabulary.
    width
        Of a place, from layer to layer (d_model).
    layers
        How many.
    heads, key_dim
        Of the attention; the width of queries, keys and values in a head is by default
        `width / heads`.
    feed_forward
        Neurons of the network on every place (d_ff).
    activation
        Of these neurons, and of the head.
    positions
        How places are told apart.
    normalization
        After each sum with its shortcut.
    attention_bias
        Whether the attention's four projections have biases, as Keras's do and the paper's do
        not.
    dropout
        Fraction dropped of what is added to a shortcut, in training.
    head
        Neurons of hidden layers after the sum over the places.
    mask
        Whether the last feature is 1 for an object and 0 for padding.

    Raises
    ------
    RecipeError
        If the input is no sequence, or the heads do not divide the width.
    """
    if len(input_shape) != 2:
        raise RecipeError(f"transformer takes (places, features), not {input_shape}")
    if key_dim is None and width % heads:
        raise RecipeError(f"transformer: {heads} heads do not divide the width {width}")
    places = input_shape[0]
    size = width // heads if key_dim is None else key_dim

    def project(x: Any, name: str) -> Any:
        shape, axes = (places, heads, size), "de" if attention_bias else None
        return nn.EinsumDense("abc,cde->abde", output_shape=shape, bias_axes=axes, name=name)(x)

    def attention(x: Any, name: str) -> Any:
        queries, keys, values = (project(x, f"{name}_{part}") for part in ("query", "key", "value"))
        scores = nn.Einsum("abcd,aecd->acbe", name=f"{name}_products")([queries, keys])
        if mask:
            scores = nn.Masked(name=f"{name}_masked")([scores, seen])
            scores = nn.Raised(above, name=f"{name}_scores")([scores, raised])
        weights = nn.Softmax(size**-0.5, name=f"{name}_softmax")(scores)
        x = nn.Einsum("acbe,aecd->abcd", name=f"{name}_values_sum")([weights, values])
        axes = "e" if attention_bias else None
        shape = (places, width)
        return nn.EinsumDense(
            "abcd,cde->abe", output_shape=shape, bias_axes=axes, name=f"{name}_output"
        )(x)

    def added(x: Any, change: Any, name: str) -> Any:
        if dropout:
            change = nn.Dropout(dropout, name=f"{name}_dropout")(change)
        return normalized(nn.Add(name=f"{name}_sum")([x, change]), f"{name}_norm")

    def normalized(x: Any, name: str) -> Any:
        if normalization == "layer":
            return nn.LayerNormalization(epsilon=1e-6, name=name)(x)
        return nn.BatchNormalization(name=name)(x) if normalization == "batch" else x

    inputs = nn.Input(input_shape, name="inputs")
    x = nn.EinsumDense(
        "abc,cd->abd",
        output_shape=(places, width),
        bias_axes="bd" if positions == "learned" else "d",
        name="embed",
    )(inputs)
    if positions == "sinusoidal":
        place = sinusoids(places, width)
        x = nn.ConstantEinsum("abc,c->abc", np.ones(width), bias=place, name="positions")(x)
    if mask:
        x = nn.Masked(name="present")([x, nn.Mask(width, name="mask")(inputs)])
        one, bits = np.ones((1, heads, places)), nn.Mask(1, name="bits")(inputs)
        seen = nn.ConstantEinsum("aeb,bcd->acde", one, name="seen")(bits)
        above = 2.0 ** ceil(log2(RAISED * size**0.5))
        raised = nn.ConstantEinsum("aeb,bcd->acde", above * one, name="raised")(bits)
    if dropout:
        x = nn.Dropout(dropout, name="embed_dropout")(x)
    for number in range(1, layers + 1):
        x = added(x, attention(x, f"attention{number}"), f"attention{number}")
        hidden = nn.Dense(feed_forward, activation=activation, name=f"forward{number}_hidden")(x)
        change = nn.Dense(width, name=f"forward{number}")(hidden)
        x = added(x, change, f"forward{number}")
    if mask:
        x = nn.Masked(name="encoded")([x, nn.Mask(width, name="encoded_bits")(inputs)])
    x = nn.GlobalAveragePooling1D(name="pool")(x)
    for number, units in enumerate(head, 1):
        x = nn.Dense(units, activation=activation, name=f"head{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="transformer")
