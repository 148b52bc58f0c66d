r"""Electromagnetic showers in a homogeneous medium (G. Grindhammer, S. Peters, hep-ex/0001020).

With depths t in radiation lengths, radii r in Moliere radii, y = E / E_c and a gamma
distribution along the axis,

.. math::
    dE(t, r) = E\, f(t)\, dt\, f(r)\, dr, \qquad
    f(t) = \frac{(\beta t)^{\alpha - 1} \beta e^{-\beta t}}{\Gamma(\alpha)}, \qquad
    T = \frac{\alpha - 1}{\beta},

a shower draws correlated normal ln T and ln alpha. Across the axis there are a core and a tail,
whose radii and weight depend on the depth in units of the shower's own,

.. math::
    f(r) = p \frac{2 r R_C^2}{(r^2 + R_C^2)^2} + (1 - p) \frac{2 r R_T^2}{(r^2 + R_T^2)^2},

and fluctuate since the energy comes in a finite number of spots, which have a gamma
distribution of their own. All numbers are those of the paper's appendix A for homogeneous media;
below some 0.4 GeV their logarithms turn, and they must not be used.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hepnn.data.generate.showers.medium import Medium
from hepnn.data.physics.kinematics import Floats

# Below this the gamma distribution has no maximum inside the medium.
LEAST_ALPHA = 1.1
LEAST_MAXIMUM = 0.5


class Profile(NamedTuple):
    """One shower's gamma distribution along the axis."""

    maximum: float
    alpha: float

    @property
    def beta(self) -> float:
        """Inverse length of the fall, per radiation length."""
        return (self.alpha - 1) / self.maximum


class Radial(NamedTuple):
    """Core and tail radius in Moliere radii, and the core's share, at each depth."""

    core: Floats
    tail: Floats
    share: Floats


def average(energy: float, medium: Medium) -> Profile:
    """Return the average shower's profile (appendix A).

    >>> from hepnn.data.generate.showers.medium import IRON
    >>> round(average(10.0, IRON).maximum, 2)
    5.32
    """
    y = math.log(energy / medium.critical_energy)
    return Profile(y - 0.858, 0.21 + (0.492 + 2.38 / medium.charge) * y)


def median(energy: float, medium: Medium) -> Profile:
    """Return the exponentials of the means of ln T and ln alpha (appendix A)."""
    y = math.log(energy / medium.critical_energy)
    return Profile(y - 0.812, 0.81 + (0.458 + 2.26 / medium.charge) * y)


def individual(energy: float, medium: Medium, rng: np.random.Generator) -> Profile:
    """Draw one shower's profile (appendix A)."""
    y = math.log(energy / medium.critical_energy)
    middle = median(energy, medium)
    correlation = 0.705 - 0.023 * y
    one, two = rng.standard_normal(2)
    other = correlation * one + math.sqrt(1 - correlation**2) * two
    maximum = middle.maximum * math.exp(one / (-1.4 + 1.26 * y))
    alpha = middle.alpha * math.exp(other / (-0.58 + 0.86 * y))
    return Profile(max(maximum, LEAST_MAXIMUM), max(alpha, LEAST_ALPHA))


def of_spots(profile: Profile, medium: Medium) -> Profile:
    """Return the profile of the number of spots (appendix A)."""
    maximum = profile.maximum * (0.698 + 0.00212 * medium.charge)
    alpha = profile.alpha * (0.639 + 0.00334 * medium.charge)
    return Profile(maximum, max(alpha, LEAST_ALPHA))


def number_of_spots(energy: float, medium: Medium) -> float:
    """Return how many spots a shower has on average (appendix A)."""
    return 93 * math.log(medium.charge) * energy**0.876


def stage(depth: Floats, profile: Profile, energy: float, medium: Medium) -> Floats:
    """Return depths in units of the shower's: 1 near the maximum."""
    usual = median(energy, medium).alpha
    centre = profile.alpha / profile.beta
    return depth / centre * usual / (usual - 1)


def radial(tau: Floats, energy: float, medium: Medium) -> Radial:
    """Return the radial profile at stages of a shower (appendix A)."""
    z, log_energy = medium.charge, math.log(energy)
    core = 0.0251 + 0.00319 * log_energy + (0.1162 - 0.000381 * z) * tau
    fall, rise = -2.59, 0.3585 + 0.0421 * log_energy
    tail = (0.659 - 0.00309 * z) * (np.exp(fall * (tau - 0.645)) + np.exp(rise * (tau - 0.645)))
    argument = (0.401 + 0.00187 * z - tau) / (1.313 - 0.0686 * log_energy)
    share = (2.632 - 0.00094 * z) * np.exp(argument - np.exp(argument))
    return Radial(core, tail, share)


def radii(profile: Radial, rng: np.random.Generator) -> Floats:
    """Draw a radius in Moliere radii for every entry of a radial profile."""
    scale = np.where(rng.random(len(profile.core)) < profile.share, profile.core, profile.tail)
    inside = rng.random(len(scale))
    return scale * np.sqrt(inside / (1 - inside))


def contained(radius: float, profile: Radial) -> Floats:
    """Return the share of the energy inside a radius, in Moliere radii."""
    r2 = radius**2
    core, tail = r2 / (r2 + profile.core**2), r2 / (r2 + profile.tail**2)
    return profile.share * core + (1 - profile.share) * tail
