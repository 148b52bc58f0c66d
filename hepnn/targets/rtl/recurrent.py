"""How alkaid traces hepnn's fixed-point recurrent layers.

The equations are the layer's own (`hepnn.layers.cells`); here is the arithmetic that they are
computed with, on symbolic numbers. Every step becomes logic of its own, one behind the other; with
`carrying`, a sequence is one step alone, which takes the states from the step before.
Importing this module makes the layers known to alkaid.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

import numpy as np
from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase, to_np_arr
from alkaid.trace import FVArray
from hgq._alkaid_keras_plugin._base import mirror_quantizer

from hepnn.layers import quantized_recurrent as quantized
from hepnn.layers.recurrent import split, step, unrolled

#: By layer name, the states before and after the one step; None for whole sequences.
_CARRIED: ContextVar[tuple[Mapping[str, Any], dict[str, Any]] | None] = ContextVar(
    "carried", default=None
)


@contextlib.contextmanager
def carrying(states: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, tuple[Any, ...]]]:
    """Trace sequences of one step.

    Parameters
    ----------
    states
        By layer name, the symbolic states `(1, units)` before the step.

    Yields
    ------
    dict
        By layer name, the states after it, once the network is traced.
    """
    after: dict[str, tuple[Any, ...]] = {}
    token = _CARRIED.set((states, after))
    try:
        yield after
    finally:
        _CARRIED.reset(token)


class TracedCell:
    """Symbolic arithmetic for the equations of `hepnn.layers.cells`."""

    def __init__(self, layer: quantized.QuantizedRecurrent) -> None:
        self._layer = layer
        self.units, self.reset_after = layer.units, layer.reset_after
        self._weights: dict[str, np.ndarray] = {}

    def weight(self, name: str) -> np.ndarray:
        """Return a weight on its grid."""
        if name not in self._weights:
            self._weights[name] = to_np_arr(self._layer.quantized(name))
        return self._weights[name]

    def gate(self, name: str, x: Any) -> Any:
        """Return the hard sigmoid."""
        return self.lane(name, x) * 0.25 + 0.5

    def squash(self, name: str, x: Any) -> Any:
        """Return the hard hyperbolic tangent."""
        return self.lane(name, x)

    def lane(self, name: str, x: Any) -> Any:
        """Return the number on its lane."""
        return mirror_quantizer(self._layer.lane(name), x)

    def join(self, *parts: Any) -> Any:
        """Return the parts one behind the other."""
        return np.concatenate(parts, axis=-1)

    def choose(self, bit: Any, new: Any, old: Any) -> Any:
        """Return one of two numbers."""
        return np.where(bit, new, old)


class ReplayRecurrent(ReplayOperationBase):
    """A recurrent layer, step by step."""

    __activation_handled__ = True
    handles: ClassVar = (
        quantized.QSimpleRNN,
        quantized.QLSTM,
        quantized.QPeepholeLSTM,
        quantized.QGRU,
    )

    def call(self, inputs: Any) -> Any:
        """Return the symbolic outputs."""
        layer, cell = self.op, TracedCell(self.op)
        x, mask = split(inputs, layer.masked)
        x = mirror_quantizer(layer.iq, x)
        steps = range(x.shape[1])
        projected = [x[:, t] @ cell.weight("kernel") + cell.weight("bias") for t in steps]
        bits = None
        if mask is not None:
            mask = mirror_quantizer(layer.mask_lane, mask)
            bits = [mask[:, t] for t in steps]
        carried = _CARRIED.get()
        if carried is None:
            zeros = np.zeros((x.shape[0], layer.units))
            start = FVArray(zeros, inputs.solver_options, hwconf=inputs.hwconf)
            outputs = unrolled(layer, cell, projected, bits, (start,) * layer.states)
        else:
            (only,), (bit,) = projected, bits or [None]
            before, after = carried
            after[layer.name] = step(layer, cell, only, bit, before[layer.name])
            outputs = [after[layer.name][0]]
        if not layer.return_sequences:
            return outputs[-1]
        sequence = np.stack(outputs, axis=1)
        if mask is None or not layer.pass_mask:
            return sequence
        return np.concatenate([sequence, mask], axis=-1)
