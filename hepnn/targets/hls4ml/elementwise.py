"""The input scaling for backends of hls4ml 1.3 that have no einsum.

They write nothing at all for it: the numbers behind it are whatever the memory held. A factor
and an offset a channel is what they know as batch normalization.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from hepnn.errors import TargetError

_FIXED = "hgq.layers.core.einsum_dense.QEinsumDense"
_FLOAT = "keras.src.layers.core.einsum_dense.EinsumDense"


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml read an einsum of one factor a channel as batch normalization, while in here."""
    from hls4ml.converters.keras_v3._base import KerasV3LayerHandler, registry
    from hls4ml.converters.keras_v3.hgq2._base import QLayerHandler

    def described(handler: Any, layer: Any, shape: tuple[int, ...]) -> dict[str, Any]:
        into, _, out = layer.equation.partition("->")
        entering, _, factors = into.partition(",")
        if entering != out or factors != out[-1]:
            raise TargetError(f"layer {layer.name!r}: no einsum {layer.equation} in this backend")
        scale = np.asarray(handler.load_weight(layer, "kernel"))
        offset = handler.load_weight(layer, "bias") if layer.bias_axes else np.zeros_like(scale)
        return {
            "class_name": "BatchNormalization",
            "n_filt": scale.size,
            "n_in": prod(shape),
            "scale_data": scale,
            "bias_data": np.asarray(offset),
        }

    class _Fixed(QLayerHandler):
        def handle(self, layer: Any, entering: Any, leaving: Any) -> dict[str, Any]:
            return described(self, layer, entering[0].shape[1:])

    class _Float(KerasV3LayerHandler):
        def handle(self, layer: Any, entering: Any, leaving: Any) -> dict[str, Any]:
            return described(self, layer, entering[0].shape[1:])

    kept = {name: registry[name] for name in (_FIXED, _FLOAT)}
    registry.update({_FIXED: _Fixed(), _FLOAT: _Float()})
    try:
        yield
    finally:
        registry.update(kept)
