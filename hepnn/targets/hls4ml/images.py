"""The layers for images that hls4ml 1.3 does not know, as convolutions that it knows.

- The padded identity of residual networks is a convolution of 1x1 whose weights are zeros and
  ones.
- A depthwise convolution in fixed point, or in float with several kernels a map, is one over all
  maps, with zeros between them.

In logic a weight of zero costs nothing, and a weight of one is a wire.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from hepnn.targets.hls4ml.groups import whole

_IDENTITY = "hepnn.layers.shortcut.PaddedIdentity2D"
_DEPTHWISE = "hepnn.layers.depthwise.QDepthwiseConv2D"
_FLOAT_DEPTHWISE = "keras.src.layers.convolutional.depthwise_conv2d.DepthwiseConv2D"


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml read these layers, while in here."""
    from hls4ml.converters.keras_v3._base import KerasV3LayerHandler, registry
    from hls4ml.converters.keras_v3.conv import ConvHandler, gen_conv_config
    from hls4ml.converters.keras_v3.hgq2._base import QLayerHandler

    class _Identity(KerasV3LayerHandler):
        def handle(self, layer: Any, entering: Any, leaving: Any) -> dict[str, Any]:
            before, after = (tuple(end[0].shape[1:]) for end in (entering, leaving))
            strides = (layer.strides, layer.strides)
            sizes = gen_conv_config(
                before, after, (1, 1), strides, "same", "channels_last", layer.name
            )
            kernel = np.eye(before[-1], layer.filters)[None, None]
            return {
                **sizes,
                "class_name": "Conv2D",
                "data_format": "channels_last",
                "weight_data": kernel,
                "bias_data": None,
            }

    class _Depthwise(QLayerHandler, ConvHandler):
        def handle(self, layer: Any, entering: Any, leaving: Any) -> dict[str, Any]:
            return _over_all_maps(super().handle(layer, entering, leaving))

    class _FloatDepthwise(ConvHandler):
        def handle(self, layer: Any, entering: Any, leaving: Any) -> dict[str, Any]:
            described = super().handle(layer, entering, leaving)
            return described if layer.depth_multiplier == 1 else _over_all_maps(described)

    native = registry[_FLOAT_DEPTHWISE]
    registry.update(
        {_IDENTITY: _Identity(), _DEPTHWISE: _Depthwise(), _FLOAT_DEPTHWISE: _FloatDepthwise()}
    )
    try:
        yield
    finally:
        registry[_FLOAT_DEPTHWISE] = native
        del registry[_IDENTITY], registry[_DEPTHWISE]


def _over_all_maps(described: dict[str, Any]) -> dict[str, Any]:
    """Return hls4ml's description of a depthwise convolution as that of one over all maps."""
    *window, maps, multiplier = described["depthwise_data"].shape
    kernel = described["depthwise_data"].reshape(*window, 1, maps * multiplier)
    dropped = ("depthwise_data", "depth_multiplier")
    return {
        **{key: value for key, value in described.items() if key not in dropped},
        "class_name": "Conv2D",
        "weight_data": whole(kernel, maps),
    }
