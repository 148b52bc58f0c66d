"""Recurrent network: simple, LSTM, LSTM with peepholes, GRU; stacked; bidirectional.

J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990) 179: a hidden state that
the next step of a sequence sees. S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural
Computation 9 (1997) 1735, with the forget gate of F. A. Gers, J. Schmidhuber, F. Cummins,
Neural Computation 12 (2000) 2451: a memory that gradients pass through undiminished. F. A. Gers,
J. Schmidhuber, IJCNN (2000): gates that see the memory, by peepholes. K. Cho et al., EMNLP
(2014) (arXiv:1406.1078): the gated recurrent unit. M. Schuster, K. K. Paliwal, "Bidirectional
recurrent neural networks", IEEE Trans. Signal Process. 45 (1997) 2673: a second network reads the
sequence from its end. The equations are in `hepnn.layers.cells`.

The defaults are the top tagger of E. E. Khoda et al., "Ultra-low latency recurrent neural network
inference on FPGAs for physics applications with hls4ml" (arXiv:2207.00559), table 1: 20 units, a
dense layer of 64 neurons. On 20 constituents of 6 features, and with one output, it has 3,569
parameters.

Differences from the papers: GRUs have biases; with `reset_after`, of the biases after the
recurrent map only the candidate's are kept, since the gates' would add to others. In fixed point
gates are `hard`: cut-off straight lines in place of sigmoid and tanh, which a saturating lane
computes by itself. A sequence's mask is its last feature, and a masked step changes nothing.

Shapes: `(batch, steps, features)` to `(batch, outputs)` logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError, nearest

_NARROW = {"units": [2], "hidden": [], "gates": "hard"}

NARROW = {
    "simple-rnn": Narrow((3, 3), (2,), {**_NARROW, "cell": "simple"}),
    "lstm": Narrow((3, 3), (2,), {**_NARROW, "cell": "lstm"}),
    "lstm-soft": Narrow((3, 3), (2,), {**_NARROW, "cell": "lstm", "gates": "soft"}),
    "peephole-lstm": Narrow((3, 3), (2,), {**_NARROW, "cell": "peephole"}),
    "gru": Narrow((3, 3), (2,), {**_NARROW, "cell": "gru", "go_backwards": True}),
    "stacked-gru": Narrow(
        (3, 3), (2,), {**_NARROW, "cell": "gru", "units": [2, 2], "reset_after": True}
    ),
    "bidirectional-lstm": Narrow((3, 3), (2,), {**_NARROW, "cell": "lstm", "bidirectional": True}),
}

#: The word of every cell.
CELLS = {"simple": "SimpleRNN", "lstm": "LSTM", "peephole": "PeepholeLSTM", "gru": "GRU"}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    cell: Literal["simple", "lstm", "peephole", "gru"] = "lstm",
    units: Sequence[int] = (20,),
    bidirectional: bool = False,
    go_backwards: bool = False,
    reset_after: bool = False,
    gates: Literal["soft", "hard"] = "soft",
    mask: bool = True,
    hidden: Sequence[int] = (64,),
    activation: str = "relu",
    dropout: float = 0.0,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(steps, features)`.
    output_shape
        `(outputs,)`.
    nn
        Vocabulary.
    cell
        Of all recurrent layers.
    units
        Neurons of each recurrent layer, one reading the outputs of the other. The last one
        gives what it has after the last step.
    bidirectional
        Every recurrent layer twice, once in each direction; their outputs are joined.
    go_backwards
        Read the sequence from its end, so that what stands first is remembered best.
    reset_after
        GRU: reset what comes from the state after its linear map, not before.
    gates
        `soft`: sigmoid and tanh. `hard`: `x / 4 + 1/2` cut at 0 and 1, `x` cut at -1 and 1.
    mask
        Whether the last feature is 1 for a step and 0 for padding.
    hidden
        Neurons of the dense layers after the recurrent ones.
    activation
        Of the dense layers.
    dropout
        Fraction dropped in training of what each dense layer takes in.

    Raises
    ------
    RecipeError
        If the input is no sequence, or options do not go together.
    """
    check(input_shape, cell, units, mask, gates, "recurrent")
    if bidirectional and go_backwards:
        raise RecipeError("recurrent: bidirectional already reads backwards; drop go_backwards")
    if reset_after and cell != "gru":
        raise RecipeError(f"recurrent: reset_after is of cell: gru, not of {cell}")
    options = {"reset_after": True} if reset_after else {}
    inputs = nn.Input(input_shape, name="inputs")
    x = inputs
    for number, width in enumerate(units, 1):
        x = stacked(
            x,
            nn=nn,
            cell=cell,
            units=width,
            name=f"{cell}{number}",
            last=number == len(units),
            bidirectional=bidirectional,
            go_backwards=go_backwards,
            gates=gates,
            masked=mask,
            **options,
        )
    for number, neurons in enumerate(hidden, 1):
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
        x = nn.Dense(neurons, activation=activation, name=f"dense{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="recurrent")


def stacked(
    x: Any,
    *,
    nn: Any,
    cell: str,
    units: int,
    name: str,
    last: bool,
    bidirectional: bool,
    go_backwards: bool,
    masked: bool,
    **options: Any,
) -> Any:
    """Return what a recurrent layer makes of a sequence, the mask again its last feature.

    Parameters
    ----------
    x
        The sequence.
    nn
        Vocabulary.
    cell, units, name, bidirectional, go_backwards, masked
        As `build` and the layers have them.
    last
        Return the final output alone.
    **options
        More arguments of the layer.
    """
    layer = getattr(nn, CELLS[cell])
    options = {**options, "masked": masked, "return_sequences": not last}
    passed = masked and not last
    if not bidirectional:
        return layer(units, go_backwards=go_backwards, pass_mask=passed, name=name, **options)(x)
    forward = layer(units, name=f"{name}_forward", **options)(x)
    backward = layer(
        units, go_backwards=True, pass_mask=passed, name=f"{name}_backward", **options
    )(x)
    return nn.Concatenate(name=f"{name}_joined")([forward, backward])


def check(
    input_shape: tuple[int, ...],
    cell: str,
    units: Sequence[int],
    mask: bool,
    gates: str,
    name: str,
) -> None:
    """Refuse what is no sequence, and options that do not exist.

    Raises
    ------
    RecipeError
        If so.
    """
    if len(input_shape) != 2:
        raise RecipeError(f"{name} takes sequences (steps, features), not {input_shape}")
    if mask and input_shape[1] < 2:
        raise RecipeError(f"{name}: one feature cannot be the mask alone: set mask: false")
    if cell not in CELLS:
        raise RecipeError(f"{name}.cell: no {cell!r}; {nearest(cell, CELLS)}")
    if gates not in ("soft", "hard"):
        raise RecipeError(f"{name}.gates: no {gates!r}; {nearest(gates, ('soft', 'hard'))}")
    if not units:
        raise RecipeError(f"{name}.units needs the neurons of at least one layer")
