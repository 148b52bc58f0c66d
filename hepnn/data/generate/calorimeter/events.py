"""From event records to rows: pictures, boxes and masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hepnn.data.generate import store
from hepnn.data.generate.calorimeter import Settings
from hepnn.data.generate.calorimeter.cards import (
    CHANNELS,
    CLASSES,
    COLUMNS,
    DISPLACED,
    MAX_ETA,
    ROWS,
)
from hepnn.data.generate.calorimeter.seam import boxes_of, free_seams
from hepnn.data.physics.clustering import cluster
from hepnn.data.physics.detector import LONG_KAON, PHOTON, Detector, smear
from hepnn.data.physics.events import Generator, production
from hepnn.data.physics.flavour import FLAVOURS, flavour
from hepnn.data.physics.kinematics import Floats
from hepnn.data.physics.perigee import measure
from hepnn.data.physics.towers import Calorimeter

RADIUS = 0.4
MAX_JET_ETA = MAX_ETA - RADIUS
EVENTS_A_BATCH = 100

# Hadronic towers are the picture's cells, 5 x 5 electromagnetic ones lie in each.
FINER = 5
DETECTOR = Detector(
    calorimeters=(
        Calorimeter(
            PHOTON, 0.0, MAX_ETA, FINER * ROWS // 2, FINER * COLUMNS, 0.028, 0.12, 0.003, 0.5
        ),
        Calorimeter(LONG_KAON, 0.0, MAX_ETA, ROWS // 2, COLUMNS, 1.10, 0.0, 0.09, 1.0),
    )
)


class Objects(NamedTuple):
    """The objects of many events: arrays `(objects,)`; the jet is -1 outside all jets."""

    event: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    channel: NDArray[np.int64]
    pt: Floats
    jet: NDArray[np.int64]


class Jets(NamedTuple):
    """The jets of many events: arrays `(jets,)`, of each event with falling pT; class from 0."""

    event: NDArray[np.int64]
    kind: NDArray[np.int64]


def batches(settings: Settings, card: Path, seed: int) -> Iterator[pa.Table]:
    """Generate events without end and yield their rows."""
    generator = Generator([card], seed)
    rng = np.random.default_rng(seed)
    for record in generator.records(EVENTS_A_BATCH):
        seen = smear(generator.particles(record), rng, DETECTOR)
        jets, jet = clustered(seen, record, settings)
        objects = placed(seen, jet, channels(seen, production(record), rng))
        yield table(objects, jets, len(record), settings.boxes, rng)


def clustered(seen: Any, record: Any, settings: Settings) -> tuple[Jets, NDArray[np.int64]]:
    """Cluster measured objects; return the jets, and the jet of every object.

    Parameters
    ----------
    seen : awkward array, events x objects
        Tracks and towers.
    record : awkward array, events x particles
        Whole records of the same events.
    settings : Settings
        The cuts on jets.
    """
    numbered = ak.with_field(seen, ak.local_index(seen, axis=1), "place")
    jets, inside = cluster(numbered, settings.jet_pt, RADIUS)
    kind = flavour(jets, record) == FLAVOURS.index("b")
    order = ak.argsort(jets.pt, axis=1, ascending=False)
    order = order[(abs(jets.eta) < MAX_JET_ETA)[order]][:, : settings.boxes]
    inside, kind = inside[order], kind[order]

    counts = ak.to_numpy(ak.num(seen))
    event = np.repeat(np.arange(len(counts)), ak.to_numpy(ak.num(order)))
    sizes = ak.to_numpy(ak.flatten(ak.num(inside, axis=2)))
    owner = np.repeat(np.arange(len(sizes)), sizes)
    first = (np.cumsum(counts) - counts)[event][owner]
    jet = np.full(int(counts.sum()), -1)
    jet[ak.to_numpy(ak.flatten(inside.place, axis=None)) + first] = owner
    return Jets(event, np.asarray(ak.flatten(kind)).astype(np.int64)), jet


def channels(
    seen: Any, vertices: tuple[Any, Any, Any], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the channel of every object.

    Parameters
    ----------
    seen : awkward array, events x objects
        Tracks and towers.
    vertices : tuple of awkward array
        x, y, z of where each event's particles were made, in mm.
    rng : numpy.random.Generator
        For the errors of the impact parameters.
    """
    counts = ak.to_numpy(ak.num(vertices[0]))
    source = ak.to_numpy(ak.flatten(seen.source + (np.cumsum(counts) - counts)))
    flat = ak.flatten(seen)
    charged = np.asarray(flat.charge) != 0
    x, y, z = (ak.to_numpy(ak.flatten(one))[source[charged]] for one in vertices)
    pt, eta, phi, charge = (
        np.asarray(one, np.float64)[charged] for one in (flat.pt, flat.eta, flat.phi, flat.charge)
    )
    track = measure((x, y, z), pt, phi, np.sinh(eta), charge, rng)
    far = np.abs(track.d0) >= DISPLACED * track.sigma_d0
    number = {name: place for place, name in enumerate(CHANNELS)}
    channel = np.full(len(flat), number["hadronic"])
    channel[np.asarray(flat.id) == PHOTON] = number["electromagnetic"]
    channel[charged] = np.where(far, number["displaced"], number["prompt"])
    return channel


