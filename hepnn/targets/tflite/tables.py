"""Functions of one number in fixed point: computed where no library can err, else looked up.

What such a layer computes depends on the values of its input lane alone, a few hundred to a few
thousand, and is rounded to its output lane. Where none of them comes near a rounding's edge,
every exponential and every quotient of a few last places' error gives the same bits, and the
function itself is written. Elsewhere it is Keras's own answer to each value, as a table; but a
choice from a table is none of the delegate's operations, and several nanoseconds a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hepnn.targets.fixed_point import Lane

#: Relative error that a function may have in some library: sixteen last places of a float32.
_ERROR = 2.0**-20


def is_table(layer: Any) -> bool:
    """Say whether a layer is a function between two quantizers, one lane for all channels."""
    if layer.__class__.__name__ != "QUnaryFunctionLUT" or not layer.enable_iq:
        return False
    lane = Lane.of(layer.iq)
    return lane is not None and np.size(lane.bits) == 1


def looked_up(layer: Any) -> Callable[..., Any]:
    """Return the layer as a function of a tensor: its input lane, then a choice from a table."""
    import tensorflow as tf
    from keras import ops

    lane = Lane.of(layer.iq)
    assert lane is not None
    sign, integer, fraction = _widths(lane)
    first = sign << (integer + fraction)
    values = entries(layer, sign, integer, fraction)

    def call(x: Any, training: Any = None) -> Any:
        steps = layer.iq(x) * 2.0**fraction + first
        return tf.gather(values, ops.cast(steps, "int32"))

    return call


def beyond_doubt(layer: Any) -> bool:
    """Say whether float32's errors cannot move an answer to another value of the output lane.

    Every value of the input lane is tried in double precision.
    """
    from keras import ops

    lane = Lane.of(layer.iq)
    out = Lane.of(layer.oq) if layer.enable_oq else None
    if lane is None or out is None or np.size(out.bits) != 1:
        return False
    # Exponentials and quotients are good to a few last places in every library.
    if layer.activation.__name__ not in ("_exp", "_inv"):
        return False
    if out.overflow == "WRAP" or out.rounding not in ("RND", "RND_CONV", "TRN"):
        return False
    widths, places = _widths(lane), 2.0 ** float(out.f.item())
    exact = layer.activation(ops.convert_to_tensor(_inputs(*widths), "float64"))
    scaled = ops.convert_to_numpy(exact) * places
    edge = 0.0 if out.rounding == "TRN" else 0.5
    low, high = (float(end.item()) * places for end in (out.lowest, out.highest))
    distance = np.abs(scaled - edge - np.rint(scaled - edge))
    within = (scaled > low - 1) & (scaled < high + 1)
    if (within & (distance <= np.abs(scaled) * _ERROR)).any():
        return False
    wanted = np.clip(np.floor(scaled + edge), low, high) / places
    return np.array_equal(wanted, entries(layer, *widths))


def entries(layer: Any, sign: int, integer: int, fraction: int) -> np.ndarray:
    """Return what a layer answers to every value of its input lane, from the lowest up."""
    from keras import ops

    inputs = _inputs(sign, integer, fraction)
    answers = layer.activation(ops.convert_to_tensor(inputs.astype(np.float32)))
    if layer.enable_oq:
        answers = layer.oq(answers[None])[0]
    return np.asarray(ops.convert_to_numpy(answers), np.float32).ravel()


def _inputs(sign: int, integer: int, fraction: int) -> np.ndarray:
    size = 1 << max(sign + integer + fraction, 0)
    return (np.arange(size) - (sign << (integer + fraction))) * 2.0**-fraction


def _widths(lane: Lane) -> tuple[int, int, int]:
    sign, integer, fraction = (int(part.item()) for part in (lane.k, lane.i, lane.f))
    return sign, max(integer, -fraction), fraction
