"""Fixed point in a handful of float operations, so that LiteRT runs it as one delegate.

As HGQ2 writes them, the quantizers of a network become about fifteen TFLite operations each,
with a modulo that the XNNPACK delegate does not take. For a lane of `k`, `i`, `f` with
`M = 2**(k + i + f)` and `B = k 2**(i + f)`, the same numbers come out of

    wrap        y = round(x 2**f) + B;  w = y / M;  out = (w - floor(w)) M 2**-f - B 2**-f
    saturate    y = min(max(x 2**f, -B), 2**(i + f) - 1);  out = round(y) 2**-f

with constants only. Factors are powers of two, so every product is exact, and `w - floor(w)` is
exact as long as the lane has no more bits than the 24 of a float32; wider lanes that wrap are
left as they are. The wrap stays also where training data never reach it. What of it the layers
around a lane can do is left to them (`hepnn.targets.tflite.lanes`, `hepnn.targets.tflite.turns`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hepnn.targets.fixed_point import Lane, activation_quantizers, is_fixed_point
from hepnn.targets.tflite.lanes import ALONE, MANTISSA, Fold, Numbers, Weights, folds
from hepnn.targets.tflite.tables import beyond_doubt, is_table, looked_up
from hepnn.targets.tflite.turns import let_out

#: Channels below which constants are spread over all places, and numbers up to which they are.
_ROW, _SPREAD = 128, 8192


@contextlib.contextmanager
def closed_form(model: Any) -> Iterator[list[str]]:
    """Let a model's quantizers and its input scaling compute in closed form while it is traced.

    Yields the names of the quantizers that stay as they are, because their mode has no closed
    form here. The model is itself again afterwards.
    """
    left: list[str] = []
    moved = let_out(folds(model, lambda lane: closed(lane) is not None))
    lanes, weights = moved.lanes, moved.weights
    with contextlib.ExitStack() as stack:
        for quantizer in activation_quantizers(model):
            lane = Lane.of_inner(quantizer)
            form = None if lane is None else closed(lane, lanes.get(id(quantizer), Fold()))
            if form is None:
                left.append(quantizer.name)
            else:
                _replace_call(quantizer, form, stack)
        for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - a softmax has two
            if is_table(layer) and not beyond_doubt(layer):
                _replace_call(layer, looked_up(layer), stack)
        for layer in model.layers:
            if _is_elementwise(layer):
                _replace_call(layer, _scaling(layer, weights.get(id(layer))), stack)
            elif id(layer) in weights:
                made = weights[id(layer)]
                # It may take turns beside numbers, twice as many inputs.
                stack.callback(setattr, layer, "input_spec", layer.input_spec)
                layer.input_spec = None
                _replace_call(layer.kq, _always(made.kernel), stack)
                if made.bias is not None:
                    _replace_call(layer.bq, _always(made.bias), stack)
        yield left


def closed(lane: Lane, fold: Fold = ALONE) -> Callable[..., Any] | None:
    """Return the lane as a function of a tensor, or None when it has no exact closed form.

    `fold` says what the layers around it do.
    """
    from keras import ops

    whole = {"TRN": ops.floor, "RND": ops.floor, "RND_CONV": ops.round}.get(lane.rounding)
    if whole is None or (lane.overflow == "WRAP" and float(np.max(lane.bits)) > MANTISSA):
        return None
    numbers = Numbers.of(lane)
    scale, half = _constant(numbers.scale), np.float32(numbers.half)

    def scaled(x: Any) -> Any:
        return x if fold.scaled else x * spread(scale, x)

    def rounded(y: Any) -> Any:
        return whole(y if fold.rounded or not half else y + half)

    if lane.overflow == "WRAP":
        share, shift = _constant(1.0 / numbers.modulus), _constant(numbers.shift)
        back = _constant(numbers.modulus * numbers.unit)
        offset = _constant(numbers.shift * numbers.unit)

        def wrap(x: Any, training: Any = None) -> Any:
            y = rounded(scaled(x))
            if fold.turned:
                return y
            if not fold.shifted and shift.any():
                y = y + spread(shift, y)
            turns = y * spread(share, y)
            part = turns - ops.floor(turns)
            if fold.left:
                return part
            part = part * spread(back, part)
            return part - spread(offset, part) if offset.any() else part

        return wrap

    added = numbers.half if fold.rounded else 0.0
    low, high = _constant(numbers.low + added), _constant(numbers.high + added)
    unit = _constant(numbers.unit)

    def saturate(x: Any, training: Any = None) -> Any:
        y = scaled(x)
        y = rounded(ops.minimum(ops.maximum(y, spread(low, y)), spread(high, y)))
        return y if fold.left else y * spread(unit, y)

    return saturate


def spread(constant: np.ndarray, x: Any) -> np.ndarray:
    """Return a constant in the shape in which the delegate is fastest.

    It takes many small rows one by one: a number a channel costs ten times as much as one for
    all, or one for each. What would make a file large stays as it is.
    """
    if constant.size == 1 or (constant == constant.flat[0]).all():
        return np.asarray(constant.flat[0], np.float32)
    if x.shape[-1] < _ROW and np.prod(x.shape) <= _SPREAD:
        return np.array(np.broadcast_to(constant, x.shape))
    return constant


def _always(value: np.ndarray) -> Callable[..., Any]:
    """Return a weight's quantizer that gives other weights."""
    constant = _constant(value)
    return lambda inputs, training=None: constant


def _constant(value: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float32)


def _is_elementwise(layer: Any) -> bool:
    """Say whether an einsum only multiplies each channel, as the input scaling does.

    TFLite's converter has no matrix product for such a one.
    """
    equation = getattr(layer, "equation", None)
    if not isinstance(equation, str) or getattr(layer, "enable_oq", False):
        return False
    into, _, out = equation.partition("->")
    left, _, right = into.partition(",")
    return left == out and right == out[-1:]


def _scaling(layer: Any, weights: Weights | None) -> Callable[..., Any]:
    """Return the einsum as a product, which rounds alike: each output has a single term."""
    from keras import ops

    quantized = is_fixed_point(layer)
    if weights is not None:
        kernel, bias = weights.kernel, weights.bias
    else:
        kernel = ops.convert_to_numpy(layer.qkernel if quantized else layer.kernel)
        given = layer.qbias if quantized else layer.bias
        bias = None if given is None else ops.convert_to_numpy(given)
    kernel = _constant(kernel)
    added = None if bias is None else _constant(bias)

    def call(x: Any, training: Any = None) -> Any:
        if quantized and layer.enable_iq:
            x = layer.iq(x)
        x = x * kernel if kernel.ndim == 1 else ops.matmul(x, kernel)
        if added is not None:
            x = x + added
        return x if layer.activation is None else layer.activation(x)

    return call


def _replace_call(layer: Any, call: Callable[..., Any], stack: contextlib.ExitStack) -> None:
    # Set on the instance and past Keras's own bookkeeping of attributes, hence nothing is left.
    layer.__dict__["call"] = call
    stack.callback(layer.__dict__.pop, "call", None)
