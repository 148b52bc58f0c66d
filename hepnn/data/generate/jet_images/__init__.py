"""Jets as pictures: hadronic top quarks against quarks and gluons.

Anti-kt jets of radius 0.8 with 550 < pT < 650 GeV and |eta| < 2, of a detector's tracks and
towers (`hepnn.data.physics.detector`): the window of the public top-tagging set
(arXiv:1902.09914). A picture has the transverse momentum of charged and of neutral particles
and the number of charged ones as its channels (arXiv:1612.01551). What is stored are the
constituents in the picture's coordinates; the data card fills its 32 x 32 pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field

from hepnn.data.generate.chunk import Chunk, cut
from hepnn.declarations import Declaration

PACKAGES = ("pythia8mc", "fastjet", "awkward", "vector")
VERSIONS = ("pythia8mc", "fastjet", "awkward", "vector", "numpy", "pyarrow")
CLASSES = ("qcd", "top")
CARDS = ("common.cmnd", *(f"{name}.cmnd" for name in CLASSES))

JETS_A_CHUNK = 500
PIXELS, HALF_WIDTH = 32, 0.8


class Settings(Declaration):
    """What is generated."""

    per_class: int = Field(5_000, ge=1, description="jets of each class")
    pt_min: float = Field(550.0, gt=0, description="least transverse momentum of a jet, GeV")
    pt_max: float = Field(650.0, gt=0, description="largest transverse momentum of a jet, GeV")
    detector: bool = Field(True, description="tracks and towers, or the generator's particles")
    rotated: bool = Field(True, description="turn and flip the pictures into one position")


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
        `class`; of the jet, `jet_pt` and `jet_mass` in GeV, `jet_eta`; lists of its constituents
        with falling pT.

    Raises
    ------
    DataError
        If Pythia refuses a card, or makes no jets of the class from it.
    """
    from hepnn.data.generate.fill import fill
    from hepnn.data.generate.jet_images.jets import batches

    commands = [folder / CARDS[0], folder / CARDS[1 + chunk.label]]
    jets = batches(settings, commands, chunk.label, seed)
    return {"": fill(jets, chunk.events, f"{commands[-1]}: {CLASSES[chunk.label]} jets")}


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the dataset."""
    side = [-HALF_WIDTH, HALF_WIDTH]
    image = {
        "kind": "image",
        "shape": [PIXELS, PIXELS, 3],
        "pixels": {
            "rows": {"expression": "constituent_row", "range": side},
            "columns": {"expression": "constituent_column", "range": side},
            "channels": [
                {
                    "name": "charged_pt",
                    "expression": "constituent_pt * (constituent_charge != 0)",
                    "description": "share of the jet's transverse momentum in charged constituents",
                },
                {
                    "name": "neutral_pt",
                    "expression": "constituent_pt * (constituent_charge == 0)",
                    "description": "share of the jet's transverse momentum in neutral constituents",
                },
                {
                    "name": "multiplicity",
                    "expression": "abs(constituent_charge)",
                    "description": "number of charged constituents",
                },
            ],
        },
    }
    card = {
        "title": "Pictures of top-quark jets and of quark and gluon jets at 600 GeV",
        "inputs": {"image": image},
        "labels": {"column": "class", "classes": list(CLASSES)},
        "observers": [
            {"name": "jet_pt", "unit": "GeV", "description": "transverse momentum of the jet"},
            {"name": "jet_eta", "description": "pseudorapidity of the jet"},
            {"name": "jet_mass", "unit": "GeV", "description": "mass of the jet, ungroomed"},
        ],
        "splits": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "limits": [
            "The window of the public top-tagging set (doi:10.5281/zenodo.2603256), another "
            "detector, another energy and multiparton interactions: figures from one do not "
            "carry over to the other.",
            "A parametrized detector with ideal particle flow; no pile-up.",
            "A turned picture keeps no mass exactly: rapidity and azimuth are turned as if flat.",
            "Top jets hold all three quarks of the decay; those that miss one are left out.",
            "Not for measurements: no cross sections, weights or systematic variations.",
        ],
    }
    return {"": card}
