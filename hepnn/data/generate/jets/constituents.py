"""The leading constituents of a jet, relative to its axis, padded to one length."""

from __future__ import annotations

import numpy as np

from hepnn.data.generate.jets.columns import LENGTH
from hepnn.data.physics.clustering import Particles
from hepnn.data.physics.kinematics import Floats, wrapped


def leading(
    particles: Particles, charge: Floats, jet_pt: Floats, jet_rapidity: Floats, jet_azimuth: Floats
) -> Floats:
    """Take the leading constituents in transverse momentum.

    Parameters
    ----------
    particles : Particles
        All jets' constituents.
    charge : array, shape (constituents,)
        Electric charge in units of e.
    jet_pt, jet_rapidity, jet_azimuth : array, shape (jets,)
        The jets' axes.

    Returns
    -------
    array, shape (jets, 32, 4)
        Columns as in ``columns.CONSTITUENTS``; zeros beyond the last constituent.
    """
    counts = np.diff(particles.offsets)
    jet = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((-particles.pt, jet))
    rank = np.arange(len(order)) - np.repeat(particles.offsets[:-1], counts)
    kept, rank = order[rank < LENGTH], rank[rank < LENGTH]
    jet = jet[kept]
    out = np.zeros((len(counts), LENGTH, 4))
    out[jet, rank, 0] = particles.pt[kept] / jet_pt[jet]
    out[jet, rank, 1] = particles.rapidity[kept] - jet_rapidity[jet]
    out[jet, rank, 2] = wrapped(particles.azimuth[kept] - jet_azimuth[jet])
    out[jet, rank, 3] = charge[kept]
    return out
