"""Dense networks as matrices of small whole numbers, for the processor's vector units.

Every sum is counted in the smallest step that its products, its bias and the lane behind it have,
so that a layer is a product of whole numbers, a shift and a wrap. What fits is a chain of dense
layers and scalings with relu between lanes that cut (TRN) or round, half up (RND) or to the even
neighbour (RND_CONV), weights and inputs of 16 bits and sums of 32; anything else has no such form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.targets.bounds import unit
from hepnn.targets.fixed_point import Lane

#: Largest weight and number, so that two products and their sum stay within 32 bits.
_LARGEST = 2**15 - 1

_ROUNDINGS = ("TRN", "RND", "RND_CONV")

#: Largest sum, and largest shift, so that what rounds still fits.
_SUM, _SHIFT = 2**30, 30

#: Layers that move no number of a flat event.
_PASSING = ("InputLayer", "Flatten", "Reshape", "Dropout")


@dataclass
class Stage:
    """A layer on whole numbers.

    Attributes
    ----------
    name : str
        Of the Keras layer.
    weight : np.ndarray
        `(inputs, outputs)`, or `(numbers,)` of a scaling.
    bias : np.ndarray
        `(outputs,)`, with what rounds at the lane behind it.
    relu : bool
        Whether negative sums are zero.
    fraction : np.ndarray
        Fraction bits of every sum.
    lane : Lane or None
        Behind it, its parts `(outputs,)`; none behind the last stage.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray
    relu: bool
    fraction: np.ndarray
    lane: Lane | None

    @property
    def scaling(self) -> bool:
        """Whether it is a factor a number and no matrix."""
        return self.weight.ndim == 1

    def constants(self) -> dict[str, np.ndarray]:
        """Return what `arithmetic.h` calls the lane behind it, part by part."""
        assert self.lane is not None
        lane = self.lane
        bits = np.where(lane.bits > 0, lane.bits, 0).astype(np.int64)
        shift = np.where(bits > 0, self.fraction - lane.f, 0).astype(np.int64)
        if lane.overflow == "WRAP":
            low = np.where((lane.k > 0) & (bits > 0), 1 << np.maximum(bits - 1, 0), 0)
            high = (1 << bits) - 1
        else:
            ends = (np.where(bits > 0, end * 2.0**lane.f, 0) for end in (lane.lowest, lane.highest))
            low, high = (end.astype(np.int64) for end in ends)
        odd = (shift > 0).astype(np.int64)
        below = (1 << np.maximum(shift - 1, 0)) - 1
        return {"shift": shift, "half": low, "mask": high, "below": below, "odd": odd}


def stages(model: Any, lane: Lane) -> list[Stage] | None:
    """Return a network's stages, or None where it has no such form.

    Parameters
    ----------
    model
        The Keras model.
    lane
        The grid that its input is on, as `first_lane` gives it.
    """
    layers = _chain(model)
    if layers is None or not layers:
        return None
    lanes = [_lane(layer) for layer, _ in layers[1:]]
    if any(one is None for one in lanes):
        return None
    entering = _flat(lane, int(np.prod(model.inputs[0].shape[1:])))
    made = []
    for number, (layer, relu) in enumerate(layers):
        behind = lanes[number] if number < len(lanes) else None
        stage = _stage(layer, relu, entering, behind)
        if stage is None:
            return None
        made.append(stage)
        entering = stage.lane  # type: ignore[assignment]
    return _living(made)


def _chain(model: Any) -> list[tuple[Any, bool]] | None:
    """Return the layers with weights one behind the other, each with whether a relu follows."""
    found: list[tuple[Any, bool]] = []
    tensor = model.inputs[0]
    for layer in model.layers:
        kind = layer.__class__.__name__
        if kind == "InputLayer":
            continue
        if layer.input is not tensor:
            return None
        tensor = layer.output
        if kind in _PASSING:
            continue
        activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
        if kind == "Activation" and activation == "relu" and found:
            found[-1] = (found[-1][0], True)
            continue
        if kind not in ("QDense", "QEinsumDense") or activation not in ("linear", "relu"):
            return None
        if not layer.enable_iq or layer.enable_oq or not (_is_scaling(layer) or _is_flat(layer)):
            return None
        found.append((layer, activation == "relu"))
    return found if tensor is model.outputs[0] else None


def _is_scaling(layer: Any) -> bool:
    left, _, out = getattr(layer, "equation", "").partition("->")
    return bool(out) and left.partition(",")[0] == out and len(layer.qkernel.shape) == 1


