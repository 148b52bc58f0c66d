r"""Noisy sines of any phase and period: predict the next value.

.. math:: x_t = \sin(2 \pi t / P + \varphi) + \epsilon_t, \qquad t = 0 \dots \text{length}

The last one is the target. Without noise :math:`x_{t+1} = 2 \cos(2 \pi / P) x_t - x_{t-1}`; with
it no prediction has a mean squared error below the noise's variance.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from hepnn.declarations import Declaration


class Options(Declaration):
    """Options of the set."""

    sequences: int = Field(5_000, ge=2)
    length: int = Field(32, ge=2)
    shortest: float = Field(8.0, gt=2, description="period, in steps")
    longest: float = Field(32.0, description="period, in steps")
    noise: float = Field(0.1, ge=0, description="spread of Gaussian noise on every value")
    seed: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _rising(self) -> Options:
        if self.shortest > self.longest:
            raise ValueError(f"shortest: {self.shortest:g} is above longest, {self.longest:g}")
        return self


def make(options: Options) -> dict[str, np.ndarray]:
    """Return `value` (sequences, length), `next`, `truth` (`next` without noise) and `period`."""
    rng = np.random.default_rng(options.seed)
    period = rng.uniform(options.shortest, options.longest, options.sequences)
    phase = rng.uniform(0, 2 * np.pi, options.sequences)
    time = np.arange(options.length + 1)
    truth = np.sin(2 * np.pi * time / period[:, np.newaxis] + phase[:, np.newaxis])
    series = (truth + rng.normal(0.0, options.noise, truth.shape)).astype(np.float32)
    return {
        "value": series[:, :-1],
        "next": series[:, -1],
        "truth": truth[:, -1].astype(np.float32),
        "period": period.astype(np.float32),
    }
