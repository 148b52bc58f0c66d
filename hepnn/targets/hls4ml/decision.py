"""The layer `Largest`, as the softmax of hls4ml 1.3 that compares and has no tables.

Its `argmax` takes the first of equals. Catapult's sources have no such softmax.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from math import prod
from typing import Any

from hepnn.errors import TargetError

_LARGEST = "hepnn.layers.decision.Largest"


@contextlib.contextmanager
def mended(backend: str) -> Iterator[None]:
    """Let hls4ml read the layer, while in here, for a backend that has it."""
    from hls4ml.converters.keras_v3._base import KerasV3LayerHandler, registry
    from hls4ml.model.types import FixedPrecisionType

    class _Largest(KerasV3LayerHandler):
        def handle(self, layer: Any, entering: Any, leaving: Any) -> dict[str, Any]:
            if backend == "Catapult":
                raise TargetError(f"layer {layer.name!r}: Catapult's softmax has no argmax")
            shape = entering[0].shape[1:]
            # Tables of one entry, that nothing reads; the result is as wide as both together.
            one, half = (FixedPrecisionType(1, whole, signed=False) for whole in (1, 0))
            return {
                "class_name": "Softmax",
                "activation": "softmax",
                "implementation": "argmax",
                "axis": -1,
                "n_in": prod(shape),
                "n_outer": prod(shape[:-1]),
                "n_inner": 1,
                "exp_table_t": one,
                "inv_table_t": half,
                "inv_inp_t": one,
                "exp_table_size": 1,
                "inv_table_size": 1,
                "_bit_exact": True,
            }

    registry[_LARGEST] = _Largest()
    try:
        yield
    finally:
        del registry[_LARGEST]


def kept(model: Any, described: dict[str, Any]) -> dict[str, Any]:
    """Return hls4ml's configuration by name, in which the layer still compares.

    What hls4ml suggests for a softmax, one with tables, would overrule it.
    """
    for layer in model.layers:
        if layer.__class__.__name__ == "Largest":
            described["LayerName"][layer.name]["Implementation"] = "argmax"
    return described
