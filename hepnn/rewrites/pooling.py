"""The mean over all positions divides by a power of two, which in firmware is a shift.

The map is padded with zeros to powers of two; what the mean is too small by goes into the
weights of the layer behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.layers import wiring
from hepnn.rewrites import graph

TITLE = "pad the map, so that the mean divides by a power of two"
PROMISE = "outputs"

_MEANS = ("GlobalAveragePooling1D", "GlobalAveragePooling2D")


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer divides by another number, before a dense layer of its own."""
    if graph.kind(layer) not in _MEANS or layer.data_format != "channels_last":
        return False
    if all(size & (size - 1) == 0 for size in _sizes(layer)):
        return False
    behind = wiring.consumers(layer, model)
    return len(behind) == 1 and graph.kind(behind[0]) == "Dense"


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network with padded maps before these layers."""
    import keras

    forms: dict[str, graph.Form] = {}
    ratios = {}
    for name in layers:
        layer = model.get_layer(name)
        sizes = _sizes(layer)
        wanted = [1 << (size - 1).bit_length() for size in sizes]
        margins = [(0, full - size) for size, full in zip(sizes, wanted, strict=True)]
        padding = (
            keras.layers.ZeroPadding1D(margins[0], name=f"{name}_padding")
            if len(sizes) == 1
            else keras.layers.ZeroPadding2D(margins, name=f"{name}_padding")
        )
        forms[name] = _both(padding, layer.__class__.from_config(layer.get_config()))
        (behind,) = wiring.consumers(layer, model)
        ratios[behind.name] = np.prod(wanted) / np.prod(sizes)
    copy = graph.copied(model, forms)
    for name, ratio in ratios.items():
        kernel = copy.get_layer(name).kernel
        kernel.assign(np.asarray(kernel, np.float64) * ratio)
    return copy


def _sizes(layer: Any) -> tuple[int, ...]:
    return tuple(layer.input.shape[1:-1])


def _both(first: Any, second: Any) -> graph.Form:
    return lambda inputs: second(first(inputs))
