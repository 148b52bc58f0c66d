"""Recurrent layers: simple, LSTM, LSTM with peepholes, GRU.

The equations are in `hepnn.layers.cells`. Kernels, biases and the order of their blocks are as
in Keras's layers of the same names. What Keras's do not have: the mask is the last feature of
the sequence, so that it goes wherever the sequence goes, firmware included; and the gates can
be hard, the functions that fixed point has by saturation alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf
from keras import ops

from hepnn.layers import cells

#: A cell's step: cell, inputs after their linear map, states; to the new states.
Step = Callable[[Any, Any, Any], tuple[Any, ...]]


class Recurrent(keras.layers.Layer):
    """What recurrent layers share: the loop over the steps, the mask, the weights.

    From `(batch, steps, features)` to `(batch, units)`, or `(batch, steps, units)` with
    `return_sequences`.

    A step whose mask is 0 leaves the states as they are, whatever its features are, so that
    padding at either end, however long, changes nothing.

    Parameters
    ----------
    units
        Neurons.
    gates
        `soft`: logistic sigmoid and tanh. `hard`: `min(max(x / 4 + 1/2, 0), 1)` and
        `min(max(x, -1), 1)`, their tangents at 0, cut off.
    masked
        The last feature is 1 for a step and 0 for padding.
    return_sequences
        Return the output of every step, in the order of time.
    pass_mask
        With `return_sequences`: the mask is again the last feature of what is returned.
    go_backwards
        Begin with the last step.
    """

    #: The equations, the blocks of the kernels and the states of a unit.
    step: ClassVar[Any]
    blocks: ClassVar[int]
    states: ClassVar[int] = 1
    reset_after: bool = False

    def __init__(
        self,
        units: int,
        gates: Literal["soft", "hard"] = "soft",
        masked: bool = False,
        return_sequences: bool = False,
        pass_mask: bool = False,
        go_backwards: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.gates = gates
        self.masked = masked
        self.return_sequences = return_sequences
        self.pass_mask = pass_mask
        self.go_backwards = go_backwards
        #: Whether the loop is written out; set where something is exported.
        self.unroll = False

    def build(self, input_shape: Any) -> None:
        """Make kernel, recurrent kernel and bias."""
        features, width = input_shape[-1] - self.masked, self.blocks * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(features, width), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, width), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer=self._bias())
        super().build(input_shape)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Return the last output, or all of them."""
        cell = self.cell(training)
        x, mask = split(inputs, self.masked)
        projected = ops.matmul(cell.entering(x), cell.weight("kernel")) + cell.weight("bias")
        mask = None if mask is None else cell.bit(mask)
        return self._outputs(cell, projected, mask)

    def cell(self, training: Any) -> Any:
        """Return what the equations are computed with."""
        return FloatCell(self)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return `(batch, units)` or `(batch, steps, units)`, one more where a mask is passed."""
        batch, steps, _ = input_shape
        if not self.return_sequences:
            return batch, self.units
        return batch, steps, self.units + (self.masked and self.pass_mask)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "gates": self.gates,
            "masked": self.masked,
            "return_sequences": self.return_sequences,
            "pass_mask": self.pass_mask,
            "go_backwards": self.go_backwards,
        }

    def _bias(self) -> Any:
        return "zeros"

    def _outputs(self, cell: Any, projected: Any, mask: Any) -> Any:
        steps = projected.shape[1]
        start = ops.zeros_like(projected[:, 0, : self.units])
        first = (start,) * self.states
        if self.unroll or tf.executing_eagerly():
            outputs = unrolled(
                self,
                cell,
                [projected[:, t] for t in range(steps)],
                None if mask is None else [mask[:, t] for t in range(steps)],
                first,
            )
        else:
            outputs = self._rolled(cell, projected, mask, first, steps)
        if not self.return_sequences:
            return outputs[-1]
        sequence = ops.stack(outputs, axis=1) if isinstance(outputs, list) else outputs
        if mask is None or not self.pass_mask:
            return sequence
        return ops.concatenate([sequence, mask], axis=-1)

    def _rolled(self, cell: Any, projected: Any, mask: Any, first: Any, steps: int) -> Any:
        def by_step(sequence: Any) -> tf.TensorArray:
            # An array of tensors has cheap gradients; slices of a tensor fill it with zeros.
            made = tf.TensorArray(
                sequence.dtype, steps, element_shape=(sequence.shape[0], sequence.shape[2])
            )
            return made.unstack(tf.transpose(sequence, (1, 0, 2)))

        entering = by_step(projected)
        bits = None if mask is None else by_step(mask)
        # An array that nothing is written to has no gradient, hence none or one.
        kept: Any = ()
        if self.return_sequences:
            kept = (tf.TensorArray(projected.dtype, steps),)

        def body(number: Any, states: Any, kept: Any) -> Any:
            t = steps - 1 - number if self.go_backwards else number
            bit = None if bits is None else bits.read(t)
            states = step(self, cell, entering.read(t), bit, states)
            return number + 1, states, tuple(array.write(t, states[0]) for array in kept)

        _, states, kept = tf.while_loop(
            lambda number, states, kept: number < steps,
            body,
            (0, first, kept),
            maximum_iterations=steps,
        )
        if not kept:
            return [states[0]]
        sequence = tf.transpose(kept[0].stack(), (1, 0, 2))
        return tf.ensure_shape(sequence, (None, steps, self.units))


def split(inputs: Any, masked: bool) -> tuple[Any, Any]:
    """Return the features, and the mask if the last feature is one."""
    return (inputs[..., :-1], inputs[..., -1:]) if masked else (inputs, None)


def step(layer: Recurrent, cell: Any, x: Any, bit: Any, states: Any) -> tuple[Any, ...]:
    """Return the states after a step; those before it where its mask bit is 0."""
    after = type(layer).step(cell, x, states)
    if bit is None:
        return after
    return tuple(cell.choose(bit, new, old) for new, old in zip(after, states, strict=True))


def unrolled(layer: Recurrent, cell: Any, x: Any, bits: Any, states: Any) -> list[Any]:
    """Return the outputs of all steps in the order of time, the last step's at the end.

    Parameters
    ----------
    layer, cell
        The layer, and what its equations are computed with.
    x
        The inputs of every step after their linear map.
    bits
        The mask of every step, or None.
    states
        Those before the first step.

    Returns
    -------
    list
        Outputs by time. Going backwards, the final one is the first in time, and the list has
        it alone if no sequence is returned.
    """
    order = range(len(x))
    outputs: dict[int, Any] = {}
    for t in reversed(order) if layer.go_backwards else order:
        states = step(layer, cell, x[t], None if bits is None else bits[t], states)
        outputs[t] = states[0]
    if not layer.return_sequences:
        return [states[0]]
    return [outputs[t] for t in order]


class FloatCell:
    """Float arithmetic for the equations of `hepnn.layers.cells`."""

    def __init__(self, layer: Recurrent) -> None:
        self._layer = layer
        self.units, self.reset_after = layer.units, layer.reset_after
        self._hard = layer.gates == "hard"

    def weight(self, name: str) -> Any:
        """Return a weight of the layer."""
        return ops.convert_to_tensor(getattr(self._layer, name))

    def entering(self, x: Any) -> Any:
        """Return the inputs as they are."""
        return x

    def bit(self, mask: Any) -> Any:
        """Return the mask as it is."""
        return mask

    def gate(self, name: str, x: Any) -> Any:
        """Return the sigmoid, soft or hard."""
        return ops.clip(0.25 * x + 0.5, 0.0, 1.0) if self._hard else ops.sigmoid(x)

    def squash(self, name: str, x: Any) -> Any:
        """Return the hyperbolic tangent, soft or hard."""
        return ops.clip(x, -1.0, 1.0) if self._hard else ops.tanh(x)

    def lane(self, name: str, x: Any) -> Any:
        """Return the number as it is."""
        return x

    def join(self, *parts: Any) -> Any:
        """Return the parts one behind the other."""
        return ops.concatenate(parts, axis=-1)

    def choose(self, bit: Any, new: Any, old: Any) -> Any:
        """Return the new number where the bit is 1, else the old one; each with its own bits."""
        return bit * new + (1.0 - bit) * old


@keras.saving.register_keras_serializable(package="hepnn")
class SimpleRNN(Recurrent):
    """Hidden units that are inputs of themselves a step later (`cells.simple`)."""

    step = staticmethod(cells.simple)
    blocks = 1


@keras.saving.register_keras_serializable(package="hepnn")
class LSTM(Recurrent):
    """Long short-term memory with input, forget and output gates (`cells.lstm`).

    Blocks of the kernels: input, forget, candidate, output. The bias of the forget gate starts
    at 1 (R. Jozefowicz, W. Zaremba, I. Sutskever, ICML (2015) 2342).
    """

    step = staticmethod(cells.lstm)
    blocks = 4
    states = 2

    def _bias(self) -> Any:
        units = self.units

        def unit_forget(shape: Any, dtype: Any = None) -> Any:
            return ops.concatenate(
                [
                    ops.zeros((units,), dtype),
                    ops.ones((units,), dtype),
                    ops.zeros((2 * units,), dtype),
                ]
            )

        return unit_forget


@keras.saving.register_keras_serializable(package="hepnn")
class PeepholeLSTM(LSTM):
    """Long short-term memory whose gates see its memory (`cells.peephole`).

    `peephole` `(3, units)` holds the weights from a unit's memory to its input, forget and
    output gate.
    """

    step = staticmethod(cells.peephole)

    def build(self, input_shape: Any) -> None:
        """Make the weights of the LSTM and the peepholes, which start small."""
        self.peephole = self.add_weight(
            name="peephole",
            shape=(3, self.units),
            initializer=keras.initializers.RandomUniform(-0.1, 0.1),
        )
        super().build(input_shape)


@keras.saving.register_keras_serializable(package="hepnn")
class GRU(Recurrent):
    """Gated recurrent unit (`cells.gru`).

    Blocks of the kernels: update, reset, candidate.

    Parameters
    ----------
    units
        Neurons.
    reset_after
        Reset what comes from the state after its linear map, not before; `recurrent_bias`
        `(units,)` is added there. One product less lies between a state and the next.
    **kwargs
        As of every recurrent layer.
    """

    step = staticmethod(cells.gru)
    blocks = 3

    def __init__(self, units: int, reset_after: bool = False, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.reset_after = reset_after

    def build(self, input_shape: Any) -> None:
        """Make kernels and biases."""
        if self.reset_after:
            self.recurrent_bias = self.add_weight(
                name="recurrent_bias", shape=(self.units,), initializer="zeros"
            )
        super().build(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "reset_after": self.reset_after}


@contextlib.contextmanager
def written_out(model: Any) -> Iterator[None]:
    """Let a model's recurrent layers write their loops out while it is traced."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, Recurrent)]  # noqa: SLF001
    for layer in layers:
        layer.unroll = True
    try:
        yield
    finally:
        for layer in layers:
            layer.unroll = False
