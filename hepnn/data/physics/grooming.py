"""Grooming by the modified mass-drop tagger: what is left of a jet without its soft edges.

The tagger (arXiv:1307.0007), which is soft drop at beta = 0 (arXiv:1402.2657), goes
back through the mergings of Cambridge/Aachen, follows the branch with the larger pT, and stops
where the softer one has more than a share zcut: ``min(pt1, pt2) / (pt1 + pt2) > zcut``. A jet
without such a merging is groomed to its last constituent.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.kinematics import Floats
from hepnn.data.physics.recombination import CAMBRIDGE_AACHEN, Momenta, Trees, recombine
from hepnn.errors import missing_extra

try:
    from numba import njit
except ImportError as error:
    raise missing_extra("numba", "hep", "grooming jets") from error

SYMMETRY_CUT = 0.1


class Groomed(NamedTuple):
    """What grooming leaves of each jet.

    ``kept`` (constituents,) marks its constituents among the jet's; ``pt``, ``rapidity`` and
    ``azimuth`` are those of the kept alone, which begin at ``offsets``; ``mass`` (jets,) in GeV
    is of their sum, zero where rounding makes its square negative.
    """

    kept: NDArray[np.bool_]
    pt: Floats
    rapidity: Floats
    azimuth: Floats
    offsets: NDArray[np.int64]
    mass: Floats


@njit(cache=True)
def _unwind(
    cut: float, pt: Floats, children: NDArray[np.int32], kept: NDArray[np.bool_]
) -> int:  # pragma: no cover
    n = len(pt) // 2
    node = 2 * n - 2
    while node >= n:
        hard, soft = children[node]
        if pt[hard] < pt[soft]:
            hard, soft = soft, hard
        if pt[soft] > cut * (pt[hard] + pt[soft]):
            break
        node = hard
    # A node's children come before it, so that one pass downward marks all below it.
    kept[node] = True
    for parent in range(node, n - 1, -1):
        if kept[parent]:
            kept[children[parent, 0]] = kept[children[parent, 1]] = True
    return node


@njit(cache=True)
def _all_jets(
    cut: float,
    offsets: NDArray[np.int64],
    pt: Floats,
    children: NDArray[np.int32],
    kept: NDArray[np.bool_],
    top: NDArray[np.int64],
) -> None:  # pragma: no cover
    for jet in range(len(offsets) - 1):
        first, last = 2 * offsets[jet], 2 * offsets[jet + 1]
        if last > first:
            top[jet] = first + _unwind(cut, pt[first:last], children[first:last], kept[first:last])


def groom(jets: Momenta, symmetry_cut: float = SYMMETRY_CUT) -> Groomed:
    """Groom jets with the modified mass-drop tagger.

    Parameters
    ----------
    jets : Momenta
        Constituents; a jet may have none.
    symmetry_cut : float
        The share zcut of the softer branch.

    Raises
    ------
    DataError
        When a momentum is not finite or an energy negative, or the offsets are not those of the
        constituents.

    Examples
    --------
    >>> pt, angle = np.array([100.0, 50.0, 1.0]), np.array([0.0, 0.1, 0.5])
    >>> jet = Momenta(pt * np.cos(angle), pt * np.sin(angle), 0 * pt, pt, np.array([0, 3]))
    >>> groom(jet).kept.tolist()
    [True, True, False]
    """
    trees: Trees = recombine(jets, CAMBRIDGE_AACHEN)
    marked = np.zeros(len(trees.pt), np.bool_)
    top = np.full(len(trees.offsets) - 1, -1, np.int64)
    _all_jets(symmetry_cut, trees.offsets, trees.pt, trees.children, marked, top)
    leaves = trees.leaves()
    kept = marked[leaves]
    before = np.concatenate([[0], np.cumsum(kept)])
    px, py, pz, energy = trees.momenta[top].T if len(trees.pt) else np.zeros((4, len(top)))
    mass2 = np.where(top < 0, 0.0, (energy + pz) * (energy - pz) - (px * px + py * py))
    left = leaves[kept]
    return Groomed(
        kept,
        trees.pt[left],
        trees.rapidity[left],
        trees.azimuth[left],
        before[trees.offsets],
        np.sqrt(np.maximum(mass2, 0.0)),
    )
