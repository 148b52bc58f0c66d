"""What lanes multiply with and add, moved into the weights around them.

Between a layer with weights and a lane lie a factor, `2**f`, and additions, a half for the
rounding and the offset of signed numbers; behind the lane lie the way back to real numbers and
the next layer's weights. Factors are powers of two, so that weights may take them over without a
bit being lost; what is added may as well, where the sums then still fit into the 24 bits of a
float32. A lane that wraps is left with four operations: floor, share, floor, difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.layers import wiring
from hepnn.targets import preflight
from hepnn.targets.fixed_point import Lane

#: HGQ2's layers that are a sum of products and a bias.
_SUMS = ("QDense", "QConv1D", "QConv2D", "QEinsumDense", "QBatchNormalization")

#: Layers that choose among a channel's numbers, and so let a factor and a sum pass.
_ORDERED = ("MaxPooling1D", "MaxPooling2D")

#: Mantissa of a float32, the hidden bit included.
MANTISSA = 24


@dataclass
class Fold:
    """What the layers around a lane do for it.

    Attributes
    ----------
    scaled
        What enters is in units of the lane's last place.
    rounded, shifted
        The half of the rounding, the offset of signed numbers are in what enters.
    left
        What leaves is a share of the lane's span (a wrap) or in units (a saturation).
    turned
        What enters is, for every number, itself and its turns of a wrap; both leave as whole
        numbers (`hepnn.targets.tflite.turns`).
    """

    scaled: bool = False
    rounded: bool = False
    shifted: bool = False
    left: bool = False
    turned: bool = False


#: Nothing is done for the lane.
ALONE = Fold()


@dataclass(frozen=True)
class Numbers:
    """A lane's constants as float64, of the shape of its widths.

    `value = y * unit` of a whole number `y`, which lies between `low` and `high`; with a wrap it
    is `(share - floor(share)) * span - offset` of `share = (y + shift) / modulus`.
    """

    scale: np.ndarray
    unit: np.ndarray
    half: float
    shift: np.ndarray
    modulus: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, lane: Lane) -> Numbers:
        """Return the constants of a lane."""
        k, i, f = np.broadcast_arrays(lane.k, np.maximum(lane.i, -lane.f), lane.f)
        passes = lane.bits > 0
        largest = 2.0 ** (i + f) - 1.0
        shift = k * 2.0 ** (i + f)
        return cls(
            scale=2.0**f,
            unit=np.where(passes, 2.0**-f, 0.0),
            half=0.5 if lane.rounding == "RND" else 0.0,
            shift=shift,
            modulus=2.0 ** (k + i + f),
            low=-k * largest if lane.overflow == "SAT_SYM" else -shift,
            high=largest,
        )


@dataclass(frozen=True)
class Weights:
    """Kernel and bias that stand for a layer's own while it is traced."""

    layer: Any
    kernel: np.ndarray
    bias: np.ndarray | None


@dataclass(frozen=True)
class Folds:
    """What is moved where.

    Attributes
    ----------
    lanes
        What is done for a lane, by the identity of its inner quantizer.
    weights
        The weights of the layers that do it, by the identity of the layer.
    between
        Layer before, inner quantizer and layer behind, where both do their part for a lane.
    """

    lanes: dict[int, Fold]
    weights: dict[int, Weights]
    between: list[tuple[Any, Any, Any]]


def folds(model: Any, closed: Callable[[Lane], bool]) -> Folds:
    """Decide what is moved where.

    Parameters
    ----------
    model
        Keras model.
    closed
        Whether a lane has a closed form.
    """
    lanes: dict[int, Fold] = {}
    weights: dict[int, Weights] = {}
    pairs = []
    for layer in model.layers:
        if not _takes_part(layer):
            continue
        own = Lane.of(layer.iq)
        if own is None or not closed(own) or not _channels(own):
            continue
        after = _lane_behind(layer, model)
        if after is not None and not closed(after[0]):
            after = None
        made, leaving = _moved(layer, own, after)
        if made is None:
            continue
        weights[id(layer)] = made
        lanes.setdefault(id(layer.iq.quantizer), Fold()).left = True
        if after is not None:
            fold = lanes.setdefault(id(after[1]), Fold())
            fold.scaled, fold.rounded, fold.shifted = True, leaving.rounded, leaving.shifted
            pairs.append((layer, after[1]))
    takers = {id(made.layer.iq.quantizer): made.layer for made in weights.values()}
    between = [(one, lane, takers[id(lane)]) for one, lane in pairs if id(lane) in takers]
    return Folds(lanes, weights, between)


def _takes_part(layer: Any) -> bool:
    """Say whether a layer has weights that can take over factors, and is called once."""
    return (
        type(layer).__name__ in _SUMS
        and len(layer._inbound_nodes) == 1  # noqa: SLF001
        and layer.enable_iq
        and getattr(layer, "groups", 1) == 1
    )


