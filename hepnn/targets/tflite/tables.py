"""Functions of one number in fixed point, looked up.

What such a layer computes depends on the values of its input lane alone, a few hundred to a few
thousand. Keras's own answer to each is written into the file, so that no exponential of another
library is asked for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hepnn.targets.fixed_point import Lane


def is_table(layer: Any) -> bool:
    """Say whether a layer is a function between two quantizers, one lane for all channels."""
    if layer.__class__.__name__ != "QUnaryFunctionLUT" or not layer.enable_iq:
        return False
    lane = Lane.of(layer.iq)
    return lane is not None and np.size(lane.bits) == 1


def looked_up(layer: Any) -> Callable[..., Any]:
    """Return the layer as a function of a tensor: its input lane, then a choice from a table."""
    from keras import ops

    lane = Lane.of(layer.iq)
    assert lane is not None
    sign, integer, fraction = (int(part.item()) for part in (lane.k, lane.i, lane.f))
    integer = max(integer, -fraction)
    first = sign << (integer + fraction)
    values = entries(layer, sign, integer, fraction)

    def call(x: Any, training: Any = None) -> Any:
        steps = layer.iq(x) * 2.0**fraction + first
        return ops.take(values, ops.cast(steps, "int32"))

    return call


def entries(layer: Any, sign: int, integer: int, fraction: int) -> np.ndarray:
    """Return what a layer answers to every value of its input lane, from the lowest up."""
    from keras import ops

    size = 1 << max(sign + integer + fraction, 0)
    inputs = (np.arange(size) - (sign << (integer + fraction))) * 2.0**-fraction
    answers = layer.activation(ops.convert_to_tensor(inputs.astype(np.float32)))
    if layer.enable_oq:
        answers = layer.oq(answers[None])[0]
    return np.asarray(ops.convert_to_numpy(answers), np.float32)
