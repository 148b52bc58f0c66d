r"""N-subjettiness: how well a jet is described by N axes.

With the axes a = 1 to N of the subjets that exclusive kt leaves of the jet (arXiv:1011.2268,
equations 2.1 and 2.2; the power beta from arXiv:1108.2701),

.. math::
    \tau_N^{(\beta)} = \frac{1}{d_0} \sum_k p_{T,k}\,
        \min_a (\Delta R_{a,k})^\beta, \qquad
    d_0 = \sum_k p_{T,k} R_0^\beta

The axes are not moved to where the sum is least, as the second paper goes on to do. Ratios of
neighbours, tau_21 and tau_32, tell jets of two and of three prongs from others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.kinematics import Floats
from hepnn.data.physics.recombination import KT, Momenta, recombine
from hepnn.errors import missing_extra

try:
    from numba import njit
except ImportError as error:
    raise missing_extra("numba", "hep", "computing N-subjettiness") from error

RADIUS = 0.8
NUMBERS = (1, 2, 3)


@njit(cache=True, error_model="numpy")
def _one_jet(
    number: int,
    beta: float,
    pt: Floats,
    y: Floats,
    phi: Floats,
    children: NDArray[np.int32],
    axes: NDArray[np.int64],
) -> float:  # pragma: no cover
    n = len(pt) // 2
    if number >= n:
        return 0.0
    # Undoing the last N - 1 mergings leaves N subjets; the latest is always among them.
    axes[0], found = 2 * n - 2, 1
    while found < number:
        latest = 0
        for a in range(found):
            if axes[a] > axes[latest]:
                latest = a
        axes[found] = children[axes[latest], 1]
        axes[latest] = children[axes[latest], 0]
        found += 1
    total, tau = 0.0, 0.0
    for k in range(n):
        closest = np.inf
        for a in range(number):
            dphi = abs(phi[k] - phi[axes[a]])
            dphi = min(dphi, 2 * np.pi - dphi)
            dy = y[k] - y[axes[a]]
            closest = min(closest, dy * dy + dphi * dphi)
        total += pt[k]
        tau += pt[k] * (np.sqrt(closest) if beta == 1 else closest ** (0.5 * beta))
    return tau / total if total > 0 else 0.0


@njit(cache=True)
def _all_jets(
    numbers: NDArray[np.int64],
    beta: float,
    offsets: NDArray[np.int64],
    pt: Floats,
    y: Floats,
    phi: Floats,
    children: NDArray[np.int32],
    out: Floats,
) -> None:  # pragma: no cover
    axes = np.empty(np.max(numbers), np.int64)
    for jet in range(len(offsets) - 1):
        first, last = 2 * offsets[jet], 2 * offsets[jet + 1]
        inside = slice(first, last)
        for column in range(len(numbers)):
            out[jet, column] = _one_jet(
                numbers[column],
                beta,
                pt[inside],
                y[inside],
                phi[inside],
                children[inside],
                axes,
            )


def subjettiness(
    jets: Momenta,
    numbers: Sequence[int] = NUMBERS,
    beta: float = 1.0,
    radius: float = RADIUS,
) -> dict[str, Floats]:
    """Compute the N-subjettiness of jets on exclusive kt axes.

    Parameters
    ----------
    jets : Momenta
        Constituents; a jet may have none.
    numbers : sequence of int
        The N, each at least 1.
    beta : float
        Power of the distance.
    radius : float
        R0, the jets' radius.

    Returns
    -------
    dict
        ``tau_1`` and so on, arrays of shape (jets,). Zero for N constituents or fewer, which
        are their own axes.

    Raises
    ------
    ValueError
        When an N is below 1.
    DataError
        When a momentum is not finite or an energy negative, or the offsets are not those of the
        constituents.

    Examples
    --------
    >>> pt, angle = np.array([3.0, 1.0]), np.array([0.0, 0.4])
    >>> jet = Momenta(pt * np.cos(angle), pt * np.sin(angle), 0 * pt, pt, np.array([0, 2]))
    >>> tau = subjettiness(jet)
    >>> round(float(tau["tau_1"][0]), 3), float(tau["tau_2"][0])
    (0.187, 0.0)
    """
    if min(numbers) < 1:
        raise ValueError(f"N of N-subjettiness must be at least 1, not {min(numbers)}")
    trees = recombine(jets, KT)
    out = np.zeros((len(trees.offsets) - 1, len(numbers)))
    if len(trees.pt):
        _all_jets(
            np.asarray(numbers, np.int64),
            beta,
            trees.offsets,
            trees.pt,
            trees.rapidity,
            trees.azimuth,
            trees.children,
            out,
        )
    out /= radius**beta
    return {f"tau_{number}": out[:, column] for column, number in enumerate(numbers)}
