"""Dilated convolutions, whose dilation hls4ml 1.3 does not read, silently.

With padding `same` the shape fits and the answers are those of another network. A dilated kernel is
a larger one with zeros between its weights; that is how hls4ml is given it. In logic a weight of
zero costs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

_KERAS = "keras.src.layers.convolutional"
_CONVOLUTIONS = (
    f"{_KERAS}.conv1d.Conv1D",
    f"{_KERAS}.conv2d.Conv2D",
    f"{_KERAS}.depthwise_conv1d.DepthwiseConv1D",
    f"{_KERAS}.depthwise_conv2d.DepthwiseConv2D",
    "hgq.layers.conv.QConv1D",
    "hgq.layers.conv.QConv2D",
    "hepnn.layers.depthwise.QDepthwiseConv2D",
)


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml read dilated kernels as large ones, while in here; it has to know the layers."""
    from hls4ml.converters.keras_v3._base import registry

    kept = {name: registry[name] for name in _CONVOLUTIONS}
    registry.update({name: _reading(read) for name, read in kept.items()})
    try:
        yield
    finally:
        registry.update(kept)


def spread(kernel: np.ndarray, rates: Sequence[int]) -> np.ndarray:
    """Return a kernel `(..., maps in, maps out)` with zeros between its weights.

    >>> spread(np.ones((2, 1, 1)), (2,)).ravel()
    array([1., 0., 1.])
    """
    *window, inside, outside = kernel.shape
    full = np.zeros((*_sides(window, rates), inside, outside), kernel.dtype)
    full[tuple(slice(None, None, rate) for rate in rates)] = kernel
    return full


def _sides(window: Sequence[int], rates: Sequence[int]) -> tuple[int, ...]:
    return tuple((side - 1) * rate + 1 for side, rate in zip(window, rates, strict=True))


def _reading(read: Callable[..., Any]) -> Callable[..., Any]:
    from hls4ml.converters.keras_v3.conv import gen_conv_config

    def reads(layer: Any, entering: Any, leaving: Any) -> Any:
        described = read(layer, entering, leaving)
        rates = layer.dilation_rate
        if max(rates) == 1:
            return described
        before, after = (tuple(end[0].shape[1:]) for end in (entering, leaving))
        sides = _sides(layer.kernel_size, rates)
        for part in described:
            kernels = {"weight_data", "depthwise_data"} & part.keys()
            if kernels:
                part |= {key: spread(part[key], rates) for key in kernels}
                part |= gen_conv_config(
                    before,
                    after,
                    sides,
                    layer.strides,
                    layer.padding,
                    layer.data_format,
                    layer.name,
                )
        return described

    return reads
