r"""Energy correlators of many jets at once: sums over all pairs and triples of constituents.

With :math:`z_i = p_{T,i} / \sum_j p_{T,j}` and :math:`\theta_{ij}` the distance in rapidity
and azimuth, the correlators are (arXiv:1609.07483)

.. math::
    {}_1e_2^{(\beta)} &= \sum_{i<j} z_i z_j \theta_{ij}^\beta \\
    {}_ve_3^{(\beta)} &= \sum_{i<j<k} z_i z_j z_k
        \prod_{m=1}^{v} \min{}^{(m)} \{\theta_{ij}, \theta_{ik}, \theta_{jk}\}^\beta

where :math:`\min^{(m)}` is the m-th smallest. With v = 3 the second is the correlator e3 of
arXiv:1305.0007. The triples cost the time, so all betas and all v are summed in one pass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.kinematics import Floats
from hepnn.errors import missing_extra

try:
    from numba import njit
except ImportError as error:
    raise missing_extra("numba", "hep", "computing jet features") from error

NAMES = (
    "e2_b0", "e2_b1", "e2_b2",
    "v1e3_b1", "v1e3_b2", "v2e3_b1", "v2e3_b2", "v3e3_b1", "v3e3_b2",
)  # fmt: skip


@njit(cache=True, fastmath=True, error_model="numpy")
def _one_jet(
    z: Floats, y: Floats, phi: Floats, theta: Floats, out: Floats
) -> None:  # pragma: no cover
    # Slices and loops from zero: only then does numba see that no index is negative, and
    # load neighbours at once. Only distances to later constituents are needed.
    n = len(z)
    for i in range(n - 1):
        row, ys, phis = theta[i, i + 1 : n], y[i + 1 :], phi[i + 1 :]
        for j in range(n - i - 1):
            dy, dphi = ys[j] - y[i], abs(phis[j] - phi[i])
            dphi = min(dphi, 2 * np.pi - dphi)
            row[j] = np.sqrt(dy * dy + dphi * dphi)
    for i in range(n - 1):
        for j in range(i + 1, n):
            zz, ij = z[i] * z[j], theta[i, j]
            out[0] += zz
            out[1] += zz * ij
            out[2] += zz * ij * ij
            to_i, to_j, others = theta[i, j + 1 : n], theta[j, j + 1 : n], z[j + 1 :]
            a1, a2, b1, b2, c1, c2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for k in range(n - j - 1):
                ik, jk, zk = to_i[k], to_j[k], others[k]
                # The two smallest of three have the smallest of the three products.
                nearer, product = min(ik, jk), ik * jk
                one = min(ij, nearer)
                two = min(ij * nearer, product)
                a1 += zk * one
                a2 += zk * one * one
                b1 += zk * two
                b2 += zk * two * two
                c1 += zk * product
                c2 += zk * product * product
            out[3] += zz * a1
            out[4] += zz * a2
            out[5] += zz * b1
            out[6] += zz * b2
            out[7] += zz * ij * c1
            out[8] += zz * ij * ij * c2


@njit(cache=True, error_model="numpy")
def _all_jets(
    pt: Floats, y: Floats, phi: Floats, offsets: NDArray[np.int64], out: Floats
) -> None:  # pragma: no cover
    largest = np.max(np.diff(offsets))
    theta, z = np.empty((largest, largest)), np.empty(largest)
    for jet in range(len(offsets) - 1):
        first, last = offsets[jet], offsets[jet + 1]
        total = pt[first:last].sum()
        if total > 0:
            shares = z[: last - first]
            shares[:] = pt[first:last] / total
            _one_jet(shares, y[first:last], phi[first:last], theta, out[jet])


def correlators(
    pt: Floats, rapidity: Floats, azimuth: Floats, offsets: NDArray[np.int64]
) -> dict[str, Floats]:
    """Sum the correlators of every jet.

    Parameters
    ----------
    pt, rapidity, azimuth : array, shape (constituents,)
        All jets' constituents, one jet after the other.
    offsets : array, shape (jets + 1,)
        Where each jet begins; a jet may have no constituents.

    Returns
    -------
    dict
        For each of ``NAMES`` an array of shape (jets,): ``v2e3_b1`` is the correlator of
        three points and the two smallest angles at beta 1.

    Examples
    --------
    >>> e = correlators(np.array([3.0, 1.0]), np.zeros(2), np.array([0.0, 0.2]), np.array([0, 2]))
    >>> round(float(e["e2_b1"][0]), 6)
    0.0375
    """
    out = np.zeros((len(offsets) - 1, len(NAMES)))
    if len(out):
        _all_jets(pt, rapidity, azimuth, offsets, out)
    return dict(zip(NAMES, out.T, strict=True))
