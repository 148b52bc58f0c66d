"""Batch normalization becomes part of the weights of the layer before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.layers import wiring
from hepnn.rewrites import graph

TITLE = "fold batch normalization into the layer before it"
PROMISE = "outputs"

_LINEAR = ("Dense", "Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D")


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer is a batch normalization behind a linear layer of its own."""
    if graph.kind(layer) != "BatchNormalization" or layer.axis not in (-1, layer.input.ndim - 1):
        return False
    before = wiring.producer(layer)
    if graph.kind(before) not in _LINEAR or graph.function(before) != "linear":
        return False
    return wiring.consumers(before, model) == [layer]


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network with these normalizations folded."""
    forms: dict[str, graph.Form] = {name: lambda inputs: inputs for name in layers}
    made = []
    for name in layers:
        normalization = model.get_layer(name)
        before = wiring.producer(normalization)
        folded = before.__class__.from_config({**before.get_config(), "use_bias": True})
        forms[before.name] = folded
        made.append((folded, *_weights(before, normalization)))
    copy = graph.copied(model, forms)
    for folded, kernel, bias in made:
        folded.set_weights([kernel, bias])
    return copy


def _weights(layer: Any, normalization: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel and the bias of the two layers in one."""
    parts = {v.name: np.asarray(v, np.float64) for v in normalization.variables}
    scale = parts.get("gamma", 1.0) / np.sqrt(parts["moving_variance"] + normalization.epsilon)
    kernel, *biases = (np.asarray(value, np.float64) for value in layer.get_weights())
    bias = biases[0] if biases else 0.0
    # A depthwise kernel has its outputs on the last two axes.
    outputs = kernel.shape[-2:] if "Depthwise" in graph.kind(layer) else kernel.shape[-1:]
    folded = kernel * scale.reshape(outputs)
    return folded, (bias - parts["moving_mean"]) * scale + parts.get("beta", 0.0)
