"""From event records to rows: jets of one class and the tracks in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import pyarrow as pa

from hepnn.data.generate import store
from hepnn.data.generate.heavy_flavour import Settings
from hepnn.data.physics.clustering import cluster
from hepnn.data.physics.detector import smear
from hepnn.data.physics.events import Generator, production
from hepnn.data.physics.flavour import flavour
from hepnn.data.physics.kinematics import Floats, wrapped
from hepnn.data.physics.perigee import lifetime_sign, measure

RADIUS = 0.4
MAX_ETA = 2.5
EVENTS_A_BATCH = 100

Vertices = tuple[Floats, Floats, Floats]


class Tracks(NamedTuple):
    """Tracks of many jets, one jet after the other: arrays `(tracks,)` and the jet of each."""

    jet: np.ndarray
    pt: Floats
    deta: Floats
    dphi: Floats
    charge: Floats
    d0: Floats
    z0: Floats
    sigma_d0: Floats
    sigma_z0: Floats


def batches(settings: Settings, card: Path, label: int, seed: int) -> Iterator[pa.Table]:
    """Generate events without end and yield their jets of one class."""
    generator = Generator([card], seed)
    rng = np.random.default_rng(seed)
    for record in generator.records(EVENTS_A_BATCH):
        objects = smear(generator.particles(record), rng)
        jets, inside = cluster(objects, settings.pt_min, RADIUS)
        keep = (jets.pt < settings.pt_max) & (abs(jets.eta) < MAX_ETA)
        keep = keep & (flavour(jets, record) == label)
        yield table(jets[keep], inside[keep], production(record), label, settings, rng)


def table(
    jets: Any,
    inside: Any,
    vertices: tuple[Any, Any, Any],
    label: int,
    settings: Settings,
    rng: np.random.Generator,
) -> pa.Table:
    """Make rows of jets.

    Parameters
    ----------
    jets, inside : awkward array
        Momenta of the jets (events x jets) and their objects (events x jets x objects).
    vertices : tuple of awkward array
        x, y, z of where each event's particles were made, in mm.
    label : int
        Number of the class.
    settings : Settings
        The cuts on tracks.
    rng : numpy.random.Generator
        For the errors of the impact parameters.
    """
    charged = inside[(inside.charge != 0) & (inside.pt > settings.track_pt)]
    first = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(vertices[0])))])[:-1]
    place = ak.to_numpy(ak.flatten(charged.source + first, axis=None))
    made: Vertices = tuple(ak.to_numpy(ak.flatten(one))[place] for one in vertices)
    jets, charged = ak.flatten(jets), ak.flatten(charged)
    tracks = measured(jets, charged, made, rng)
    tracks, counts = most_displaced(tracks, len(jets), settings.tracks)
    columns = {"class": pa.array(np.full(len(jets), label, np.int8))}
    columns |= {
        f"jet_{name}": pa.array(store.rounded(ak.to_numpy(getattr(jets, name))))
        for name in ("pt", "eta", "mass")
    }
    for name in Tracks._fields[1:]:
        values = getattr(tracks, name)
        kind = np.int8 if name == "charge" else np.float32
        columns[f"track_{name}"] = store.jagged(values.astype(kind), counts)
    return pa.table(columns)


def measured(jets: Any, charged: Any, made: Vertices, rng: np.random.Generator) -> Tracks:
    """Measure the tracks of jets.

    Parameters
    ----------
    jets : awkward array, jets
        Momenta of the jets.
    charged : awkward array, jets x tracks
        The tracks in them.
    made : tuple of array, shape (tracks,)
        x, y, z of where each track's particle was made, in mm.
    rng : numpy.random.Generator
        For the errors of the impact parameters.
    """
    jet = np.repeat(np.arange(len(jets)), ak.to_numpy(ak.num(charged)))
    flat = ak.flatten(charged)
    pt, eta, phi, charge = (
        np.asarray(value, np.float64) for value in (flat.pt, flat.eta, flat.phi, flat.charge)
    )
    track = measure(made, pt, phi, np.sinh(eta), charge, rng)
    axis_eta, axis_phi = np.asarray(jets.eta)[jet], np.asarray(jets.phi)[jet]
    deta, dphi = eta - axis_eta, wrapped(track.azimuth - axis_phi)
    d0 = np.abs(track.d0) * lifetime_sign(track.d0, track.azimuth, axis_phi)
    # In front of the vertex a track that leaves forward of the axis points back behind it.
    z0 = np.where(track.z0 * deta > 0, -np.abs(track.z0), np.abs(track.z0))
    return Tracks(jet, pt, deta, dphi, charge, d0, z0, track.sigma_d0, track.sigma_z0)


def most_displaced(tracks: Tracks, jets: int, length: int) -> tuple[Tracks, np.ndarray]:
    """Sort each jet's tracks by falling |d0| / sigma, cut the lists; return their lengths too."""
    order = np.lexsort((-np.abs(tracks.d0 / tracks.sigma_d0), tracks.jet))
    counts = np.bincount(tracks.jet, minlength=jets)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    kept = order[np.arange(len(order)) - start < length]
    return Tracks(*(column[kept] for column in tracks)), np.minimum(counts, length)
