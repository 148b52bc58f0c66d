"""From event records to rows: jets of one class and their constituents as points of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa

from hepnn.data.generate import store
from hepnn.data.generate.jet_images import CLASSES, Settings
from hepnn.data.generate.jet_images.picture import flipped, turned
from hepnn.data.physics.clustering import cluster, flat, subjets
from hepnn.data.physics.detector import smear
from hepnn.data.physics.events import OUTGOING, Generator, momenta
from hepnn.data.physics.kinematics import wrapped

RADIUS = 0.8
MAX_ETA = 2.0
EVENTS_A_BATCH = 100

TOP, W, HEAVIEST_QUARK = 6, 24, 5

# Positions are kept to a thirteenth of a pixel.
STEPS = 256


def batches(
    settings: Settings, commands: Sequence[Path], label: int, seed: int
) -> Iterator[pa.Table]:
    """Generate events without end and yield their jets of one class."""
    generator = Generator(commands, seed)
    rng = np.random.default_rng(seed)
    for record in generator.records(EVENTS_A_BATCH):
        particles = generator.particles(record)
        objects = smear(particles, rng) if settings.detector else particles
        jets, inside = cluster(objects, settings.pt_min, RADIUS)
        keep = (jets.pt < settings.pt_max) & (abs(jets.eta) < MAX_ETA)
        if CLASSES[label] == "top":
            keep = keep & holds_a_top(jets, record)
        yield table(ak.flatten(jets[keep]), ak.flatten(inside[keep]), label, settings.rotated)


def holds_a_top(jets: Any, record: Any) -> Any:
    """Mark the jets, events x jets, with all quarks of one top's decay within distance 0.8."""
    mother = record.id[record.mother1]
    quark = (record.status == OUTGOING) & (abs(record.id) <= HEAVIEST_QUARK)
    marked = ak.zeros_like(jets.pt, dtype=bool)
    for sign in (1, -1):
        quarks = momenta(record[quark & ((mother == sign * TOP) | (mother == sign * W))])
        dy = jets.rapidity[:, :, np.newaxis] - quarks.rapidity[:, np.newaxis, :]
        dphi = jets.phi[:, :, np.newaxis] - quarks.phi[:, np.newaxis, :]
        dphi = (dphi + np.pi) % (2 * np.pi) - np.pi
        inside = ak.all(np.hypot(dy, dphi) < RADIUS, axis=2)
        marked = marked | (inside & (ak.num(quarks) == 3))
    return marked


def table(jets: Any, inside: Any, label: int, rotated: bool) -> pa.Table:
    """Make rows of jets.

    Parameters
    ----------
    jets : awkward array, jets
        Momenta of the jets.
    inside : awkward array, jets x constituents
        Momenta and charges of their constituents.
    label : int
        Number of the class.
    rotated : bool
        Whether pictures are turned and flipped.
    """
    particles = flat(inside)
    counts = np.diff(particles.offsets)
    jet = np.repeat(np.arange(len(counts)), counts)
    pt, rapidity, azimuth = (np.asarray(one) for one in (jets.pt, jets.rapidity, jets.phi))
    share = particles.pt / pt[jet]
    row = particles.rapidity - rapidity[jet]
    column = wrapped(particles.azimuth - azimuth[jet])
    if rotated and len(jets):
        second = subjets(inside, 2)[:, -1]
        to_row = np.asarray(second.rapidity) - rapidity
        to_column = wrapped(np.asarray(second.phi) - azimuth)
        row, column = turned(row, column, to_row[jet], to_column[jet])
        column = flipped(column, share, jet)
    order = np.lexsort((-share, jet))
    charge = np.asarray(ak.flatten(inside.charge)).astype(np.int8)
    columns = {"class": pa.array(np.full(len(counts), label, np.int8))}
    for name in ("pt", "eta", "mass"):
        columns[f"jet_{name}"] = pa.array(store.rounded(np.asarray(getattr(jets, name))))
    for name, values in (("row", row), ("column", column)):
        steps = np.round(values * STEPS) / STEPS
        columns[f"constituent_{name}"] = store.jagged(steps[order], counts)
    columns["constituent_pt"] = store.jagged(share[order], counts)
    columns["constituent_charge"] = store.jagged(charge[order], counts)
    return pa.table(columns)
