"""Collisions as a trigger sees them, for anomaly detection: ordinary ones and rare signals.

Each event is its missing transverse momentum, four electrons, four muons and ten jets, as in
the public set for anomaly detection at 40 MHz (arXiv:2107.02157), whose layout and kinds of
signals it follows. All signals are test events, so that what is trained on is ordinary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from hepnn.data.generate import store
from hepnn.data.generate.anomaly.columns import features
from hepnn.data.generate.chunk import Chunk, cut
from hepnn.declarations import Declaration

PACKAGES = ("pythia8mc", "fastjet", "awkward", "vector")
VERSIONS = ("pythia8mc", "fastjet", "awkward", "vector", "numpy", "pyarrow")
CLASSES = ("background", "a-4l", "h-tautau", "leptoquark")
BACKGROUNDS = ("qcd", "w", "z", "soft")
PROCESSES = (*BACKGROUNDS, *CLASSES[1:])
CARDS = ("common.cmnd", *(f"{name}.cmnd" for name in PROCESSES))

EVENTS_A_CHUNK = 500
EVENTS_A_BATCH = 100
BATCHES_WITHOUT_AN_EVENT = 20


class Settings(Declaration):
    """What is generated."""

    background: int = Field(60_000, ge=1, description="background events")
    signal: int = Field(600, ge=0, description="events of each signal, all of them test events")
    w: float = Field(0.3, ge=0, le=1, description="share of W bosons in the background")
    z: float = Field(0.1, ge=0, le=1, description="share of Z bosons in the background")
    soft: float = Field(
        0.1, ge=0, le=1, description="share of soft collisions (non-diffractive) in the background"
    )
    test: float = Field(0.3, ge=0, le=1, description="share of the background that is for test")
    detector: bool = Field(True, description="objects of a detector, not of the generator")

    @model_validator(mode="after")
    def _shares(self) -> Settings:
        shares = (self.w, self.z, self.soft)
        if sum(shares) > 1 + 1e-9:
            said = ", ".join(f"{share:g}" for share in shares)
            raise ValueError(f"w, z and soft: shares of {said} sum to more than 1")
        return self


def chunks(settings: Settings) -> list[Chunk]:
    """Cut the work; a chunk's name begins with its process."""
    wanted = {
        name: round(getattr(settings, name) * settings.background) for name in BACKGROUNDS[1:]
    }
    wanted["qcd"] = settings.background - sum(wanted.values())
    work: list[Chunk] = []
    for name in BACKGROUNDS:
        # One label, several processes: the numbers, and with them the seeds, go on.
        pieces = cut(name, wanted[name], EVENTS_A_CHUNK)
        work += [piece._replace(number=len(work) + i) for i, piece in enumerate(pieces)]
    for label, name in enumerate(CLASSES[1:], 1):
        work += cut(name, settings.signal, EVENTS_A_CHUNK, label)
    return work


def generate(settings: Settings, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
    """Generate events of one process until there are enough.

    Events without any object are left out.

    Returns
    -------
    dict
        The features; `class`; `process`, an index of `PROCESSES`; `test`; `electrons`, `muons`
        and `jets`, the numbers of objects before the leading ones are taken.

    Raises
    ------
    DataError
        When Pythia does not take a card, or makes no events with objects from it.
    """
    from hepnn.data.generate.anomaly.objects import flat_events
    from hepnn.data.physics.detector import smear
    from hepnn.data.physics.events import Generator
    from hepnn.errors import DataError

    process = chunk.name.rsplit("-", 1)[0]
    generator = Generator([folder / "common.cmnd", folder / f"{process}.cmnd"], seed)
    rng = np.random.default_rng(seed)
    rows, counts = [], []
    found, idle = 0, 0
    for record in generator.records(min(EVENTS_A_BATCH, chunk.events)):
        particles = generator.particles(record)
        if settings.detector:
            particles = smear(particles, rng)
        batch, numbers = flat_events(particles)
        some = numbers.sum(axis=1) > 0
        idle = 0 if some.any() else idle + 1
        if idle == BATCHES_WITHOUT_AN_EVENT:
            raise DataError(f"{folder / process}.cmnd: makes no events with objects")
        rows.append(batch[some][: chunk.events - found])
        counts.append(numbers[some][: chunk.events - found])
        found += len(rows[-1])
        if found == chunk.events:
            break
    whole, numbers = np.concatenate(rows), np.concatenate(counts)
    test = np.arange(found) < (found if chunk.label else round(settings.test * found))
    table: dict[str, Any] = {
        row["name"]: pa.array(store.rounded(whole[:, i])) for i, row in enumerate(features())
    }
    table["class"] = pa.array(np.full(found, chunk.label, np.int8))
    table["process"] = pa.array(np.full(found, PROCESSES.index(process), np.int8))
    table["test"] = pa.array(test)
    for i, name in enumerate(("electrons", "muons", "jets")):
        table[name] = pa.array(numbers[:, i].astype(np.int16))
    return {"": pa.table(table)}


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the dataset."""
    numbers = ", ".join(f"{i} {name}" for i, name in enumerate(PROCESSES))
    card = {
        "title": "Collisions as a trigger sees them: background, and three rare signals in test",
        "inputs": {"objects": {"features": features()}},
        "labels": {"column": "class", "classes": list(CLASSES)},
        "observers": [
            {"name": "process", "description": f"what was generated: {numbers}"},
            {"name": "electrons", "description": "number of isolated electrons"},
            {"name": "muons", "description": "number of isolated muons"},
            {"name": "jets", "description": "number of jets"},
        ],
        "splits": {"by": "column", "test": "test", "validation": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "limits": [
            "Training and validation hold background alone; a classifier has nothing to learn "
            "here, and the labels are for looking at the test events.",
            "The shares of the processes are chosen, not cross sections: nothing here measures a "
            "rate.",
            "Follows the layout of arXiv:2107.02157, but is not that set: other selection, "
            "detector and shares; figures do not carry over.",
            "A parametrized detector or none, no pile-up, no trigger's own resolution, no wrongly "
            "identified leptons.",
            "Soft collisions, two jets from 30 GeV, W and Z in chosen shares: no stream of real "
            "collisions.",
        ],
    }
    return {"": card}
