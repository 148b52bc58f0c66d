"""Recurrent layers written out for hls4ml, as dense layers, products, sums and quantizers.

hls4ml has recurrent layers of its own, for float networks without a mask; HGQ2's it refuses, and
hepnn's it does not know. What it does follow bit by bit are the operations that their equations
(`hepnn.layers.cells`) consist of. So every step becomes layers of its own, with the cell's
weights in each, and every step its own logic.

Numbers are kept as sums of tensors times constant matrices as long as they are linear in them:
selecting a step, a gate or the mask's complement then costs no layer.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from hgq.config import QuantizerConfig
from hgq.quantizer import Quantizer
from keras import ops

from hepnn.layers.quantized_recurrent import QuantizedRecurrent
from hepnn.layers.recurrent import Recurrent, unrolled
from hepnn.targets.fixed_point import Lane


def written_out(model: Any) -> tuple[Any, dict[str, str]]:
    """Return the model without recurrent layers, and which of its layers made each new one.

    A model that has none is returned as it is.
    """
    if not any(isinstance(layer, Recurrent) for layer in model.layers):
        return model, {}
    origin: dict[str, str] = {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, Recurrent):
            result = layer(*args, **kwargs)
            layer.set_weights(model.get_layer(layer.name).get_weights())
            return result
        cell = _Cell(model.get_layer(layer.name))
        result = cell.sequence(*args)
        origin.update({name: layer.name for name in cell.made})
        return result

    return keras.models.clone_model(model, call_function=call), origin


class _Cell:
    """A recurrent layer as a graph of layers: the arithmetic of its equations."""

    def __init__(self, layer: Recurrent) -> None:
        self._layer = layer
        self._fixed = isinstance(layer, QuantizedRecurrent)
        self.units, self.reset_after = layer.units, layer.reset_after
        self.made: list[str] = []

    def sequence(self, inputs: Any) -> Any:
        """Return what the layer makes of a sequence."""
        layer, units = self._layer, self.units
        _, steps, width = inputs.shape
        features = width - layer.masked
        flat = Linear.of(self, self.layer(keras.layers.Flatten, "flat", inputs))
        places = np.arange(steps * width).reshape(steps, width)
        x, mask = flat.columns(places[:, :features].ravel()), None
        if layer.masked:
            mask = self._on(flat.columns(places[:, -1]), layer.mask_lane if self._fixed else None)
        if self._fixed:
            x = self._on(x, layer.iq)
        kernel, bias = self.weight("kernel"), self.weight("bias")
        row = np.arange(steps * features).reshape(steps, features)
        projected = [x.columns(row[t]) @ kernel + bias for t in range(steps)]
        bits = mask and [mask.columns(np.full(units, t)) for t in range(steps)]
        outputs = unrolled(
            layer, self, projected, bits, (Linear.zeros(self, units),) * layer.states
        )
        if not layer.return_sequences:
            return outputs[-1].tensor()
        return self._stacked(outputs, mask if layer.pass_mask else None)

    def _stacked(self, outputs: list[Linear], mask: Linear | None) -> Any:
        steps, units = len(outputs), self.units
        joined = outputs[0].tensor()
        for output in outputs[1:]:
            joined = self.layer(keras.layers.Concatenate, "joined", [joined, output.tensor()])
        width = units + (mask is not None)
        if mask is not None:
            places = np.arange(steps * width).reshape(steps, width)
            sequence = Linear.of(self, joined).placed(places[:, :units].ravel(), steps * width)
            joined = (sequence + mask.placed(places[:, -1], steps * width)).tensor()
        return self.layer(keras.layers.Reshape, "sequence", joined, target_shape=(steps, width))

    def weight(self, name: str) -> np.ndarray:
        """Return a weight of the layer, on its grid."""
        layer: Any = self._layer
        value = layer.quantized(name) if self._fixed else getattr(layer, name)
        return np.asarray(ops.convert_to_numpy(value), np.float64)

    def gate(self, name: str, x: Linear) -> Linear:
        """Return the sigmoid, soft or hard."""
        if self._fixed:
            return self.lane(name, x) * 0.25 + 0.5
        if self._layer.gates == "soft":
            return self._activation("sigmoid", x)
        return self._cut(x * 0.25 + 0.5, 0.0)

    def squash(self, name: str, x: Linear) -> Linear:
        """Return the hyperbolic tangent, soft or hard."""
        if self._fixed:
            return self.lane(name, x)
        if self._layer.gates == "soft":
            return self._activation("tanh", x)
        return self._cut(x, -1.0)

    def lane(self, name: str, x: Linear) -> Linear:
        """Return the number on its lane."""
        layer: Any = self._layer
        return self._on(x, layer.lane(name) if self._fixed else None)

    def join(self, *parts: Linear) -> Linear:
        """Return the parts one behind the other."""
        sizes = [part.size for part in parts]
        starts = np.cumsum([0, *sizes])
        placed = [
            part.placed(np.arange(start, start + part.size), starts[-1])
            for part, start in zip(parts, starts, strict=False)
        ]
        return sum(placed[1:], placed[0])

    def choose(self, bit: Linear, new: Linear, old: Linear) -> Linear:
        """Return one of two numbers; the lane it is brought to again tells that it is on one."""
        return self._on(old + bit * (new - old), new.quantizer)

    def layer(self, kind: Any, name: str, given: Any, **options: Any) -> Any:
        """Return what a new layer makes of tensors."""
        name = f"{self._layer.name}_{len(self.made)}_{name}"
        self.made.append(name)
        return kind(name=name, **options)(given)

    def _cut(self, x: Linear, low: float) -> Linear:
        """Return the numbers cut at `low` and 1, by rectifiers.

        hls4ml 1.3 has Keras 3's hard sigmoid with the slope of Keras 2's.
        """
        above_low, above_high = (self._activation("relu", x + -end) for end in (low, 1.0))
        return above_low - above_high + low

    def _activation(self, function: str, x: Linear) -> Linear:
        made = self.layer(keras.layers.Activation, function, x.tensor(), activation=function)
        return Linear.of(self, made)

    def _on(self, x: Linear, quantizer: Any) -> Linear:
        if quantizer is None:
            return Linear.of(self, x.tensor()) if x.terms else x
        if not x.terms:
            lane = Lane.of(quantizer)
            assert lane is not None
            held = np.ravel(lane.quantize(x.constant.astype(np.float32)[None]))
            return Linear(self, [], held.astype(np.float64), quantizer)
        given = x.tensor()
        if x.quantizer is not None:
            # hls4ml merges a quantizer with the layer in front, and two of them into one.
            given = x._dense(given, np.eye(x.size), 0.0)  # noqa: SLF001
        copy = _copied(quantizer, x.size, f"{self._layer.name}_{len(self.made)}_q")
        self.made.append(copy.name)
        made = Linear.of(self, copy(given))
        made.quantizer = quantizer
        return made


class Linear:
    """Numbers `(batch, size)`: tensors times constant matrices, and a constant."""

    # numpy leaves its operators with arrays to this class.
    __array_ufunc__ = None

    def __init__(
        self, cell: _Cell, terms: list[Any], constant: np.ndarray, quantizer: Any = None
    ) -> None:
        self.cell = cell
        self.terms = [(tensor, matrix) for tensor, matrix in terms if matrix.any()]
        self.constant = constant
        self.quantizer = quantizer
        self._tensor: Any = None

    @classmethod
    def of(cls, cell: _Cell, tensor: Any) -> Linear:
        """Return a tensor as such numbers."""
        size = tensor.shape[-1]
        return cls(cell, [(tensor, np.eye(size))], np.zeros(size))

    @classmethod
    def zeros(cls, cell: _Cell, size: int) -> Linear:
        """Return zeros."""
        return cls(cell, [], np.zeros(size))

    @property
    def size(self) -> int:
        """How many numbers."""
        return len(self.constant)

    def __add__(self, other: Any) -> Linear:
        if not isinstance(other, Linear):
            return Linear(self.cell, self.terms, self.constant + other)
        terms = list(self.terms)
        for tensor, matrix in other.terms:
            same = [n for n, (known, _) in enumerate(terms) if known is tensor]
            if same:
                terms[same[0]] = (tensor, terms[same[0]][1] + matrix)
            else:
                terms.append((tensor, matrix))
        return Linear(self.cell, terms, self.constant + other.constant)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Linear:
        if not isinstance(other, Linear):
            terms = [(tensor, matrix * other) for tensor, matrix in self.terms]
            return Linear(self.cell, terms, self.constant * other)
        if not other.terms:
            return self * other.constant
        if not self.terms:
            return other * self.constant
        both = [self.tensor(), other.tensor()]
        return Linear.of(self.cell, self.cell.layer(keras.layers.Multiply, "product", both))

    __rmul__ = __mul__

    def __sub__(self, other: Any) -> Linear:
        return self + other * -1.0

    def __rsub__(self, other: Any) -> Linear:
        return self * -1.0 + other

    def __matmul__(self, kernel: np.ndarray) -> Linear:
        terms = [(tensor, matrix @ kernel) for tensor, matrix in self.terms]
        return Linear(self.cell, terms, self.constant @ kernel)

    def __getitem__(self, key: Any) -> Linear:
        return self.columns(np.arange(self.size)[key[1]])

    def columns(self, chosen: np.ndarray) -> Linear:
        """Return some of the numbers."""
        terms = [(tensor, matrix[:, chosen]) for tensor, matrix in self.terms]
        return Linear(self.cell, terms, self.constant[chosen])

    def placed(self, places: np.ndarray, size: int) -> Linear:
        """Return the numbers at some places among zeros."""
        return self @ np.eye(size)[places]

    def tensor(self) -> Any:
        """Return the numbers as one tensor: plain sums where they are, else of dense layers."""
        if self._tensor is None:
            self._tensor = self._summed()
        return self._tensor

    def _summed(self) -> Any:
        identity = np.eye(self.size)
        bare = not self.constant.any()
        parts, minus = [], []
        for tensor, matrix in self.terms:
            if bare and np.array_equal(matrix, identity):
                parts.append(tensor)
            elif bare and np.array_equal(matrix, -identity):
                minus.append(tensor)
            else:
                parts.append(self._dense(tensor, matrix, 0.0 if bare else self.constant))
                bare = True
        if not parts:
            parts.append(self._dense(minus.pop(), -identity, 0.0))
        result = parts[0]
        for part in parts[1:]:
            result = self.cell.layer(keras.layers.Add, "sum", [result, part])
        for part in minus:
            result = self.cell.layer(keras.layers.Subtract, "difference", [result, part])
        return result

    def _dense(self, tensor: Any, matrix: np.ndarray, constant: Any) -> Any:
        kernel, bias = (
            keras.initializers.Constant(part.astype(np.float32))
            for part in (matrix, np.broadcast_to(constant, (self.size,)))
        )
        return self.cell.layer(
            keras.layers.Dense,
            "linear",
            tensor,
            units=self.size,
            use_bias=bool(np.any(constant)),
            kernel_initializer=kernel,
            bias_initializer=bias,
        )


def _copied(quantizer: Any, size: int, name: str) -> Any:
    """Return a quantizer of rows `(batch, size)`, a lane's widths repeated along them."""
    lane = Lane.of(quantizer)
    assert lane is not None
    copy = Quantizer(
        QuantizerConfig(
            "kif",
            "datalane",
            round_mode=lane.rounding,
            overflow_mode=lane.overflow,
            trainable=False,
            ic=None,
            ir=None,
            fc=None,
            fr=None,
            homogeneous_axis=None,
            heterogeneous_axis=(-1,),
        ),
        name=name,
    )
    copy.build((None, size))
    inner = copy.quantizer
    for variable, part in ((inner._k, lane.k), (inner._i, lane.i), (inner._f, lane.f)):  # noqa: SLF001
        variable.assign(np.resize(part.ravel(), size).reshape(variable.shape))
    return copy
