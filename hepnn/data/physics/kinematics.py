"""Transverse momentum, rapidity and azimuth from four-momenta, as fastjet computes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cylindrical(
    px: Floats, py: Floats, pz: Floats, energy: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return transverse momentum, rapidity and azimuth.

    The rapidity is taken from the smaller light-cone component, which keeps its digits for
    nearly massless particles along the beam; negative squared masses count as zero.

    Parameters
    ----------
    px, py, pz, energy : array
        Four-momenta in GeV, all of one shape. None may lie exactly along the beam.

    Returns
    -------
    tuple of array
        Transverse momentum in GeV, rapidity, azimuth in [-pi, pi].

    Examples
    --------
    >>> one = np.ones(1)
    >>> pt, y, phi = cylindrical(3 * one, 4 * one, 0 * one, 5 * one)
    >>> pt.item(), abs(y.item())
    (5.0, 0.0)
    """
    pt2 = px * px + py * py
    mass2 = np.maximum((energy + pz) * (energy - pz) - pt2, 0.0)
    rapidity = 0.5 * np.log((pt2 + mass2) / (energy + np.abs(pz)) ** 2)
    return np.sqrt(pt2), np.where(pz > 0, -rapidity, rapidity), np.arctan2(py, px)


def wrapped(angle: Floats) -> Floats:
    """Bring angles into [-pi, pi).

    >>> round(float(wrapped(np.array(6.0))), 6)
    -0.283185
    """
    return (angle + np.pi) % (2 * np.pi) - np.pi
