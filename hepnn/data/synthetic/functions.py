"""A function of one variable, with noise: regression that fits on a page.

`FUNCTIONS` has the functions by name, on [-1, 1]. `runge` is C. Runge's, Z. Math. Phys. 46 (1901)
224, on which polynomials of high degree overshoot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from hepnn.declarations import Declaration

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sine": lambda x: np.sin(2 * np.pi * x),
    "step": lambda x: np.where(x < 0, -1.0, 1.0),
    "bump": lambda x: np.exp(-0.5 * (x / 0.2) ** 2),
    "polynomial": lambda x: 4 * x**3 - 3 * x,
    "absolute": np.abs,
    "runge": lambda x: 1 / (1 + 25 * x**2),
    "chirp": lambda x: np.sin(8 * np.pi * x**2),
}


class Options(Declaration):
    """Options of the set."""

    function: Literal["sine", "step", "bump", "polynomial", "absolute", "runge", "chirp"] = "sine"
    points: int = Field(1_000, ge=2)
    noise: float = Field(0.1, ge=0, description="spread of Gaussian noise on the value")
    seed: int = Field(1, ge=0)


def make(options: Options) -> dict[str, np.ndarray]:
    """Return `x`, uniform in [-1, 1), `y` and the function without noise, `truth`."""
    rng = np.random.default_rng(options.seed)
    x = rng.uniform(-1.0, 1.0, options.points)
    truth = FUNCTIONS[options.function](x)
    y = truth + rng.normal(0.0, options.noise, options.points)
    return {
        name: values.astype(np.float32) for name, values in (("x", x), ("y", y), ("truth", truth))
    }
