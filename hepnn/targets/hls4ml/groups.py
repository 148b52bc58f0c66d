"""Grouped convolutions, which hls4ml 1.3 reads as if they had one group, silently.

A convolution in groups is one over all maps whose weights between groups are zero; that is how
hls4ml is given it. In logic a weight of zero costs nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_CONVOLUTIONS = (
    "keras.src.layers.convolutional.conv1d.Conv1D",
    "keras.src.layers.convolutional.conv2d.Conv2D",
    "hgq.layers.conv.QConv1D",
    "hgq.layers.conv.QConv2D",
)


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml read the kernels of grouped convolutions as whole ones, while in here."""
    import hls4ml.converters.keras_v3.hgq2  # noqa: F401 - it adds to the registry
    from hls4ml.converters.keras_v3._base import registry

    kept = {name: registry[name] for name in _CONVOLUTIONS}
    registry.update({name: _reading(read) for name, read in kept.items()})
    try:
        yield
    finally:
        registry.update(kept)


def whole(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Return `(..., maps in, maps out)` for a kernel `(..., maps in / groups, maps out)`.

    >>> whole(np.ones((1, 1, 4)), 2)[0]
    array([[1., 1., 0., 0.],
           [0., 0., 1., 1.]])
    """
    *window, inside, outside = kernel.shape
    full = np.zeros((*window, inside * groups, outside), kernel.dtype)
    each = outside // groups
    for group in range(groups):
        outputs = slice(group * each, (group + 1) * each)
        full[..., group * inside : (group + 1) * inside, outputs] = kernel[..., outputs]
    return full


def _reading(read: Callable[..., Any]) -> Callable[..., Any]:
    def reads(layer: Any, entering: Any, leaving: Any) -> Any:
        described = read(layer, entering, leaving)
        if layer.groups > 1:
            for part in described:
                if "weight_data" in part:
                    part["weight_data"] = whole(part["weight_data"], layer.groups)
        return described

    return reads
