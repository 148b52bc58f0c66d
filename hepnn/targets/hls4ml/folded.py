"""A Keras network with the layers that hls4ml has."""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn.rewrites import fold


def layerwise(model: Any, graph: Any, x: np.ndarray) -> Any:
    """Return a network whose layers can be compared with hls4ml's, one by one.

    A sequential network becomes a functional one, whose input is a layer; what hls4ml folded into
    the weights before it is folded here too.

    Parameters
    ----------
    model
        The Keras network that was converted.
    graph
        hls4ml's.
    x
        Events `(events, *shape)`.
    """
    import keras

    model = keras.Model(model.inputs, model.outputs)
    gone = [n.name for n in model.layers if n.name not in graph.graph and fold.applies(n, model)]
    return fold.rewritten(model, gone, x) if gone else model
