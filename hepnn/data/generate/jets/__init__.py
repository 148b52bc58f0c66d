"""Jets of five kinds: gluons, light quarks, W and Z bosons, top quarks.

From proton collisions at 13 TeV; anti-kt jets of radius 0.8 with 800 < pT < 1600 GeV and
|eta| < 2.2; sixteen features a jet and, for a part of them, the 32 leading constituents as the
dataset `constituents`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from hepnn.data.generate.chunk import Chunk, cut
from hepnn.data.generate.jets.cards import cards
from hepnn.data.generate.jets.columns import CLASSES
from hepnn.data.generate.jets.settings import Settings

__all__ = ["CARDS", "CLASSES", "PACKAGES", "VERSIONS", "Settings", "cards", "chunks", "generate"]

PACKAGES = ("pythia8mc", "fastjet", "numba", "awkward", "vector")
VERSIONS = ("pythia8mc", "fastjet", "numba", "awkward", "vector", "numpy", "pyarrow")
CARDS = ("common.cmnd", *(f"{name}.cmnd" for name in CLASSES))

# Pythia starts anew for each chunk, which costs as much as fifty jets.
JETS_A_CHUNK = 1000
LEAST_A_CHUNK = 300


def chunks(settings: Settings) -> list[Chunk]:
    """Cut the work, class by class."""
    return [
        chunk
        for label, name in enumerate(CLASSES)
        for chunk in cut(name, settings.per_class, size(settings), label)
    ]


def size(settings: Settings) -> int:
    """Return the jets of a chunk: fewer for small sets, so that some processes share them."""
    return min(JETS_A_CHUNK, max(LEAST_A_CHUNK, -(-settings.per_class // 4)))


def generate(settings: Settings, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
    """Generate jets of one class, and keep the constituents of the first of the class.

    Raises
    ------
    DataError
        If Pythia refuses a card, or makes no jets of the class from it.
    """
    from hepnn.data.generate.jets.chunk import chunk as simulate
    from hepnn.data.generate.jets.tables import constituents_table, jets_table

    commands = [folder / CARDS[0], folder / CARDS[1 + chunk.label]]
    jets = simulate(
        commands,
        chunk.label,
        chunk.events,
        seed,
        mpi=settings.mpi,
        detector=settings.detector,
        substructure=settings.substructure,
    )
    label = np.full(chunk.events, chunk.label, np.int8)
    made = {"": jets_table(jets.features, jets.observers, label)}
    if settings.with_constituents:
        kept = slice(max(settings.with_constituents - chunk.number * size(settings), 0))
        made["constituents"] = constituents_table(
            jets.constituents[kept], jets.observers[kept], label[kept]
        )
    return made
