"""A final softmax becomes the decision: one for the largest output, zero for the others.

For firmware whose reader wants no more than the class: comparisons take the place of the
exponential and its tables, and one bit a class leaves the chip. Working points of an efficiency
cannot be chosen behind it any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.rewrites import graph, logits

TITLE = "end in the decision itself, one for the largest output, where only it matters"
PROMISE = "ranking"


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer is the last one, ends in a softmax, and decides between classes."""
    ends = logits.applies(layer, model) and graph.function(layer) != "sigmoid"
    return ends and layer.output.shape[-1] > 1


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network up to its logits, with the decision behind them."""
    import keras

    from hepnn.layers.decision import Largest

    before = logits.rewritten(model, layers, x)
    outputs = Largest(name="decision")(before.outputs[0])
    return keras.Model(before.inputs, outputs, name=model.name)
