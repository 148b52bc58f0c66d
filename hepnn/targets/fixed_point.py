"""What a fixed-point lane does to a number, read from an HGQ2 quantizer.

A lane has `k` (1 with a sign), `i` integer bits without the sign and `f` fraction bits, one set
a channel. It rounds to multiples of `2**-f`; what does not fit between `-k 2**i` and
`2**i - 2**-f` wraps around or saturates. A lane of no bits at all is zero.

`Lane.quantize` repeats the float32 arithmetic of the quantizer operation by operation, so that
it gives its bits also where float32 itself is coarser than the lane.

Firmware whose input meets several lanes rounds and wraps for each of them itself, in whole
numbers, and cannot repeat what float32 does with numbers that large. Its input has a lane that
is `NEAR`: it wraps, and refuses what has `LARGEST` steps and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.errors import DataError

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

NEAR = "NEAR"

#: What becomes of numbers that do not fit, in words; where nothing is said they saturate.
WRAPPING = {"WRAP": "wraps around", NEAR: "wraps around, and from 2^23 steps on is refused"}

#: Below so many steps float32 adds a half to any number of them without a loss.
LARGEST = 2.0**23


@dataclass(frozen=True)
class Lane:
    """A quantizer of activations, as numbers.

    Attributes
    ----------
    k, i, f : ndarray
        Sign, integer bits without it, fraction bits; float64, scalars or shaped to broadcast
        with `(batch, ...)`.
    rounding, overflow : str
        Names as in ap_fixed, without the ``AP_``; `SYM` is an alias of `SAT_SYM`. No quantizer,
        but an input, may be `NEAR`.
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

    @property
    def wraps(self) -> bool:
        """Whether what does not fit wraps around."""
        return self.overflow in WRAPPING

    def takes(self, x: np.ndarray) -> np.ndarray:
        """Return which events `(batch,)` of `x` `(batch, ...)` are not refused."""
        if self.overflow != NEAR:
            return np.ones(len(x), bool)
        near = np.abs(x) < self._limit
        return np.asarray(near.all(axis=tuple(range(1, x.ndim))))

    def insist(self, x: np.ndarray) -> None:
        """Refuse events `(batch, ...)` that the lane does not take.

        Raises
        ------
        DataError
            If the lane is `NEAR` and a number is too large.
        """
        if not (taken := self.takes(x)).all():
            event = int(np.argmin(taken))
            limits = np.broadcast_to(self._limit, (1, *x.shape[1:]))[0]
            place = int(np.argmax(np.abs(x[event]) / limits))
            raise DataError(
                f"event {event} holds {x[event].flat[place]:g}, and the network's input meets"
                " several lanes: from 2^23 steps on, here"
                f" {limits.flat[place]:g}, float32 rounds otherwise than firmware"
            )

    def within(self, x: np.ndarray) -> np.ndarray:
        """Return `x` float32 with numbers that would be refused drawn to the next that is not."""
        if self.overflow != NEAR:
            return x
        most = np.nextafter(self._limit.astype(np.float32), np.float32(0))
        return np.clip(x, -most, most)

    def quantize(self, x: np.ndarray) -> np.ndarray:
        """Return `x` `(batch, ...)` on the lane, float32, with the quantizer's own bits.

        Raises
        ------
        DataError
            If the lane is `NEAR` and a number is too large.
        """
        one = np.float32
        self.insist(x)
        k, f = self.k.astype(one), self.f.astype(one)
        i = np.maximum(self.i.astype(one), -f)
        scale, span = np.exp2(f), np.exp2(i)
        y: np.ndarray = x.astype(one)
        if not self.wraps:
            largest = span - one(1) / scale
            smallest = -k * (largest if self.overflow == "SAT_SYM" else span)
            y = np.where(y > largest, largest, np.where(y < smallest, smallest, y))
        y = ROUNDINGS[self.rounding](y * scale) / scale
        if self.wraps:
            half = k * np.exp2(i + k - one(1))
            y = np.mod(y + half, np.exp2(i + k)) - half
        return np.where(self.bits > 0, y, one(0)).astype(one)

    @property
    def _limit(self) -> np.ndarray:
        return np.where(self.bits > 0, LARGEST * 2.0**-self.f, np.inf)

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
