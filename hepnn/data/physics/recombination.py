r"""Sequential recombination of whole jets: which constituents merge, in which order.

The two closest pseudojets merge, their four-momenta added (the E-scheme), until one is left.
Close is (arXiv:0802.1189, equation 1a, without the factor 1/R²)

.. math::
    d_{ij} = \min(p_{T,i}^{2p}, p_{T,j}^{2p})\,
        \bigl((y_i - y_j)^2 + (\phi_i - \phi_j)^2\bigr)

with p = 1 for the kt algorithm (hep-ph/9305266) and p = 0 for Cambridge/Aachen
(hep-ph/9707323). There is no distance to the beam: every constituent belongs to the jet. The
pair with the smallest distance is one of geometrically nearest neighbours (hep-ph/0512210), so
that remembering each pseudojet's neighbour makes the cost of a jet quadratic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.kinematics import Floats
from hepnn.errors import DataError, missing_extra

try:
    from numba import njit
except ImportError as error:
    raise missing_extra("numba", "hep", "recombining jets") from error

KT, CAMBRIDGE_AACHEN = 1.0, 0.0

# Added to |pz| where a momentum lies along the beam, as fastjet does.
LARGEST_RAPIDITY = 1e5


class Momenta(NamedTuple):
    """Four-momenta in GeV of many jets' constituents, one jet after the other.

    ``offsets``, of shape (jets + 1,), is where each jet begins; the others are of shape
    (constituents,).
    """

    px: Floats
    py: Floats
    pz: Floats
    energy: Floats
    offsets: NDArray[np.int64]


class Trees(NamedTuple):
    """The pseudojets of many jets: constituents, and what they merged to.

    A jet of n constituents that begins at ``offsets[jet]`` has the nodes from
    ``2 * offsets[jet]``: its constituents in their order, then the n - 1 mergings in theirs.
    ``children`` (nodes, 2) has the two that merged to a node, counted from the jet's first, and
    -1 for a constituent.
    """

    momenta: Floats
    pt: Floats
    rapidity: Floats
    azimuth: Floats
    children: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def leaves(self) -> NDArray[np.int64]:
        """Return where the constituents lie among the nodes, in their order."""
        return leaves(self.offsets)


def leaves(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the constituents of jets lie among the nodes of their trees.

    >>> leaves(np.array([0, 2, 3])).tolist()
    [0, 1, 4]
    """
    return np.arange(offsets[-1]) + np.repeat(offsets[:-1], np.diff(offsets))


@njit(cache=True, error_model="numpy")
def _locate(node: int, p: Floats, pt: Floats, y: Floats, phi: Floats) -> None:  # pragma: no cover
    px, py, pz, energy = p[node, 0], p[node, 1], p[node, 2], p[node, 3]
    pt2 = px * px + py * py
    mass2 = max((energy + pz) * (energy - pz) - pt2, 0.0)
    if pt2 + mass2 > 0 and energy + abs(pz) > 0:
        rapidity = -0.5 * np.log((pt2 + mass2) / (energy + abs(pz)) ** 2)
    else:
        rapidity = LARGEST_RAPIDITY + abs(pz)
    pt[node] = np.sqrt(pt2)
    y[node] = rapidity if pz > 0 else -rapidity
    phi[node] = np.arctan2(py, px)


@njit(cache=True)
def _weight(pt: float, power: float) -> float:  # pragma: no cover
    # The two powers that are used much are spared a call of pow.
    if power == 0:
        return 1.0
    return pt * pt if power == 1 else pt ** (2 * power)


@njit(cache=True)
def _apart(y1: float, phi1: float, y2: float, phi2: float) -> float:  # pragma: no cover
    dphi = abs(phi1 - phi2)
    dphi = min(dphi, 2 * np.pi - dphi)
    return (y1 - y2) ** 2 + dphi * dphi


