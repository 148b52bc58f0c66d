r"""Two moons: half circles that interlock, so that no straight line parts them.

As `make_moons` of scikit-learn (F. Pedregosa et al., JMLR 12 (2011) 2825), with t evenly spaced
from 0 to :math:`\pi`,

.. math::
    (x, y) = (\cos t, \sin t) \quad\text{and}\quad (1 - \cos t, \tfrac12 - \sin t).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from hepnn.declarations import Declaration


class Options(Declaration):
    """Options of the set."""

    points: int = Field(500, ge=2, description="of each moon")
    noise: float = Field(0.1, ge=0, description="spread of Gaussian noise on both coordinates")
    seed: int = Field(1, ge=0)


def make(options: Options) -> dict[str, np.ndarray]:
    """Return `x`, `y` and `class`: 0 for the upper moon, 1 for the lower."""
    t = np.linspace(0.0, np.pi, options.points)
    upper = np.stack([np.cos(t), np.sin(t)])
    lower = np.stack([1 - np.cos(t), 0.5 - np.sin(t)])
    points = np.concatenate([upper, lower], axis=1)
    points += np.random.default_rng(options.seed).normal(0.0, options.noise, points.shape)
    x, y = points.astype(np.float32)
    return {"x": x, "y": y, "class": np.repeat([0, 1], options.points).astype(np.int8)}
