"""Whether a fixed-point network can be exact at all, from its weights and lanes alone.

Keras and TFLite hold fixed-point numbers in float32, which is exact while every partial sum of
a layer is below `2**24` units of its last place. The bound below is reached only when all inputs
are extreme with the sign of their weights, so a layer beyond it need not be wrong on data.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from hepnn.targets import Verdict, bounds
from hepnn.targets.bounds import unit
from hepnn.targets.fixed_point import Lane, is_fixed_point

#: Bits that a float32 holds exactly.
FLOAT32_BITS = 24.0

#: Layers that move or choose numbers, and so keep their bits.
_KEEPING = (
    "Flatten",
    "Reshape",
    "Permute",
    "Dropout",
    "ReLU",
    "MaxPooling1D",
    "MaxPooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Concatenate",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "Cropping2D",
    "UpSampling1D",
    "UpSampling2D",
    "PaddedIdentity2D",
    "Largest",
)


def accumulator_bits(model: Any) -> dict[str, float]:
    """Return how many bits the sums of every fixed-point layer can need.

    For each output `log2((sum |w| x_max + |b|) / lsb)`, with the largest input that the layer's
    lane lets through and the smallest step that any of its products or its bias has; the
    largest over a layer's outputs.

    Parameters
    ----------
    model
        A Keras model; layers that are not in fixed point, or have no kernel, are left out.
    """
    bits = {}
    for layer in model.layers:
        if hasattr(layer, "LANES"):
            bits[layer.name] = bounds.recurrent_bits(layer)
        elif is_fixed_point(layer) and _weighs(layer) and layer.enable_iq:
            lane = Lane.of(layer.iq)
            if lane is not None:
                bits[layer.name] = _layer_bits(layer, lane)
        elif layer.__class__.__name__ == "QEinsum" and layer.enable_iq:
            bits[layer.name] = _product_bits(layer)
    return bits


def verdicts(model: Any, refused: Mapping[str, str] | None = None) -> list[Verdict]:
    """Say of every layer whether a target repeats its bits, is near, or refuses it.

    Parameters
    ----------
    model
        The Keras model.
    refused
        What the target said of the layers that it does not take, by name.
    """
    refused = refused or {}
    needed = accumulator_bits(model)
    fixed = any(is_fixed_point(layer) for layer in model.layers)
    rows = []
    for layer in model.layers:
        kind = layer.__class__.__name__
        if kind == "InputLayer":
            continue
        if layer.name in refused:
            rows.append(Verdict(layer.name, kind, "refused", refused[layer.name]))
            continue
        reason = _inexact(layer, kind, needed) if fixed else "float layer"
        rows.append(Verdict(layer.name, kind, "approximate" if reason else "exact", reason))
    return rows


def _inexact(layer: Any, kind: str, needed: Mapping[str, float]) -> str:
    """Say why a layer of a fixed-point network is not exact; empty when it is."""
    bits = needed.get(layer.name, 0.0)
    if bits > FLOAT32_BITS:
        return f"sums need {bits:.1f} bits, float32 is exact to {FLOAT32_BITS:.0f}"
    if "AveragePool" in kind:
        window = int(np.prod(getattr(layer, "pool_size", layer.input.shape[1:-1])))
        return "" if window & (window - 1) == 0 else f"divides by {window}, no power of two"
    if kind in _KEEPING:
        return ""
    if kind == "LeakyReLU":
        mantissa, _ = np.frexp(layer.negative_slope)
        return "" if mantissa in (0.0, 0.5) else f"slope {layer.negative_slope}, no power of two"
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    # A function between two quantizers is a table.
    if activation not in ("linear", "relu") and kind != "QUnaryFunctionLUT":
        return f"{activation} has no fixed-point form here"
    if is_fixed_point(layer) or kind == "Activation":
        return ""
    return "float layer in a fixed-point network"


def _weighs(layer: Any) -> bool:
    return hasattr(layer, "qkernel") or hasattr(layer, "qscaler_and_qoffset")


def _layer_bits(layer: Any, lane: Lane) -> float:
    from keras import ops

    if hasattr(layer, "qkernel"):
        kernel, bias = layer.qkernel, getattr(layer, "qbias", None)
    else:  # batch normalization
        kernel, bias = layer.qscaler_and_qoffset
    kernel = np.asarray(ops.convert_to_numpy(kernel), np.float64)
    offset = None if bias is None else np.asarray(ops.convert_to_numpy(bias), np.float64)
    largest = np.maximum(np.abs(lane.lowest), np.abs(lane.highest))
    step = np.where(lane.bits > 0, 2.0**-lane.f, np.inf)
    return sum_bits(layer, kernel, offset, largest, step)


def sum_bits(
    layer: Any,
    kernel: np.ndarray,
    offset: np.ndarray | None,
    largest: np.ndarray,
    step: np.ndarray,
) -> float:
    """Return the bits of a layer's sums with these weights.

    Parameters
    ----------
    layer
        Its kind says which weights meet which inputs.
    kernel, offset
        The weights, of the shapes of the layer's own; float64.
    largest, step
        Of the inputs, shaped as a lane: the largest absolute value, and what all values are
        multiples of.
    """
    inputs, steps, weights = _terms(layer, kernel, largest, step)
    total = (np.abs(weights) * inputs).sum(axis=0)
    least = np.min(np.where(weights != 0, steps * unit(weights), np.inf), axis=0)
    if offset is not None:
        if offset.size == total.size:
            offset = offset.reshape(total.shape)
            least = np.minimum(least, unit(offset))
        else:
            least = np.minimum(least, unit(offset).min())
            offset = np.abs(offset).max()
        total = total + np.abs(offset)
    ratio = np.where(np.isfinite(least) & (total > 0), total / least, 1.0)
    return float(np.log2(ratio.max()))


def _product_bits(layer: Any) -> float:
    """Return the bits of a sum of products of two tensors, all of them the largest there are."""
    into, _, out = layer.equation.partition("->")
    sizes: dict[str, int] = {}
    units = 1.0
    for axes, tensor, quantizer in zip(
        into.split(","), layer.input, layer.iq.quantizers, strict=True
    ):
        sizes |= {axis: size for axis, size in zip(axes, tensor.shape, strict=True) if size}
        lane = Lane.of(quantizer)
        if lane is None:
            return 0.0
        passing = lane.bits > 0
        largest = np.maximum(np.abs(lane.lowest), np.abs(lane.highest))
        units *= float(np.max(np.where(passing, largest, 0.0)))
        units *= float(np.max(np.where(passing, 2.0**lane.f, 0.0)))
    terms = prod(size for axis, size in sizes.items() if axis not in out)
    return float(np.log2(max(units * terms, 1.0)))


def _terms(
    layer: Any, kernel: np.ndarray, largest: np.ndarray, step: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arrange the largest inputs, their steps and the weights as `(terms, outputs)`."""
    equation = getattr(layer, "equation", None)
    into, _, out = (equation or "").partition("->")
    left, _, right = into.partition(",")
    if kernel.ndim == 1 and left == out:  # one factor a channel, as in batch normalization
        inputs = _along_channels(largest, kernel.size, np.max)
        steps = _along_channels(step, kernel.size, np.min)
        return inputs[None], steps[None], kernel[None]
    if layer.__class__.__name__ == "QDepthwiseConv2D":
        maps, multiplier = kernel.shape[-2:]
        inputs, steps = (
            np.repeat(_along_channels(part, maps, worst), multiplier)[None]
            for part, worst in ((largest, np.max), (step, np.min))
        )
        return inputs, steps, kernel.reshape(-1, maps * multiplier)
    if equation is None:
        # Dense (in, out) and convolutions (..., in, out): a lane's widths along the channels.
        channels = kernel.shape[-2]
        inputs, steps = (
            _along_channels(part, channels, worst)
            for part, worst in ((largest, np.max), (step, np.min))
        )
        window = kernel.size // (channels * kernel.shape[-1])
        weights = kernel.reshape(window * channels, kernel.shape[-1])
        return np.tile(inputs, window)[:, None], np.tile(steps, window)[:, None], weights
    # Any other einsum: all its terms at the largest input and the smallest step there is.
    kept = [axis for axis, label in enumerate(right) if label in out]
    summed = [axis for axis in range(kernel.ndim) if axis not in kept]
    outputs = int(np.prod([kernel.shape[axis] for axis in kept]))
    weights = kernel.transpose(summed + kept).reshape(-1, outputs)
    return np.max(largest)[None, None], np.min(step)[None, None], weights


def _along_channels(part: np.ndarray, channels: int, worst: Any) -> np.ndarray:
    """Reduce a lane's `(1, ..., channels)` to `(channels,)`."""
    flat = part.reshape(-1, part.shape[-1]) if part.ndim else part.reshape(1, 1)
    reduced = worst(flat, axis=0)
    if reduced.size not in (1, channels):  # grouped convolutions see part of the channels
        reduced = worst(reduced)
    return np.broadcast_to(reduced, (channels,))
