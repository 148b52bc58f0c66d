"""Fixed point in a handful of float operations, so that LiteRT runs it as one delegate.

As HGQ2 writes them, the quantizers of a network become about fifteen TFLite operations each,
with a modulo that the XNNPACK delegate does not take. For a lane of `k`, `i`, `f` with
`M = 2**(k + i + f)` and `B = k 2**(i + f)`, the same numbers come out of

    wrap        y = round(x 2**f) + B;  w = y / M;  out = (w - floor(w)) M 2**-f - B 2**-f
    saturate    y = min(max(x 2**f, -B), 2**(i + f) - 1);  out = round(y) 2**-f

with constants only. Factors are powers of two, so every product is exact, and `w - floor(w)` is
exact as long as the lane has no more bits than the 24 of a float32; wider lanes that wrap are
left as they are. The wrap stays also where training data never reach it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hepnn.targets.fixed_point import Lane, activation_quantizers, is_fixed_point
from hepnn.targets.tflite.tables import is_table, looked_up

#: Mantissa of a float32, the hidden bit included.
_MANTISSA = 24


@contextlib.contextmanager
def closed_form(model: Any) -> Iterator[list[str]]:
    """Let a model's quantizers and its input scaling compute in closed form while it is traced.

    Yields the names of the quantizers that stay as they are, because their mode has no closed
    form here. The model is itself again afterwards.
    """
    left: list[str] = []
    with contextlib.ExitStack() as stack:
        for quantizer in activation_quantizers(model):
            lane = Lane.of_inner(quantizer)
            form = None if lane is None else closed(lane)
            if form is None:
                left.append(quantizer.name)
            else:
                _replace_call(quantizer, form, stack)
        for layer in model._flatten_layers(include_self=False):  # noqa: SLF001 - a softmax has two
            if is_table(layer):
                _replace_call(layer, looked_up(layer), stack)
        for layer in model.layers:
            if _is_elementwise(layer):
                _replace_call(layer, _scaling(layer), stack)
        yield left


def closed(lane: Lane) -> Callable[..., Any] | None:
    """Return the lane as a function of a tensor, or None when it has no exact closed form."""
    from keras import ops

    rounding = {
        "TRN": ops.floor,
        "RND": lambda x: ops.floor(x + 0.5),
        "RND_CONV": ops.round,
    }.get(lane.rounding)
    width = float(np.max(lane.bits))
    if rounding is None or (lane.overflow == "WRAP" and width > _MANTISSA):
        return None
    f = lane.f
    i = np.maximum(lane.i, -f)
    passes = lane.bits > 0
    scale, unit = _constant(2.0**f), _constant(np.where(passes, 2.0**-f, 0.0))
    half = lane.k * 2.0 ** (i + f)

    if lane.overflow == "WRAP":
        modulus = 2.0 ** (lane.k + i + f)
        share, shift = _constant(1.0 / modulus), _constant(half)
        back = _constant(np.where(passes, modulus * 2.0**-f, 0.0))
        offset = _constant(np.where(passes, half * 2.0**-f, 0.0))

        def wrap(x: Any, training: Any = None) -> Any:
            turns = (rounding(x * scale) + shift) * share
            return (turns - ops.floor(turns)) * back - offset

        return wrap

    largest = 2.0 ** (i + f) - 1.0
    smallest = -lane.k * largest if lane.overflow == "SAT_SYM" else -half
    high, low = _constant(largest), _constant(smallest)

    def saturate(x: Any, training: Any = None) -> Any:
        return rounding(ops.minimum(ops.maximum(x * scale, low), high)) * unit

    return saturate


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


def _scaling(layer: Any) -> Callable[..., Any]:
    """Return the einsum as a product, which rounds alike: each output has a single term."""
    from keras import ops

    quantized = is_fixed_point(layer)
    kernel = _constant(ops.convert_to_numpy(layer.qkernel if quantized else layer.kernel))
    bias = layer.qbias if quantized else layer.bias
    added = None if bias is None else _constant(ops.convert_to_numpy(bias))

    def call(x: Any, training: Any = None) -> Any:
        if quantized and layer.enable_iq:
            x = layer.iq(x)
        x = x * kernel
        if added is not None:
            x = x + added
        return x if layer.activation is None else layer.activation(x)

    return call


def _replace_call(layer: Any, call: Callable[..., Any], stack: contextlib.ExitStack) -> None:
    # Set on the instance and past Keras's own bookkeeping of attributes, hence nothing is left.
    layer.__dict__["call"] = call
    stack.callback(layer.__dict__.pop, "call", None)
