r"""Shapes of jets that need one pass over the constituents.

Most are generalized angularities (arXiv:1408.3122),

.. math::
    \lambda_\beta^\kappa = \sum_i z_i^\kappa (\theta_i / R_0)^\beta, \qquad
    z_i = p_{T,i} / \sum_j p_{T,j}

with :math:`\theta_i` the distance from the jet's axis in rapidity and azimuth: the multiplicity
is (kappa, beta) = (0, 0), the square of the dispersion in pT (2, 0), the width (1, 1). A jet
without constituents, or without transverse momentum, has zero of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.kinematics import Floats, wrapped


def sums(values: Floats, offsets: NDArray[np.int64], add: np.ufunc = np.add) -> Floats:
    """Add up each jet's values; a jet without constituents has zero.

    Parameters
    ----------
    values : array, shape (constituents,)
        All jets' values, one jet after the other.
    offsets : array, shape (jets + 1,)
        Where each jet begins.
    add : ufunc
        Another operation of two numbers, such as ``np.maximum``.

    Examples
    --------
    >>> sums(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 2, 3])).tolist()
    [3.0, 0.0, 3.0]
    """
    out = np.zeros(len(offsets) - 1)
    filled = np.diff(offsets) > 0
    if filled.any():
        out[filled] = add.reduceat(values, offsets[:-1][filled])
    return out


def shares(pt: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Return each constituent's share z of the scalar sum of its jet's pT.

    >>> shares(np.array([3.0, 1.0]), np.array([0, 2])).tolist()
    [0.75, 0.25]
    """
    total = np.repeat(sums(pt, offsets), np.diff(offsets))
    return np.divide(pt, total, out=np.zeros_like(total), where=total > 0)


def multiplicity(offsets: NDArray[np.int64]) -> Floats:
    """Count each jet's constituents."""
    return np.diff(offsets).astype(np.float64)


def zlogz(pt: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Sum z log z over each jet's constituents, z being the share of the scalar sum of pT.

    Examples
    --------
    >>> round(float(zlogz(np.array([1.0, 1.0]), np.array([0, 2]))[0]), 6)
    -0.693147
    """
    z = shares(pt, offsets)
    return sums(z * np.log(z, out=np.zeros_like(z), where=z > 0), offsets)


def dispersion(pt: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Compute pTD, the root of the sum of pT² over the sum of pT (CMS-PAS-JME-13-002).

    One where a single constituent has everything, 1/sqrt(n) where n share equally.

    Examples
    --------
    >>> dispersion(np.ones(4), np.array([0, 4])).tolist()
    [0.5]
    """
    return np.sqrt(sums(shares(pt, offsets) ** 2, offsets))


def leading_share(pt: Floats, offsets: NDArray[np.int64]) -> Floats:
    """Return the share of the sum of pT that the leading constituent has.

    The limit for large kappa of the angularity at beta 0, to the power 1 / kappa.

    Examples
    --------
    >>> leading_share(np.array([3.0, 1.0]), np.array([0, 2])).tolist()
    [0.75]
    """
    return sums(shares(pt, offsets), offsets, np.maximum)


def angularity(
    pt: Floats,
    rapidity: Floats,
    azimuth: Floats,
    offsets: NDArray[np.int64],
    axis: tuple[Floats, Floats],
    kappa: float = 1.0,
    beta: float = 1.0,
    radius: float = 1.0,
) -> Floats:
    """Compute a generalized angularity, by default the jet's width.

    The width, or girth, is the first radial moment of arXiv:1106.3076, where the sum is over
    the pT of the jet.

    Parameters
    ----------
    pt, rapidity, azimuth : array, shape (constituents,)
        All jets' constituents, one jet after the other.
    offsets : array, shape (jets + 1,)
        Where each jet begins.
    axis : pair of array, shape (jets,)
        Rapidity and azimuth of the jets.
    kappa, beta : float
        Powers of the share and of the distance, not negative.
    radius : float
        R0, the unit of distance.

    Examples
    --------
    >>> pt, y = np.array([3.0, 1.0]), np.array([0.0, 0.4])
    >>> axis = np.array([0.1]), np.array([0.0])
    >>> angularity(pt, y, np.zeros(2), np.array([0, 2]), axis).round(6).tolist()
    [0.15]
    """
    counts = np.diff(offsets)
    dy = rapidity - np.repeat(axis[0], counts)
    dphi = wrapped(azimuth - np.repeat(axis[1], counts))
    theta = np.hypot(dy, dphi) / radius
    return sums(shares(pt, offsets) ** kappa * theta**beta, offsets)
