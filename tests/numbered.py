"""A cheap kind of dataset: numbered events, and lists of some of them.

What can go wrong while a chunk is generated is asked for by environment variables, which reach
processes and a local cluster's workers alike.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import Field

from hepnn.data.generate.chunk import Chunk, cut
from hepnn.data.generate.store import images, jagged, rounded
from hepnn.declarations import Declaration

PACKAGES = ()
VERSIONS = ("numpy",)
CLASSES = ("odd", "even")
CARDS = ("numbers.txt",)
SIZE = 10

KILL = "NUMBERED_KILL"  # path of a marker: whoever finds none makes it and dies
WAIT = "NUMBERED_WAIT"  # path of a FIFO: told when the chunk is begun, which then never ends


class Settings(Declaration):
    per_class: int = Field(60, ge=1, description="events of each class")
    mean: float = Field(0.0, description="of x")
    flavour: str = Field("plain", description="a word")


def chunks(settings: Settings) -> list[Chunk]:
    return [
        chunk
        for label, name in enumerate(CLASSES)
        for chunk in cut(name, settings.per_class, SIZE, label)
    ]


def generate(settings: Settings, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
    os.write(1, b"printed by C++\n")
    if chunk.name == "odd-0003":
        go_wrong()
    rng = np.random.default_rng(seed)
    first = chunk.label * settings.per_class + chunk.number * SIZE
    event = first + np.arange(chunk.events)
    scale = float((folder / CARDS[0]).read_text())
    counts = event % 4
    label = np.full(chunk.events, chunk.label, np.int8)
    main = {
        "event": event,
        "x": rounded(rng.normal(settings.mean, scale, chunk.events)),
        "image": images(rng.normal(size=(chunk.events, 3, 2, 1))),
        "class": label,
    }
    part = {"event": event, "hits": jagged(rng.normal(size=counts.sum()), counts), "class": label}
    few = chunk.events if chunk.number == 0 else 0
    return {"": pa.table(main), "hits": pa.table(part).slice(0, few)}


def cards(settings: Settings) -> dict[str, dict]:
    shared = {
        "labels": {"column": "class", "classes": list(CLASSES)},
        "observers": [{"name": "event"}],
        "splits": {"train": 0.5, "validation": 0.25, "test": 0.25, "seed": 3},
        "licence": "CC0-1.0",
        "limits": [f"Of no use; {settings.flavour}."],
    }
    x = {"name": "x", "unit": "GeV", "description": "a number"}
    hits = {"kind": "sequence", "length": 3, "features": [{"name": "hits"}]}
    return {
        "": {
            "title": "Numbered events",
            "inputs": {
                "features": {"features": [x]},
                "image": {"kind": "image", "shape": [3, 2, 1]},
            },
            **shared,
        },
        "hits": {"title": "Hits of numbered events", "inputs": {"hits": hits}, **shared},
    }


def go_wrong() -> None:
    if KILL in os.environ and not os.path.exists(os.environ[KILL]):
        Path(os.environ[KILL]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if WAIT in os.environ:
        told = os.open(os.environ[WAIT], os.O_WRONLY)  # noqa: F841  open until the process ends
        os.write(told, b"begun\n")
        signal.pause()
