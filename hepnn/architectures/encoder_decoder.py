"""Recurrent encoder and decoder: a sequence in, a sequence out.

K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
translation", EMNLP (2014) (arXiv:1406.1078): one recurrent network reads a sequence into a vector
of fixed length, the summary c; another writes a sequence, each of its steps given c.
I. Sutskever, O. Vinyals, Q. V. Le, "Sequence to sequence learning with neural networks", NeurIPS
(2014) (arXiv:1409.3215): with several layers of LSTM, and the source read from its end, so that
its beginning is near the beginning of what is written. N. Srivastava, E. Mansimov,
R. Salakhutdinov, ICML (2015) 843 (arXiv:1502.04681): the target may be the source, a sequence
autoencoder, and the decoder need not see what it wrote.

The defaults are the paper's: one GRU of 1,000 units on each side. For sequences of 100 numbers
(its word embedding) and as many outputs there are 9,406,100 parameters without its maxout layer and
softmax over 15,000 words.

Differences from the papers: the decoder sees the summary at every step, not what it wrote before
(the unconditioned decoder of Srivastava et al.), so that no target is needed to run it; the
summary is the encoder's last state itself, and the decoder starts from zeros; a dense layer at
every step gives real numbers; the sequence written is of one length. In fixed point gates are
`hard`.

Shapes: `(batch, steps, features)` to `(batch, steps written, numbers)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.architectures.recurrent import check, stacked
from hepnn.errors import RecipeError

NARROW = {
    "encoder-decoder": Narrow(
        (3, 3), (2, 2), {"encoder": [2], "decoder": [2], "gates": "hard", "mask": True}
    ),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    cell: Literal["simple", "lstm", "peephole", "gru"] = "gru",
    encoder: Sequence[int] = (1000,),
    decoder: Sequence[int] = (1000,),
    bidirectional: bool = False,
    go_backwards: bool = False,
    gates: Literal["soft", "hard"] = "soft",
    mask: bool = False,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(steps, features)`.
    output_shape
        `(steps written, numbers)`.
    nn
        Vocabulary.
    cell
        Of all recurrent layers.
    encoder, decoder
        Neurons of their recurrent layers. The encoder's last layer ends in the summary.
    bidirectional
        Read the source in both directions; the summary is both ends.
    go_backwards
        Read the source from its end.
    gates
        `soft`: sigmoid and tanh. `hard`: `x / 4 + 1/2` cut at 0 and 1, `x` cut at -1 and 1.
    mask
        Whether the last feature of the source is 1 for a step and 0 for padding.

    Raises
    ------
    RecipeError
        If the input or the output is no sequence.
    """
    check(input_shape, cell, encoder, mask, gates, "encoder-decoder")
    if len(output_shape) != 2:
        raise RecipeError(
            f"encoder-decoder puts out sequences (steps, numbers), not {output_shape}: take the "
            "architecture recurrent, or a task whose target is a sequence"
        )
    if not decoder:
        raise RecipeError("encoder-decoder.decoder needs the neurons of at least one layer")
    if bidirectional and go_backwards:
        raise RecipeError("encoder-decoder: bidirectional already reads backwards")
    steps, numbers = output_shape
    inputs = nn.Input(input_shape, name="inputs")
    x = inputs
    for number, units in enumerate(encoder, 1):
        x = stacked(
            x,
            nn=nn,
            cell=cell,
            units=units,
            name=f"encoder{number}",
            last=number == len(encoder),
            bidirectional=bidirectional,
            go_backwards=go_backwards,
            masked=mask,
            gates=gates,
        )
    x = nn.RepeatVector(steps, name="summary")(x)
    for number, units in enumerate(decoder, 1):
        x = stacked(
            x,
            nn=nn,
            cell=cell,
            units=units,
            name=f"decoder{number}",
            last=False,
            bidirectional=False,
            go_backwards=False,
            masked=False,
            gates=gates,
        )
    outputs = nn.Dense(numbers, name="outputs")(x)
    return nn.Model(inputs, outputs, name="encoder_decoder")
