"""What a fixed-point lane does to a number, read from an HGQ2 quantizer.

A lane has `k` (1 with a sign), `i` integer bits without the sign and `f` fraction bits, one set
a channel. It rounds to multiples of `2**-f`; what does not fit between `-k 2**i` and
`2**i - 2**-f` wraps around or saturates. A lane of no bits at all is zero.

`Lane.quantize` repeats the float32 arithmetic of the quantizer operation by operation, so that
it gives its bits also where float32 itself is coarser than the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "TRN": np.floor,
    "TRN_ZERO": lambda x: np.trunc(x),
    "RND": lambda x: np.floor(x + np.float32(0.5)),
    "RND_CONV": np.round,
    "RND_ZERO": lambda x: -np.floor(-np.abs(x) + np.float32(0.5)) * np.sign(x),
    "RND_INF": lambda x: np.floor(np.abs(x) + np.float32(0.5)) * np.sign(x),
    "RND_MIN_INF": lambda x: -np.floor(-x + np.float32(0.5)),
}

OVERFLOWS = ("WRAP", "SAT", "SAT_SYM")


@dataclass(frozen=True)
class Lane:
    """A quantizer of activations, as numbers.

    Attributes
    ----------
    k, i, f : ndarray
        Sign, integer bits without it, fraction bits; float64, scalars or shaped to broadcast
        with `(batch, ...)`.
    rounding, overflow : str
        Names as in ap_fixed, without the ``AP_``; `SYM` is an alias of `SAT_SYM`.
    """

    k: np.ndarray
    i: np.ndarray
    f: np.ndarray
    rounding: str
    overflow: str

    @classmethod
    def of(cls, quantizer: Any) -> Lane | None:
        """Read a quantizer (`layer.iq`, `layer.oq`); None when it is no plain fixed point.

        None is for floating-point and dummy quantizers, for a scale or an affine map around the
        quantizer, and for modes that are not in `ROUNDINGS` and `OVERFLOWS`.
        """
        if getattr(quantizer, "scaler", None) is not None:
            return None
        if getattr(quantizer, "affine", None) is not None:
            return None
        return cls.of_inner(getattr(quantizer, "quantizer", quantizer))

    @classmethod
    def of_inner(cls, inner: Any) -> Lane | None:
        """Read the quantizer inside HGQ2's wrapper; None when it is no plain fixed point."""
        if not hasattr(inner, "kif") or not getattr(inner, "built", False):
            return None
        rounding = inner.round_mode.removeprefix("S_")
        overflow = {"SYM": "SAT_SYM"}.get(inner.overflow_mode, inner.overflow_mode)
        if rounding not in ROUNDINGS or overflow not in OVERFLOWS:
            return None
        k, i, f = (np.asarray(part, np.float64) for part in inner.kif)
        return cls(k, i, f, rounding, overflow)

    @property
    def bits(self) -> np.ndarray:
        """Width with the sign; zero and below means that nothing passes."""
        return self.k + self.i + self.f

    @property
    def lowest(self) -> np.ndarray:
        """Smallest value of every channel."""
        low = -self.k * 2.0**self.i
        if self.overflow == "SAT_SYM":
            low = -self.k * self.highest
        return np.where(self.bits > 0, low, 0.0)

    @property
    def highest(self) -> np.ndarray:
        """Largest value of every channel."""
        return np.where(self.bits > 0, 2.0**self.i - 2.0**-self.f, 0.0)

    def quantize(self, x: np.ndarray) -> np.ndarray:
        """Return `x` `(batch, ...)` on the lane, float32, with the quantizer's own bits."""
        one = np.float32
        k, f = self.k.astype(one), self.f.astype(one)
        i = np.maximum(self.i.astype(one), -f)
        scale, span = np.exp2(f), np.exp2(i)
        y: np.ndarray = x.astype(one)
        if self.overflow != "WRAP":
            largest = span - one(1) / scale
            smallest = -k * (largest if self.overflow == "SAT_SYM" else span)
            y = np.where(y > largest, largest, np.where(y < smallest, smallest, y))
        y = ROUNDINGS[self.rounding](y * scale) / scale
        if self.overflow == "WRAP":
            half = k * np.exp2(i + k - one(1))
            y = np.mod(y + half, np.exp2(i + k)) - half
        return np.where(self.bits > 0, y, one(0)).astype(one)

    def grid(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """Return the lane as JSON for one event's `shape`: every number once a feature."""

        def flat(part: np.ndarray) -> list[int]:
            whole = np.broadcast_to(part, (1, *shape))
            return [int(value) for value in whole.ravel()]

        return {
            "signed": flat(self.k),
            "integer": flat(self.i),
            "fraction": flat(self.f),
            "rounding": self.rounding,
            "overflow": self.overflow,
        }

    @classmethod
    def from_grid(cls, grid: dict[str, Any], shape: tuple[int, ...]) -> Lane:
        """Return the lane that `grid` wrote."""

        def whole(name: str) -> np.ndarray:
            return np.asarray(grid[name], np.float64).reshape((1, *shape))

        parts = whole("signed"), whole("integer"), whole("fraction")
        return cls(*parts, grid["rounding"], grid["overflow"])


def is_fixed_point(layer: Any) -> bool:
    """Say whether a layer is HGQ2's or derives from one: inputs and weights on lanes."""
    return any(base.__module__.split(".")[0] == "hgq" for base in type(layer).__mro__)


def activation_quantizers(model: Any) -> Iterator[Any]:
    """Yield the inner quantizers of all data lanes of a model, those of weights left out."""
    for layer in model._flatten_layers(include_self=False):
        if hasattr(layer, "kif") and not getattr(layer, "_is_weight", False):
            yield layer


def first_lane(model: Any) -> tuple[Any, Lane] | None:
    """Return the layer that quantizes the model's input, and its lane shaped like the input.

    None when the input meets anything but a reshape before it is quantized, or more than one
    layer: then no single grid describes it.
    """
    tensor = model.inputs[0]
    shape = tuple(tensor.shape[1:])
    while True:
        layers = [layer for layer in model.layers if any(t is tensor for t in _inputs(layer))]
        if len(layers) != 1:
            return None
        layer = layers[0]
        if getattr(layer, "enable_iq", False):
            lane = Lane.of(layer.iq)
            if lane is None:
                return None
            entry = tuple(tensor.shape[1:])
            if lane.k.ndim and lane.k.shape[-1] not in (1, entry[-1]):
                return None  # a lane of some features alone, the mask being left out
            k, i, f = (
                np.broadcast_to(part, (1, *entry)).reshape((1, *shape))
                for part in (lane.k, lane.i, lane.f)
            )
            return layer, Lane(k, i, f, lane.rounding, lane.overflow)
        if layer.__class__.__name__ not in ("Flatten", "Reshape"):
            return None
        tensor = layer.output


def _inputs(layer: Any) -> list[Any]:
    if layer.__class__.__name__ == "InputLayer":
        return []
    return [tensor for node in layer._inbound_nodes for tensor in node.input_tensors]
