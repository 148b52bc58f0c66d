"""Layers that only do something in training are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.rewrites import graph

TITLE = "leave out dropout and noise, which pass their input on at inference"
PROMISE = "outputs"

_NOISE = (
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
)


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer is noise."""
    return graph.kind(layer) in _NOISE


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network without these layers."""
    return graph.copied(model, {name: lambda inputs: inputs for name in layers})
