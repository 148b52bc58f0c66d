"""An input that meets several lanes, which hls4ml 1.3 gives a type of its own.

The type has the integer bits of the widest lane and wraps or saturates at its own end. A lane that
saturates, beside one that wraps, then sees what wrapped before it; and a lane that rounds to the
even neighbour sees ties where 24 fraction bits end. hls4ml warns of both and goes on; here they are
refused. Where one lane takes the input, the host does what that lane does; otherwise it does what
the type does, and refuses what float32 has no steps for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from hepnn.errors import TargetError
from hepnn.targets.fixed_point import NEAR, Lane, first_lane

_WARNS = "may compromise bit-exactness"


@contextlib.contextmanager
def refused(model: Any) -> Iterator[None]:
    """Refuse an input for which hls4ml has no exact type, while in here."""
    from hls4ml.model.optimizer.passes import bit_exact

    usual = bit_exact.warn

    def warn(message: str, *arguments: Any, **options: Any) -> None:
        if _WARNS in message:
            raise TargetError(
                "its input meets several lanes, some of which saturate and some wrap, or which"
                " round to even: let one layer take the input"
            )
        usual(message, *arguments, **options)

    # A layer that is tried alone has as many inputs as it merges.
    if len(model.inputs) > 1 or first_lane(model) is not None:
        yield
        return
    bit_exact.warn = warn
    try:
        yield
    finally:
        bit_exact.warn = usual


def lane(model: Any, graph: Any) -> Lane:
    """Return what the host does to the input of a model that was converted bit for bit.

    Parameters
    ----------
    model
        Keras model.
    graph
        hls4ml's, its types worked out.
    """
    found = first_lane(model)
    if found is not None:
        return found[1]
    kind = graph.get_input_variables()[0].type.precision
    bits = (kind.signed, kind.integer - kind.signed, kind.fractional)
    k, i, f = (np.full((1, *model.inputs[0].shape[1:]), float(part)) for part in bits)
    rounding = "RND" if "RND" in str(kind.rounding_mode) else "TRN"
    overflow = "SAT" if "SAT" in str(kind.saturation_mode) else NEAR
    return Lane(k, i, f, rounding, overflow)
