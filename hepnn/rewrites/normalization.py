"""Layer normalization becomes batch normalization, as published firmware has it.

What it divides by is then known before an event comes, and folds into weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.rewrites import graph

TITLE = "batch instead of layer normalization, its mean and variance those of the events"
PROMISE = "nothing"


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer is a layer normalization over the last axis."""
    axes = layer.axis if graph.kind(layer) == "LayerNormalization" else None
    axes = axes if isinstance(axes, int) or axes is None else axes[0] if len(axes) == 1 else None
    return axes is not None and axes in (-1, layer.input.ndim - 1)


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network with batch normalizations; it has to be trained on."""
    import keras

    made = []
    for name in layers:
        layer = model.get_layer(name)
        entering = keras.Model(model.inputs, layer.input).predict(x, batch_size=1024, verbose=0)
        other = keras.layers.BatchNormalization(
            epsilon=layer.epsilon, center=layer.center, scale=layer.scale, name=name
        )
        made.append((layer, other, entering.reshape(-1, entering.shape[-1])))
    copy = graph.copied(model, {layer.name: other for layer, other, _ in made})
    for layer, other, values in made:
        own = {variable.name: variable for variable in other.variables}
        for variable in layer.variables:  # gamma and beta
            own[variable.name].assign(variable.value)
        own["moving_mean"].assign(values.mean(axis=0))
        own["moving_variance"].assign(values.var(axis=0))
    return copy
