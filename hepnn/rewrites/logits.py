"""A final softmax or sigmoid is left to the host: the largest output stays the largest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.rewrites import graph

TITLE = "end in logits, where only the ranking matters"
PROMISE = "ranking"


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer is the last one and ends in a softmax or a sigmoid."""
    if not any(layer.output is tensor for tensor in model.outputs):
        return False
    return graph.function(layer) in ("softmax", "sigmoid") or graph.kind(layer) == "Softmax"


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network up to its logits."""
    import keras

    (name,) = layers
    last = model.get_layer(name)
    if not last.weights:
        return graph.copied(model, {name: lambda inputs: inputs})
    config = {**last.get_config(), "activation": "linear"}
    plain = last.__class__.from_config(config)
    copy = graph.copied(model, {name: plain})
    plain.set_weights(last.get_weights())
    return keras.Model(copy.inputs, copy.outputs, name=model.name)
