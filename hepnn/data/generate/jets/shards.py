"""The work cut into chunks, and the shard of each: what lets a killed job go on.

A chunk is known by class and number. Its seed comes from these and the dataset's seed alone,
so that neither the number of processes nor an interruption changes what is generated.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hepnn import files
from hepnn.data.generate.jets.columns import CLASSES, FEATURES, OBSERVERS, Column
from hepnn.data.generate.jets.store import (
    constituents_table,
    jets_table,
    stacked_constituents,
    write,
)
from hepnn.data.physics.kinematics import Floats
from hepnn.errors import DataError

JETS_A_CHUNK = 1000
PLAN = "plan.json"


class Chunk(NamedTuple):
    """Part of a class: how many jets, and of how many the constituents are kept."""

    label: int
    number: int
    jets: int
    constituents: int

    @property
    def name(self) -> str:
        """Name of the chunk's shard."""
        return f"{CLASSES[self.label]}-{self.number:04d}"


@dataclass(frozen=True)
class Plan:
    """Everything that the generated jets depend on."""

    per_class: int
    constituents: int
    seed: int
    versions: dict[str, str]
    cards: dict[str, str]

    def chunks(self) -> list[Chunk]:
        """Cut the work, class by class."""
        chunks = []
        for label in range(len(CLASSES)):
            for number, first in enumerate(range(0, self.per_class, JETS_A_CHUNK)):
                jets = min(JETS_A_CHUNK, self.per_class - first)
                with_constituents = min(max(self.constituents - first, 0), jets)
                chunks.append(Chunk(label, number, jets, with_constituents))
        return chunks


def open_folder(folder: Path, plan: Plan) -> None:
    """Make the shards' folder, or go on with the one that is there.

    Raises
    ------
    DataError
        When the folder belongs to other settings.
    """
    noted = folder / PLAN
    wanted = asdict(plan)
    if not noted.exists():
        files.write_json(noted, wanted)
        return
    found = files.read_json(noted)
    for key, value in wanted.items():
        if found.get(key) != value:
            raise DataError(
                f"{folder}: unfinished jets with {key} {found.get(key)}, wanted {value}; "
                "finish them with their own settings or remove the folder"
            )


def generate(folder: Path, cards: Sequence[Path], seed: int, chunk: Chunk) -> Chunk:
    """Generate one chunk and write its shard. Runs in a process of its own."""
    from hepnn.data.generate.jets import chunk as generator

    jets = generator.chunk(
        cards, chunk.label, chunk.jets, generator.pythia_seed(seed, chunk.label, chunk.number)
    )
    kept = slice(chunk.constituents)
    label = np.full(chunk.jets, chunk.label, np.int8)
    rows = np.arange(chunk.constituents, dtype=np.int32)
    inside = constituents_table(jets.constituents[kept], rows, label[kept])
    write(inside, folder / f"{chunk.name}.constituents.parquet")
    write(jets_table(jets.features, jets.observers, label), shard(folder, chunk))
    return chunk


def shard(folder: Path, chunk: Chunk) -> Path:
    """Return the path whose presence says that the chunk is done."""
    return folder / f"{chunk.name}.parquet"


def merge(folder: Path, plan: Plan, out: Path) -> None:
    """Write sample.parquet and constituents.parquet from the shards, rows shuffled."""
    chunks = plan.chunks()
    jets = pa.concat_tables(pq.read_table(shard(folder, chunk)) for chunk in chunks)
    inside = pa.concat_tables(
        pq.read_table(folder / f"{chunk.name}.constituents.parquet") for chunk in chunks
    )
    label = jets["class"].to_numpy()
    has_constituents = np.concatenate([np.arange(c.jets) < c.constituents for c in chunks])
    order = np.random.default_rng(plan.seed).permutation(len(label))
    row = np.empty(len(label), np.int32)
    row[order] = np.arange(len(label))

    def stacked(columns: Sequence[Column]) -> Floats:
        return np.stack([jets[column.name].to_numpy() for column in columns], axis=1)[order]

    write(jets_table(stacked(FEATURES), stacked(OBSERVERS), label[order]), out / "sample.parquet")
    rows = row[has_constituents]
    by_row = np.argsort(rows)
    table = constituents_table(
        stacked_constituents(inside)[by_row], rows[by_row], label[has_constituents][by_row]
    )
    write(table, out / "constituents.parquet")


def remove(folder: Path) -> None:
    """Remove the shards, after everything made from them is written."""
    shutil.rmtree(folder)
