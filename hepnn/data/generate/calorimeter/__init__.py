"""Whole events as pictures of the unrolled calorimeter, with the jets in them as boxes or masks.

Top pairs that decay to hadrons alone, seen by a parametrized detector
(`hepnn.data.physics.detector`): 64 rows of pseudorapidity and 64 columns of azimuth; the
transverse momentum of electromagnetic and hadronic towers, of prompt and of displaced tracks
(`hepnn.data.physics.perigee`). What is to be found are the anti-kt jets of radius 0.4: boxes in
the main dataset, a class for every cell in `segmentation`, which has other events.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pydantic import Field

from hepnn.data.generate.calorimeter.cards import CLASSES, cards
from hepnn.data.generate.chunk import Chunk, cut
from hepnn.declarations import Declaration

__all__ = [
    "CARDS",
    "CARDS_FROM",
    "CLASSES",
    "PACKAGES",
    "VERSIONS",
    "Settings",
    "cards",
    "chunks",
    "generate",
]

PACKAGES = ("pythia8mc", "fastjet", "awkward", "vector")
VERSIONS = ("pythia8mc", "fastjet", "awkward", "vector", "numpy", "pyarrow")
CARDS = ("top.cmnd",)
CARDS_FROM = "heavy-flavour"

EVENTS_A_CHUNK = 200


class Settings(Declaration):
    """What is generated."""

    events: int = Field(3_500, ge=1, description="events with boxes")
    segmentation: int = Field(1_000, ge=0, description="further events, with masks")
    jet_pt: float = Field(30.0, gt=0, description="least transverse momentum of a jet, GeV")
    boxes: int = Field(16, ge=1, description="most boxes an event; the hardest jets stay")


def chunks(settings: Settings) -> list[Chunk]:
    """Cut the work: the events with boxes come first."""
    return cut("events", settings.events + settings.segmentation, EVENTS_A_CHUNK)


def generate(settings: Settings, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
    """Generate events.

    Returns
    -------
    dict
        Both datasets have lists of filled cells, `row`, `column`, `channel` and `pt` in GeV;
        the main one has `boxes`, `segmentation` has `mask`.

    Raises
    ------
    DataError
        If Pythia refuses the card.
    """
    from hepnn.data.generate.calorimeter.events import batches
    from hepnn.data.generate.fill import fill

    card = folder / CARDS[0]
    whole = fill(batches(settings, card, seed), chunk.events, f"{card}: events")
    with_boxes = max(settings.events - chunk.number * EVENTS_A_CHUNK, 0)
    return {
        "": whole.slice(0, with_boxes).drop_columns("mask"),
        "segmentation": whole.slice(with_boxes).drop_columns("boxes"),
    }
