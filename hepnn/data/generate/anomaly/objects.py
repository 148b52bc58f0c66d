"""From particles, or what a detector makes of them, to the leading objects of an event."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepnn.data.generate.anomaly.columns import ELECTRONS, JETS, KINDS, MUONS, Objects
from hepnn.data.physics.clustering import cluster
from hepnn.data.physics.kinematics import Floats, wrapped
from hepnn.errors import missing_extra

try:
    import awkward as ak
except ImportError as error:
    raise missing_extra("awkward", "hep", "selecting objects") from error

ELECTRON, MUON = 11, 13
JET_RADIUS = 0.4

# A lepton is isolated if all else within this distance has less than this share of its pT.
ISOLATION_DISTANCE = 0.3
ISOLATION_SHARE = 0.2


def flat_events(particles: Any) -> tuple[Floats, NDArray[np.int64]]:
    """Select objects and write them as rows.

    Parameters
    ----------
    particles : awkward array, events x particles
        ``Momentum4D`` records with px, py, pz, E in GeV and ``id``; none of them a neutrino.

    Returns
    -------
    tuple of array
        Features (events, 56) in the order of ``columns.features``, and the number of objects of
        each kind (events, 3) before the leading ones are taken.
    """
    lepton = isolated_leptons(particles)
    jets, _ = cluster(particles[~lepton], JETS.min_pt, JET_RADIUS)
    kinds = (
        accepted(particles[lepton & (abs(particles.id) == ELECTRON)], ELECTRONS),
        accepted(particles[lepton & (abs(particles.id) == MUON)], MUONS),
        accepted(jets, JETS),
    )
    columns = [missing(particles)]
    columns += [leading(found, kind.number) for found, kind in zip(kinds, KINDS, strict=True)]
    counts = np.stack([ak.to_numpy(ak.num(found)) for found in kinds], axis=1)
    return np.concatenate(columns, axis=1), counts


def accepted(found: Any, kind: Objects) -> Any:
    """Keep what has momentum and direction enough."""
    return found[(found.pt > kind.min_pt) & (abs(found.eta) < kind.max_eta)]


def isolated_leptons(particles: Any) -> Any:
    """Mark electrons and muons in acceptance with little else around them.

    Returns
    -------
    awkward array of bool, events x particles
    """
    counts = ak.to_numpy(ak.num(particles))
    first = np.concatenate([[0], np.cumsum(counts)])
    flat = ak.flatten(particles)
    pt, eta, phi = (np.asarray(values, np.float64) for values in (flat.pt, flat.eta, flat.phi))
    identity = np.abs(np.asarray(flat.id))
    candidate = np.zeros(len(pt), bool)
    for number, kind in ((ELECTRON, ELECTRONS), (MUON, MUONS)):
        candidate |= (identity == number) & (pt > kind.min_pt) & (np.abs(eta) < kind.max_eta)
    marked = np.zeros(len(pt), bool)
    event = np.repeat(np.arange(len(counts)), counts)
    for lepton in np.flatnonzero(candidate):
        others = slice(first[event[lepton]], first[event[lepton] + 1])
        distance = np.hypot(eta[others] - eta[lepton], wrapped(phi[others] - phi[lepton]))
        around = pt[others][distance < ISOLATION_DISTANCE].sum() - pt[lepton]
        marked[lepton] = around < ISOLATION_SHARE * pt[lepton]
    return ak.unflatten(marked, counts)


def missing(particles: Any) -> Floats:
    """Return the missing transverse momentum and its azimuth, shape (events, 2)."""
    px, py = (-ak.to_numpy(ak.sum(values, axis=1)) for values in (particles.px, particles.py))
    return np.stack([np.hypot(px, py), np.arctan2(py, px)], axis=1)


def leading(found: Any, number: int) -> Floats:
    """Return pt, eta and phi of the leading objects, shape (events, 3 number); 0 is padding."""
    found = found[ak.argsort(found.pt, axis=1, ascending=False)]
    columns = [
        ak.to_numpy(ak.fill_none(ak.pad_none(values, number, clip=True), 0.0))
        for values in (found.pt, found.eta, found.phi)
    ]
    return np.stack(columns, axis=2).reshape(len(found), 3 * number)