@njit(cache=True)
def _one_jet(
    n: int,
    power: float,
    p: Floats,
    pt: Floats,
    y: Floats,
    phi: Floats,
    children: NDArray[np.int32],
    slots: Floats,
    links: NDArray[np.int64],
) -> None:  # pragma: no cover
    # The pseudojets that are left lie in the first slots, side by side.
    ys, phis, weight, gap = slots[0], slots[1], slots[2], slots[3]
    node, near = links[0], links[1]
    for i in range(n):
        _locate(i, p, pt, y, phi)
        ys[i], phis[i], weight[i] = y[i], phi[i], _weight(pt[i], power)
        node[i], near[i], gap[i] = i, 0, np.inf
        for j in range(i):
            d = _apart(ys[i], phis[i], ys[j], phis[j])
            if d < gap[i]:
                gap[i], near[i] = d, j
            if d < gap[j]:
                gap[j], near[j] = d, i
    for left in range(n - 1, 0, -1):
        a, closest = 0, np.inf
        for i in range(left + 1):
            d = gap[i] * min(weight[i], weight[near[i]])
            if d < closest:
                a, closest = i, d
        a, b = min(a, near[a]), max(a, near[a])
        new = 2 * n - 1 - left
        children[new, 0], children[new, 1] = node[a], node[b]
        for c in range(4):
            p[new, c] = p[node[a], c] + p[node[b], c]
        _locate(new, p, pt, y, phi)
        # The new one takes the slot of the first, the last one that of the second.
        ys[a], phis[a], weight[a] = y[new], phi[new], _weight(pt[new], power)
        node[a], gap[a] = new, np.inf
        ys[b], phis[b], weight[b] = ys[left], phis[left], weight[left]
        node[b], near[b], gap[b] = node[left], near[left], gap[left]
        for i in range(left):
            if i == a:
                continue
            d = _apart(ys[i], phis[i], ys[a], phis[a])
            if d < gap[a]:
                gap[a], near[a] = d, i
            if near[i] == a or near[i] == b:
                gap[i] = np.inf
                for j in range(left):
                    other = _apart(ys[i], phis[i], ys[j], phis[j])
                    if j != i and other < gap[i]:
                        gap[i], near[i] = other, j
            else:
                if near[i] == left:
                    near[i] = b
                if d < gap[i]:
                    gap[i], near[i] = d, a


@njit(cache=True)
def _all_jets(
    power: float,
    offsets: NDArray[np.int64],
    p: Floats,
    pt: Floats,
    y: Floats,
    phi: Floats,
    children: NDArray[np.int32],
) -> None:  # pragma: no cover
    largest = np.max(np.diff(offsets))
    slots, links = np.empty((4, largest)), np.empty((2, largest), np.int64)
    for jet in range(len(offsets) - 1):
        first, last = 2 * offsets[jet], 2 * offsets[jet + 1]
        _one_jet(
            (last - first) // 2,
            power,
            p[first:last],
            pt[first:last],
            y[first:last],
            phi[first:last],
            children[first:last],
            slots,
            links,
        )


def recombine(jets: Momenta, power: float) -> Trees:
    """Recombine each jet's constituents until one pseudojet is left.

    Parameters
    ----------
    jets : Momenta
        Constituents; a jet may have none.
    power : float
        ``KT`` or ``CAMBRIDGE_AACHEN``, or another p of the generalized algorithm.

    Raises
    ------
    DataError
        When a momentum is not finite or an energy negative, or the offsets are not those of the
        constituents.

    Examples
    --------
    >>> one = np.ones(3)
    >>> jet = Momenta(one, np.array([0.0, 0.1, 0.3]), 0 * one, 2 * one, np.array([0, 3]))
    >>> recombine(jet, CAMBRIDGE_AACHEN).children[3:5].tolist()
    [[0, 1], [3, 2]]
    """
    offsets = np.ascontiguousarray(jets.offsets, np.int64)
    columns = np.stack([np.asarray(column, np.float64) for column in jets[:4]], axis=1)
    if offsets[0] != 0 or offsets[-1] != len(columns) or (np.diff(offsets) < 0).any():
        raise DataError(f"offsets of jets must rise from 0 to {len(columns)} constituents")
    wrong = np.flatnonzero(~np.isfinite(columns).all(axis=1) | (columns[:, 3] < 0))
    if len(wrong):
        jet = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
        raise DataError(
            f"jet {jet}: constituent {wrong[0] - offsets[jet]} is not finite or has negative energy"
        )
    nodes = 2 * len(columns)
    momenta = np.zeros((nodes, 4))
    momenta[leaves(offsets)] = columns
    pt, rapidity, azimuth = np.zeros((3, nodes))
    children = np.full((nodes, 2), -1, np.int32)
    if nodes:
        _all_jets(power, offsets, momenta, pt, rapidity, azimuth, children)
    return Trees(momenta, pt, rapidity, azimuth, children, offsets)
