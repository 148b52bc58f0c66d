"""Jets with the tracks in them: b, c and light, to be told apart by impact parameters.

From top pairs that decay to hadrons alone, so that all three kinds come from the same events;
anti-kt jets of radius 0.4 of a detector's tracks and towers (`hepnn.data.physics.detector`),
labelled by the hadrons in them (`hepnn.data.physics.flavour`). The tracks' impact parameters
are those of their helices (`hepnn.data.physics.perigee`), measured and signed by the jet's axis.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pydantic import Field

from hepnn.data.generate.chunk import Chunk, cut
from hepnn.data.generate.heavy_flavour.cards import CLASSES, cards
from hepnn.declarations import Declaration

__all__ = ["CARDS", "CLASSES", "PACKAGES", "VERSIONS", "Settings", "cards", "chunks", "generate"]

PACKAGES = ("pythia8mc", "fastjet", "awkward", "vector")
VERSIONS = ("pythia8mc", "fastjet", "awkward", "vector", "numpy", "pyarrow")
CARDS = ("top.cmnd",)

JETS_A_CHUNK = 500


class Settings(Declaration):
    """What is generated."""

    per_class: int = Field(8_000, ge=1, description="jets of each class")
    pt_min: float = Field(30.0, gt=0, description="least transverse momentum of a jet, GeV")
    pt_max: float = Field(200.0, gt=0, description="largest transverse momentum of a jet, GeV")
    tracks: int = Field(20, ge=1, description="longest list of tracks; the most displaced stay")
    track_pt: float = Field(1.0, gt=0, description="least transverse momentum of a track, GeV")


def chunks(settings: Settings) -> list[Chunk]:
    """Cut the work, class by class."""
    return [
        chunk
        for label, name in enumerate(CLASSES)
        for chunk in cut(name, settings.per_class, JETS_A_CHUNK, label)
    ]


def generate(settings: Settings, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
    """Generate jets of one class.

    Returns
    -------
    dict
        `class`; of the jet, `jet_pt` and `jet_mass` in GeV, `jet_eta`; lists of its tracks.

    Raises
    ------
    DataError
        If Pythia refuses the card, or makes no jets of the class from it.
    """
    from hepnn.data.generate.fill import fill
    from hepnn.data.generate.heavy_flavour.jets import batches

    jets = batches(settings, folder / CARDS[0], chunk.label, seed)
    what = f"{folder / CARDS[0]}: {CLASSES[chunk.label]} jets"
    return {"": fill(jets, chunk.events, what)}
