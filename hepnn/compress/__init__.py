"""Compression steps: each makes the next stage from the one before.

A step is a function `plan(step, before, calibration) -> Plan`, named in `COMPRESSORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hepnn import tables
from hepnn.recipe import Step

COMPRESSORS = {
    "prune": "hepnn.compress.prune:plan",
    "cluster": "hepnn.compress.cluster:plan",
    "quantize": "hepnn.compress.quantize:plan",
}


@dataclass(frozen=True)
class Plan:
    """How a stage is made.

    Attributes
    ----------
    stage : str
        Name of the stage.
    prepare : callable
        Called with the warm-started model before the fit.
    callbacks : callable
        `(epochs) -> list` of Keras callbacks.
    finish : callable
        Called with the trained model and the training inputs, in pieces `(events, *shape)`.
    vocabulary : str or None
        Of the stage; None keeps the one of the stage before.
    options : dict
        How the vocabulary is made.
    ready : float
        Fraction of the epochs after which the stage is as compressed as it shall be.
    """

    stage: str
    prepare: Callable[[Any], None]
    callbacks: Callable[[int], list[Any]]
    finish: Callable[[Any, Iterable[np.ndarray]], None]
    vocabulary: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    ready: float = 0.0


def plan(step: Step, before: Any, calibration: np.ndarray) -> Plan:
    """Return the plan of a step on the stage before."""
    name = step.step  # type: ignore[attr-defined]
    return tables.load(COMPRESSORS, name, "compression step")(step, before, calibration)
