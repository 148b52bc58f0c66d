"""Neurons and filters that give nothing but zero are left out, with the weights that they meet.

What structured pruning (`hepnn.compress.structure`) leaves as zeros is cut away: columns of the
kernel and the bias, their entries of a batch normalization behind it, and the rows of the next
kernel. A layer whose outputs go into a sum, or into several layers, keeps its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from hepnn.layers import wiring
from hepnn.rewrites import graph

TITLE = "cut away neurons and filters that are always zero, and the weights behind them"
PROMISE = "outputs"

#: What units are counted by.
_UNITS = {"Dense": "units", "Conv1D": "filters", "Conv2D": "filters"}

#: Layers that every channel passes alone.
_PASSING = (
    "Activation",
    "ReLU",
    "LeakyReLU",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "AveragePooling1D",
    "AveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
)


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer has dead units that can be cut away."""
    return bool(_behind(layer, model))


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network with these layers, and what they go into, narrower."""
    leaving, entering = {}, {}
    for name in layers:
        layer = model.get_layer(name)
        leaving[name] = _kept(layer)
        entering.update({one.name: kept for one, kept in _behind(layer, model)})
    made = {}
    for name in leaving | entering:
        layer = model.get_layer(name)
        config = layer.get_config()
        if name in leaving:
            config[_UNITS[graph.kind(layer)]] = int(leaving[name].sum())
        made[name] = layer.__class__.from_config(config)
    copy = graph.copied(model, made)
    for name, narrow in made.items():
        into, out = entering.get(name), leaving.get(name)
        weights = model.get_layer(name).get_weights()
        if graph.kind(narrow) == "BatchNormalization":
            narrow.set_weights([array[into] for array in weights])
            continue
        kernel, *bias = weights
        kernel = kernel if into is None else kernel[..., into, :]
        out = np.ones(kernel.shape[-1], bool) if out is None else out
        narrow.set_weights([kernel[..., out], *(array[out] for array in bias)])
    return copy


def _kept(layer: Any) -> np.ndarray:
    """Return which units `(units,)` bool stay; of a layer that is all dead, one."""
    from hepnn.compress import structure

    kept = ~structure.removed(layer)
    kept[0] |= not kept.any()
    return kept


def _behind(layer: Any, model: Any) -> list[tuple[Any, np.ndarray]]:
    """Return the layers with weights that a layer's units meet, and which of the inputs stay.

    The last one is the next kernel. Empty where nothing can be cut away.
    """
    from hepnn.compress import structure

    known = structure.layers(model, "unit")
    if layer.name not in known or not _plain(layer):
        return []
    kept = _kept(layer)
    if kept.all() or not structure.dies(layer, model, ~kept):
        return []
    found: list[tuple[Any, np.ndarray]] = []
    here = layer
    while len(behind := wiring.consumers(here, model)) == 1:
        (here,) = behind
        if _plain(here) and not wiring.called_again(here, model):
            return [*found, (here, kept)]
        if graph.kind(here) == "Flatten":
            kept = np.tile(kept, prod(here.input.shape[1:-1]))
        elif graph.kind(here) == "BatchNormalization":
            found.append((here, kept))
        elif graph.kind(here) not in _PASSING:
            break
    return []


def _plain(layer: Any) -> bool:
    return graph.kind(layer) in _UNITS and getattr(layer, "groups", 1) == 1
