"""Jets by fastjet's anti-kt; grooming by the modified mass-drop tagger.

Anti-kt: arXiv:0802.1189. The tagger, arXiv:1307.0007, is soft drop at beta = 0
(arXiv:1402.2657): the jet is reclustered with Cambridge/Aachen and unwound, dropping the
softer branch until ``min(pt1, pt2) / (pt1 + pt2) > zcut``.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics import grooming
from hepnn.data.physics.kinematics import Floats, cylindrical
from hepnn.data.physics.recombination import Momenta
from hepnn.errors import missing_extra

try:
    import awkward as ak
    import fastjet
    import vector
except ImportError as error:
    raise missing_extra(error.name or "fastjet", "hep", "clustering jets") from error

vector.register_awkward()

RADIUS = 0.8
SYMMETRY_CUT = 0.1

# Cambridge/Aachen must take the whole jet, whatever its extent.
WHOLE_JET = 10.0


class Particles(NamedTuple):
    """Particles of many jets, one jet after the other, in cylindrical coordinates."""

    pt: Floats
    rapidity: Floats
    azimuth: Floats
    offsets: NDArray[np.int64]


class Groomed(NamedTuple):
    """What grooming left of each jet."""

    particles: Particles
    mass: Floats


def flat(jets: Any) -> Particles:
    """Lay out an awkward array of jets x particles (px, py, pz, E) as flat arrays."""
    columns = (np.asarray(ak.flatten(jets[name]), np.float64) for name in ("px", "py", "pz", "E"))
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(jets)))]).astype(np.int64)
    return Particles(*cylindrical(*columns), offsets)


def flat_momenta(jets: Any) -> Momenta:
    """Lay out an awkward array of jets x particles as flat four-momenta."""
    px, py, pz, energy = (
        np.asarray(ak.flatten(jets[name]), np.float64) for name in ("px", "py", "pz", "E")
    )
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(jets)))])
    return Momenta(px, py, pz, energy, offsets)


def cluster(particles: Any, min_pt: float, radius: float = RADIUS) -> tuple[Any, Any]:
    """Cluster events into anti-kt jets.

    Parameters
    ----------
    particles : awkward array, events x particles
        ``Momentum4D`` records with px, py, pz, E in GeV; further fields are carried along.
    min_pt : float
        Least transverse momentum of a jet in GeV.
    radius : float
        Of the jets, in rapidity and azimuth.

    Returns
    -------
    tuple of awkward array
        Jets (events x jets) and their constituents (events x jets x particles).
    """
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    sequence = fastjet.ClusterSequence(particles, definition)
    return sequence.inclusive_jets(min_pt), sequence.constituents(min_pt)


def groom(jets: Any) -> Groomed:
    """Groom jets with the modified mass-drop tagger.

    Parameters
    ----------
    jets : awkward array, jets x particles
        ``Momentum4D`` records with px, py, pz, E in GeV.
    """
    left = grooming.groom(flat_momenta(jets), SYMMETRY_CUT)
    return Groomed(Particles(left.pt, left.rapidity, left.azimuth, left.offsets), left.mass)


def subjets(jets: Any, number: int) -> Any:
    """Split jets into exclusive kt subjets (Nucl. Phys. B 406 (1993) 187), hardest first.

    Parameters
    ----------
    jets : awkward array, jets x particles
        ``Momentum4D`` records with px, py, pz, E in GeV.
    number : int
        How many; a jet of fewer particles gives as many as it has.

    Returns
    -------
    awkward array, jets x subjets
        Momenta.
    """
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, WHOLE_JET)
    with warnings.catch_warnings():
        # fastjet warns of every algorithm here, of kt too.
        warnings.simplefilter("ignore", UserWarning)
        found = fastjet.ClusterSequence(jets, definition).exclusive_jets(n_jets=number)
    found = ak.with_name(found, "Momentum4D")
    return found[ak.argsort(found.pt, axis=1, ascending=False)]