def _is_flat(layer: Any) -> bool:
    return layer.__class__.__name__ == "QDense" and len(layer.input.shape) == 2


def _lane(layer: Any) -> Lane | None:
    lane = Lane.of(layer.iq)
    if lane is None or lane.rounding not in _ROUNDINGS:
        return None
    shape = tuple(layer.input.shape[1:])
    if lane.k.ndim > 1 + len(shape):
        return None
    k, i, f = (np.broadcast_to(part, (1, *shape)) for part in (lane.k, lane.i, lane.f))
    return _flat(Lane(k, i, f, lane.rounding, lane.overflow), int(np.prod(shape)))


def _flat(lane: Lane, size: int) -> Lane:
    i = np.maximum(lane.i, -lane.f)
    k, i, f = (np.broadcast_to(part, lane.k.shape).reshape(size) for part in (lane.k, i, lane.f))
    return Lane(k, i, f, lane.rounding, lane.overflow)


def _stage(layer: Any, relu: bool, entering: Lane, behind: Lane | None) -> Stage | None:
    from keras import ops

    kernel = np.asarray(ops.convert_to_numpy(layer.qkernel), np.float64)
    bias = np.zeros(kernel.shape[-1])
    if layer.qbias is not None:
        bias = np.asarray(ops.convert_to_numpy(layer.qbias), np.float64)
    steps = np.where(entering.bits > 0, 2.0**-entering.f, np.inf)
    largest = np.maximum(np.abs(entering.lowest), np.abs(entering.highest))
    if kernel.ndim == 1:  # a scaling: the channels again and again
        kernel = np.resize(kernel, steps.shape)
        bias = np.resize(np.broadcast_to(bias, layer.qkernel.shape), steps.shape)
    else:
        bias = np.broadcast_to(bias, kernel.shape[1:])
        steps, largest = steps[:, None], largest[:, None]
    kernel = np.where(np.isfinite(steps), kernel, 0.0)
    products = np.where(kernel != 0, steps * unit(kernel), np.inf)
    least = products if kernel.ndim == 1 else products.min(axis=0)
    if behind is None or behind.rounding == "RND_CONV":
        least = np.minimum(least, unit(bias))
    if behind is not None:
        least = np.minimum(least, np.where(behind.bits > 0, 2.0**-behind.f, np.inf))
    least = np.where(np.isfinite(least), least, 1.0)
    weight = np.where(kernel != 0, kernel * steps / least, 0.0)
    whole = bias / least
    if behind is not None:
        # The rest of a bias that is finer than the products is dropped by the lane in any case;
        # ties to the even neighbour see it.
        half = 2.0**-behind.f / least / 2 if behind.rounding == "RND" else 0.0
        whole = np.floor(whole + np.where(behind.bits > 0, half, 0.0))
    numbers = np.where(np.isfinite(steps), largest / np.where(np.isfinite(steps), steps, 1), 0)
    reached = np.abs(weight) * numbers
    total = np.abs(whole) + (reached if kernel.ndim == 1 else reached.sum(axis=0))
    if total.max() >= _SUM or np.abs(weight).max() >= _SUM:
        return None
    if kernel.ndim == 2 and (np.abs(weight).max() > _LARGEST or numbers.max() > _LARGEST + 1):
        return None
    if behind is not None and behind.bits.max() > 15 + behind.k.min():
        return None
    fraction = np.round(-np.log2(least)).astype(np.int64)
    if behind is not None and np.any((behind.bits > 0) & (fraction - behind.f > _SHIFT)):
        return None
    sums = weight.astype(np.int64), whole.astype(np.int64)
    return Stage(layer.name, *sums, relu, fraction, behind)


def _living(made: list[Stage]) -> list[Stage] | None:
    """Leave out the numbers inside that are zero or that nothing looks at."""
    for before, stage in zip(reversed(made[:-1]), reversed(made[1:]), strict=True):
        if stage.scaling:
            return None  # a factor a number is for the input alone
        assert before.lane is not None
        kept = (before.lane.bits > 0) & np.any(stage.weight != 0, axis=1)
        if not kept.any():
            return None
        if before.scaling:
            continue  # it has as many numbers as the event
        stage.weight = stage.weight[kept]
        before.weight = before.weight[:, kept]
        before.bias, before.fraction = before.bias[kept], before.fraction[kept]
        parts = (before.lane.k[kept], before.lane.i[kept], before.lane.f[kept])
        before.lane = Lane(*parts, before.lane.rounding, before.lane.overflow)
    return made
