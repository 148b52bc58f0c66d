"""The equations of recurrent cells: one step of a sequence, written once.

Each function takes the cell it belongs to, the step's inputs after their linear map
`x W + b` `(batch, blocks * units)`, and the states; it returns the new states, the first of
which is the output. What numbers they are is the cell's affair: it gives the weights, the
squashing functions, and the lane that a number is brought to where the cell is fixed point. So
the same lines train, become TFLite, and are traced to logic.

`sigma` is `cell.gate`, between 0 and 1; `tanh` is `cell.squash`, between -1 and 1.
"""

from __future__ import annotations

from typing import Any


def simple(cell: Any, x: Any, states: Any) -> tuple[Any, ...]:
    """Return `h' = tanh(x + h U)`.

    J. L. Elman, "Finding structure in time", Cognitive Science 14 (1990) 179: the hidden units
    of the step before are inputs of this one.
    """
    (h,) = states
    return (cell.squash("state", x + h @ cell.weight("recurrent_kernel")),)


def lstm(cell: Any, x: Any, states: Any) -> tuple[Any, ...]:
    """Return the output and the memory of a long short-term memory.

    With `i, f, g, o` the four blocks of `x + h U`: `c' = sigma(f) c + sigma(i) tanh(g)`,
    `h' = sigma(o) tanh(c')`.

    S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997) 1735;
    the forget gate `f` is of F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget:
    continual prediction with LSTM", Neural Computation 12 (2000) 2451.
    """
    h, c = states
    units = cell.units
    a = x + h @ cell.weight("recurrent_kernel")
    kept = cell.gate("gates", a[:, : 2 * units])
    c = _memory(cell, kept, a[:, 2 * units : 3 * units], c)
    return _read(cell, a[:, 3 * units :], c), c


def peephole(cell: Any, x: Any, states: Any) -> tuple[Any, ...]:
    """Return the output and the memory of a long short-term memory whose gates see the memory.

    `c' = sigma(f + p_f c) c + sigma(i + p_i c) tanh(g)`, `h' = sigma(o + p_o c') tanh(c')`,
    each unit's gates seeing that unit's memory alone.

    F. A. Gers, J. Schmidhuber, "Recurrent nets that time and count", IJCNN (2000); F. A. Gers,
    N. N. Schraudolph, J. Schmidhuber, "Learning precise timing with LSTM recurrent networks",
    JMLR 3 (2002) 115.
    """
    h, c = states
    units = cell.units
    a = x + h @ cell.weight("recurrent_kernel")
    peepholes = cell.weight("peephole")
    seen = cell.join(c * peepholes[0], c * peepholes[1])
    kept = cell.gate("gates", a[:, : 2 * units] + seen)
    c = _memory(cell, kept, a[:, 2 * units : 3 * units], c)
    return _read(cell, a[:, 3 * units :] + c * peepholes[2], c), c


def gru(cell: Any, x: Any, states: Any) -> tuple[Any, ...]:
    """Return the state of a gated recurrent unit.

    With `z, r` two blocks of `x + h U`: `h' = sigma(z) h + (1 - sigma(z)) tanh(g)`, where
    `g = x_g + (sigma(r) h) U_g`, or with `reset_after` `g = x_g + sigma(r) (h U_g + b_g)`,
    which spares a product between two products.

    K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation", EMNLP (2014) (arXiv:1406.1078), eq. (5) to (8).
    """
    (h,) = states
    units = cell.units
    kernel = cell.weight("recurrent_kernel")
    gates, candidate = kernel[:, : 2 * units], kernel[:, 2 * units :]
    opened = cell.gate("gates", x[:, : 2 * units] + h @ gates)
    update, reset = opened[:, :units], opened[:, units:]
    if cell.reset_after:
        past = reset * cell.lane("past", h @ candidate + cell.weight("recurrent_bias"))
    else:
        past = cell.lane("past", reset * h) @ candidate
    proposed = cell.squash("candidate", x[:, 2 * units :] + past)
    return (cell.lane("state", update * h + (1 - update) * proposed),)


def _memory(cell: Any, kept: Any, proposed: Any, c: Any) -> Any:
    written, remembered = kept[:, : cell.units], kept[:, cell.units :]
    return cell.lane("memory", remembered * c + written * cell.squash("candidate", proposed))


def _read(cell: Any, opened: Any, c: Any) -> Any:
    return cell.lane("state", cell.gate("output_gate", opened) * cell.squash("read", c))
