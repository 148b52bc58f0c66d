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
    sides = [(side - 1) * rate + 1 for side, rate in zip(window, rates, strict=True)]
    full = np.zeros((*sides, inside, outside), kernel.dtype)
    full[tuple(slice(None, None, rate) for rate in rates)] = kernel
    return full


def _reading(read: Callable[..., Any]) -> Callable[..., Any]:
    def reads(layer: Any, entering: Any, leaving: Any) -> Any:
        if np.max(layer.dilation_rate) > 1:
            layer = _Spread(layer)
        return read(layer, entering, leaving)

    return reads


class _Spread:
    """A convolution whose kernel is spread, and which is not dilated."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        rates = layer.dilation_rate
        self.dilation_rate = (1,) * len(rates)
        for name in ("kernel", "qkernel"):
            if hasattr(layer, name):
                setattr(self, name, spread(np.asarray(getattr(layer, name)), rates))
        self.kernel_size = self.kernel.shape[: len(rates)]

    @property
    def __class__(self) -> Any:  # hls4ml asks what kind of convolution it is
        return self._layer.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)
