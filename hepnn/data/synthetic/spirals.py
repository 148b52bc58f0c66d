r"""Spirals that turn around one another, an arm a class.

K. J. Lang, M. J. Witbrock, "Learning to tell two spirals apart", Proc. 1988 Connectionist Models
Summer School, p. 52: two arms of 97 points and three turns. Here, with s from 0 to 1 along arm k
of n, and the outer radius 1 instead of 6.5,

.. math::
    r = 1 - \tfrac{12}{13} s, \qquad \varphi = 2 \pi (\text{turns} \cdot s + k / n), \qquad
    (x, y) = (r \sin\varphi, r \cos\varphi).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from hepnn.declarations import Declaration

INNER_RADIUS = 1 / 13


class Options(Declaration):
    """Options of the set."""

    arms: int = Field(2, ge=2, le=100, description="each is a class")
    turns: float = Field(3.0, gt=0)
    points: int = Field(97, ge=2, description="of each arm")
    noise: float = Field(0.0, ge=0, description="spread of Gaussian noise on both coordinates")
    seed: int = Field(1, ge=0)


def make(options: Options) -> dict[str, np.ndarray]:
    """Return `x`, `y` and `class`, the number of the arm."""
    along = np.tile(np.linspace(0.0, 1.0, options.points), options.arms)
    arm = np.repeat(np.arange(options.arms), options.points)
    radius = 1 - (1 - INNER_RADIUS) * along
    angle = 2 * np.pi * (options.turns * along + arm / options.arms)
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)])
    points += np.random.default_rng(options.seed).normal(0.0, options.noise, points.shape)
    x, y = points.astype(np.float32)
    return {"x": x, "y": y, "class": arm.astype(np.int8)}
