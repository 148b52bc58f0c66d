"""Logical gates: the four corners of a square and what a gate makes of them.

A single neuron can learn `and` and `or`, but not `xor` (M. Minsky, S. Papert, Perceptrons,
MIT Press 1969).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from hepnn.declarations import Declaration

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])

GATES = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}


class Options(Declaration):
    """Options of the set."""

    gate: Literal["and", "or", "xor"] = "xor"
    repeats: int = Field(250, ge=1, description="how often each corner occurs")
    noise: float = Field(0.0, ge=0, description="spread of Gaussian noise on both inputs")
    seed: int = Field(1, ge=0)


def make(options: Options) -> dict[str, np.ndarray]:
    """Return `a`, `b` and the gate's value on the corner that they are near, `class`."""
    corners = np.tile(CORNERS, (options.repeats, 1))
    label = GATES[options.gate](corners[:, 0], corners[:, 1])
    noise = np.random.default_rng(options.seed).normal(0.0, options.noise, corners.shape)
    a, b = (corners + noise).T.astype(np.float32)
    return {"a": a, "b": b, "class": label.astype(np.int8)}