def placed(seen: Any, jet: NDArray[np.int64], channel: NDArray[np.int64]) -> Objects:
    """Give every object its cell."""
    flat = ak.flatten(seen)
    row = (np.asarray(flat.eta) + MAX_ETA) * (ROWS / (2 * MAX_ETA)) // 1
    column = np.asarray(flat.phi) * (COLUMNS / (2 * np.pi)) // 1 % COLUMNS
    event = np.repeat(np.arange(len(seen)), ak.to_numpy(ak.num(seen)))
    whole = (row.astype(np.int64), column.astype(np.int64))
    return Objects(event, *whole, channel, np.asarray(flat.pt), jet)


def table(
    objects: Objects, jets: Jets, events: int, length: int, rng: np.random.Generator
) -> pa.Table:
    """Make rows of events, each turned in azimuth so that no jet lies across the seam.

    An event that has no place for the seam is left out.

    Parameters
    ----------
    objects, jets
        What was found.
    events : int
        How many events these are of.
    length : int
        Of the lists of boxes.
    rng : numpy.random.Generator
        For the place of the seam.
    """
    inside = objects.jet >= 0
    rectangles = boxes_of(
        objects.row[inside], objects.column[inside], objects.jet[inside], len(jets.event)
    )
    free = free_seams(rectangles, jets.event, events)
    choice = np.where(free, rng.random(free.shape), -1.0)
    seam, kept = choice.argmax(axis=1), free.any(axis=1)
    column = (objects.column - seam[objects.event]) % COLUMNS

    cell = (objects.event, objects.row, column)
    image = np.zeros((events, ROWS, COLUMNS, len(CHANNELS)))
    np.add.at(image, (*cell, objects.channel), objects.pt)
    kinds = np.concatenate([jets.kind + 1, [0]])[objects.jet]
    shares = np.zeros((events, ROWS, COLUMNS, 1 + len(CLASSES)))
    np.add.at(shares, (*cell, kinds), objects.pt)

    top = rectangles.row + rectangles.height / 2
    left = (rectangles.column - seam[jets.event]) % COLUMNS + rectangles.width / 2
    rank = np.arange(len(jets.event)) - np.searchsorted(jets.event, jets.event)
    boxes = np.zeros((events, length, 5))
    boxes[jets.event, rank] = np.stack(
        [top, left, rectangles.height, rectangles.width, jets.kind + 1.0], axis=1
    )
    event, *place = np.nonzero(image[kept])
    counts = np.bincount(event, minlength=int(kept.sum()))
    columns = {
        name: store.jagged(values.astype(np.int8), counts)
        for name, values in zip(("row", "column", "channel"), place, strict=True)
    }
    columns["pt"] = store.jagged(image[kept][event, *place], counts)
    columns["boxes"] = store.lists(boxes[kept])
    columns["mask"] = store.images(shares.argmax(axis=-1).astype(np.uint8)[kept])
    return pa.table(columns)
