"""What lies before and behind a layer of a functional model."""

from __future__ import annotations

from typing import Any


def producer(layer: Any) -> Any:
    """Return the layer whose output goes in; None where there are several."""
    tensor = layer.input
    return None if isinstance(tensor, (list, tuple)) else tensor._keras_history.operation


def consumers(layer: Any, model: Any) -> list[Any]:
    """Return the layers of a model that a layer's output goes into, once for each call."""
    nodes = [node for of_depth in model._nodes_by_depth.values() for node in of_depth]
    return [
        node.operation
        for node in nodes
        if any(t._keras_history.operation is layer for t in node.input_tensors)
    ]


def called_again(layer: Any, model: Any) -> bool:
    """Say whether a model calls a layer more than once."""
    nodes = [node for of_depth in model._nodes_by_depth.values() for node in of_depth]
    return sum(node.operation is layer for node in nodes) > 1
