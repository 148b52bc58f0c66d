"""How many bits the sums and products of a recurrent cell can need.

The cell's own equations (`hepnn.layers.cells`) are computed with the largest absolute value that
each number can have and the step that all its values are multiples of. States come from their
lanes and go back to them, so that one step says it for all.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn.targets.fixed_point import Lane


def unit(values: np.ndarray) -> np.ndarray:
    """Return the last place that each number uses, a power of two; infinity for zero."""
    mantissa, exponent = np.frexp(values)
    whole = np.abs(np.ldexp(mantissa, 53)).astype(np.int64)
    lowest = (whole & -whole).astype(np.float64)
    return np.where(values == 0, np.inf, np.ldexp(lowest, exponent - 53))


def recurrent_bits(layer: Any) -> float:
    """Return the bits of the widest number in a fixed-point recurrent layer."""
    cell = _Cell(layer)
    entering = cell.on(layer.iq, (1, layer.kernel.shape[0]))
    projected = entering @ cell.weight("kernel") + cell.weight("bias")
    names = ("state", "memory")[: layer.states]
    states = tuple(cell.lane(name, None) for name in names)
    type(layer).step(cell, projected, states)
    return cell.widest


class _Cell:
    """Bounds for the equations; keeps the widest number met."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.units, self.reset_after = layer.units, layer.reset_after
        self.widest = 0.0

    def weight(self, name: str) -> np.ndarray:
        from keras import ops

        return np.asarray(ops.convert_to_numpy(self._layer.quantized(name)), np.float64)

    def on(self, quantizer: Any, shape: tuple[int, ...]) -> Bound:
        lane = Lane.of(quantizer)
        if lane is None:
            return Bound(self, np.full(shape, np.inf), np.ones(shape))
        largest = np.maximum(np.abs(lane.lowest), np.abs(lane.highest))
        step = np.where(lane.bits > 0, 2.0**-lane.f, np.inf)
        last = [np.broadcast_to(part, (1, *shape[1:])) for part in _flat(largest, step, shape)]
        return Bound(self, *last)

    def gate(self, name: str, x: Any) -> Bound:
        return 0.25 * self.lane(name, x) + 0.5

    def squash(self, name: str, x: Any) -> Bound:
        return self.lane(name, x)

    def lane(self, name: str, x: Any) -> Bound:
        return self.on(self._layer.lane(name), (1, self._layer.LANES[name][1] * self.units))

    def join(self, *parts: Bound) -> Bound:
        return Bound(
            self,
            np.concatenate([part.largest for part in parts], axis=-1),
            np.concatenate([part.step for part in parts], axis=-1),
        )


class Bound:
    """Numbers `(1, ...)` known by their largest absolute value and their step."""

    # numpy leaves its operators with arrays to this class.
    __array_ufunc__ = None

    def __init__(self, cell: _Cell, largest: np.ndarray, step: np.ndarray) -> None:
        self.cell, self.largest, self.step = cell, largest, step
        some = (largest > 0) & np.isfinite(step)
        bits = np.log2(np.where(some, largest, 1.0) / np.where(some, step, 1.0))
        cell.widest = max(cell.widest, float(np.max(bits, initial=0.0)))

    def _of(self, other: Any) -> Bound:
        if isinstance(other, Bound):
            return other
        values = np.atleast_1d(np.asarray(other, np.float64))
        return Bound(self.cell, np.abs(values), unit(values))

    def __add__(self, other: Any) -> Bound:
        other = self._of(other)
        return Bound(self.cell, self.largest + other.largest, np.minimum(self.step, other.step))

    def __mul__(self, other: Any) -> Bound:
        other = self._of(other)
        return Bound(self.cell, self.largest * other.largest, self.step * other.step)

    __radd__ = __sub__ = __rsub__ = __add__
    __rmul__ = __mul__

    def __matmul__(self, kernel: np.ndarray) -> Bound:
        steps = np.where(kernel != 0, self.step.reshape(-1, 1) * unit(kernel), np.inf)
        return Bound(self.cell, self.largest @ np.abs(kernel), steps.min(axis=0)[None])

    def __getitem__(self, key: Any) -> Bound:
        return Bound(self.cell, self.largest[key], self.step[key])


def _flat(largest: np.ndarray, step: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Reduce a lane to its last axis: the largest value and the smallest step of every channel."""
    flat = []
    for part, worst in ((largest, np.max), (step, np.min)):
        channels = part.shape[-1] if part.ndim else 1
        flat.append(np.broadcast_to(worst(part.reshape(-1, channels), axis=0), shape[1:]))
    return flat