def _moved(
    layer: Any, own: Lane, after: tuple[Lane, Any, bool] | None
) -> tuple[Weights | None, Fold]:
    """Return the weights that take over both neighbours' constants, if they stay exact."""
    axes = _axes(layer)
    if axes is None:
        return None, Fold()
    kernel, bias = _own(layer)
    numbers = Numbers.of(own)
    if own.overflow == "WRAP":
        gain, offset = numbers.modulus * numbers.unit, numbers.shift * numbers.unit
        largest, step = np.ones_like(gain), 1.0 / numbers.modulus
    else:
        gain, offset = numbers.unit, np.zeros_like(numbers.unit)
        largest, step = np.maximum(-numbers.low, numbers.high), np.ones_like(gain)
    if offset.any():
        taken = _through(layer, kernel, offset, axes)
        # What pads an image is zero, and no number of the lane.
        if taken is None or bias is None or getattr(layer, "padding", "valid") != "valid":
            return None, Fold()
        bias = bias - taken
    kernel = _along(kernel, gain, axes[0])
    leaving = Fold(left=True)
    if after is not None:
        lane, _, rectified = after
        behind = Numbers.of(lane)
        kernel = _along(kernel, behind.scale, axes[1])
        if bias is not None:
            shifts = lane.overflow == "WRAP" and not (rectified and behind.shift.any())
            leaving.rounded = True
            leaving.shifted = shifts and lane.rounding in ("TRN", "RND")
            added = behind.half + (behind.shift if leaving.shifted else 0.0)
            bias = bias * _flat(behind.scale) + _flat(np.asarray(added))
    if preflight.sum_bits(layer, kernel, bias, largest, step) > MANTISSA:
        return None, Fold()
    return Weights(layer, kernel, bias), leaving


def _own(layer: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a layer's quantized kernel and bias in double precision."""
    from keras import ops

    pair = (
        layer.qscaler_and_qoffset
        if hasattr(layer, "qscaler_and_qoffset")
        else (layer.qkernel, layer.qbias)
    )
    kernel, bias = (None if one is None else ops.convert_to_numpy(one) for one in pair)
    return np.asarray(kernel, np.float64), None if bias is None else np.asarray(bias, np.float64)


def _axes(layer: Any) -> tuple[int, int] | None:
    """Return the kernel's axes of channels that enter and that leave; None if it lacks one."""
    if hasattr(layer, "qscaler_and_qoffset"):
        return (0, 0) if layer.axis in (-1, len(layer.input.shape) - 1) else None
    equation = getattr(layer, "equation", None)
    if equation is None:
        return -2, -1
    into, _, out = equation.partition("->")
    left, _, right = into.partition(",")
    if left[-1] not in right or out[-1] not in right:
        return None
    return right.index(left[-1]), right.index(out[-1])


def _through(layer: Any, kernel: np.ndarray, offset: np.ndarray, axes: tuple[int, int]) -> Any:
    """Return what a constant offset of the inputs gives each output; None if not by channel."""
    rows, columns = axes
    product = _along(kernel, offset, rows)
    if rows == columns:
        return product
    into, _, out = getattr(layer, "equation", "").partition("->")
    if len([letter for letter in into.partition(",")[2] if letter in out]) > 1:
        return None
    columns %= kernel.ndim
    return product.sum(axis=tuple(axis for axis in range(kernel.ndim) if axis != columns))


def _lane_behind(layer: Any, model: Any) -> tuple[Lane, Any, bool] | None:
    """Return the one lane that takes a layer's outputs, and whether a rectifier lies between.

    None where there is another use of them, or anything between that no factor passes.
    """
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if getattr(layer, "enable_oq", False) or activation not in ("linear", "relu"):
        return None
    rectified, here = activation == "relu", layer
    while True:
        following = wiring.consumers(here, model)
        if len(following) != 1 or any(here.output is one for one in model.outputs):
            return None
        here = following[0]
        if _takes_part(here):
            lane = Lane.of(here.iq)
            wide = lane is not None and _channels(lane)
            return (lane, here.iq.quantizer, rectified) if lane is not None and wide else None
        if _rectifies(here):
            rectified = True
        elif type(here).__name__ not in _ORDERED:
            return None


def _rectifies(layer: Any) -> bool:
    """Say whether a layer is a rectifier alone, without a ceiling, a slope or a threshold."""
    if type(layer).__name__ == "ReLU":
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    function = getattr(getattr(layer, "activation", None), "__name__", "")
    return type(layer).__name__ == "Activation" and function == "relu"


def _channels(lane: Lane) -> bool:
    """Say whether a lane's widths differ along the last axis at most."""
    return all(
        np.size(part) == (part.shape[-1] if part.ndim else 1) for part in (lane.k, lane.i, lane.f)
    )


def _along(kernel: np.ndarray, factor: np.ndarray, axis: int) -> np.ndarray:
    """Multiply along one axis of the kernel."""
    shape = [1] * kernel.ndim
    shape[axis] = -1
    return kernel * np.reshape(factor, shape)


def _flat(part: Any) -> np.ndarray:
    return np.reshape(part, -1)
