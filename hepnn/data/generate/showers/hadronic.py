r"""Showers of charged pions, simplified.

Along the axis, the mean profile of R. K. Bock, T. Hansl-Kozanecka, T. P. Shah, Nucl. Instrum.
Methods 186 (1981) 533: two gamma distributions from the first interaction on, one in radiation
lengths t, one in interaction lengths l,

.. math::
    dE = E \left[ w \frac{(b t)^{a - 1} b e^{-b t}}{\Gamma(a)} dt
       + (1 - w) \frac{(d l)^{a - 1} d e^{-d l}}{\Gamma(a)} dl \right]

with a = 0.6165 + 0.3183 ln E, b = 0.2198, d = 0.9099 - 0.0237 ln E, w = 0.4634 and E in GeV.

What fluctuates is this project's choice and no fit to data: the depth of the first interaction
(exponential), w (a beta distribution), and the number of spots. Before the interaction the pion
ionizes. Across the axis the first part is like an electromagnetic shower; the second has
95 % of its energy within one interaction length, a rule of C. W. Fabjan, F. Gianotti,
Rev. Mod. Phys. 75 (2003) 1243, taken at every depth.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hepnn.data.generate.showers.medium import Medium

ELECTROMAGNETIC_SHARE = 0.4634

#: Sum of the two parameters of the share's beta distribution: a spread of 0.22.
CONCENTRATION = 4.0

#: Spots a GeV of the hadronic part.
SPOTS = 15.0

#: Scale of the radial profile in interaction lengths: 2 r R^2 / (r^2 + R^2)^2 has 95 % within 1.
RADIUS = math.sqrt(0.05 / 0.95)


class Profile(NamedTuple):
    """The gamma distributions along the axis; `fall` is in inverse lengths of its own part."""

    shape: float
    electromagnetic_fall: float
    hadronic_fall: float


def average(energy: float) -> Profile:
    """Return the mean profile from the first interaction on."""
    log_energy = math.log(energy)
    return Profile(0.6165 + 0.3183 * log_energy, 0.2198, 0.9099 - 0.0237 * log_energy)


def start(medium: Medium, rng: np.random.Generator) -> float:
    """Draw the depth of the first interaction, in radiation lengths."""
    return float(rng.exponential(medium.interaction_depth))


def share(rng: np.random.Generator) -> float:
    """Draw the electromagnetic share of a shower."""
    mean = ELECTROMAGNETIC_SHARE
    return float(rng.beta(mean * CONCENTRATION, (1 - mean) * CONCENTRATION))
