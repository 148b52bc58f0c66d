"""Showers of electrons, photons and pions in a block of iron cells, by parametrization.

A fast simulation and no tracking of particles: `electromagnetic` (hep-ex/0001020) with its
fluctuations and correlations, `hadronic` in simplified form; `particles` puts them and the sampling
fluctuations together, `grid` has the cells.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from hepnn.data.generate import store
from hepnn.data.generate.chunk import Chunk, cut
from hepnn.declarations import Declaration

PACKAGES: tuple[str, ...] = ()
VERSIONS = ("numpy", "scipy", "pyarrow")
CLASSES = ("electron", "photon", "pion")
CARDS: tuple[str, ...] = ()

SHOWERS_A_CHUNK = 300


class Settings(Declaration):
    """What is generated."""

    per_class: int = Field(900, ge=1, description="showers of each class")
    lowest: float = Field(1.0, ge=1.0, description="energies are from here, in GeV")
    highest: float = Field(100.0, le=400.0, description="energies are up to here, in GeV")
    cells: int = Field(12, ge=1, description="cells across, in both directions")
    layers: int = Field(12, ge=1, description="cells along the beam")
    width: float = Field(0.5, gt=0, description="of a cell, in Moliere radii")
    thickness: float = Field(2.0, gt=0, description="of a layer, in radiation lengths")
    sampling: float = Field(
        0.2, ge=0, description="electromagnetic resolution at 1 GeV, falling as 1 / sqrt(E)"
    )
    hadronic_sampling: float = Field(0.5, ge=0, description="the same of the hadronic part")
    threshold: float = Field(0.005, ge=0, description="cells below it read zero, in GeV")
    displacement: float = Field(
        0.5, ge=0, description="the beam hits within this distance of the centre, in cells"
    )

    @model_validator(mode="after")
    def _rising(self) -> Settings:
        if self.lowest >= self.highest:
            raise ValueError(f"lowest: {self.lowest} GeV is not below highest, {self.highest}")
        if self.lowest <= self.layers * self.thickness * 0.021:
            raise ValueError(
                f"lowest: a pion of {self.lowest} GeV stops inside {self.layers} layers of "
                f"{self.thickness} radiation lengths"
            )
        return self


def chunks(settings: Settings) -> list[Chunk]:
    """Cut the work."""
    return [
        chunk
        for label, name in enumerate(CLASSES)
        for chunk in cut(name, settings.per_class, SHOWERS_A_CHUNK, label)
    ]


def generate(settings: Settings, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
    """Generate showers of one class.

    Returns
    -------
    dict
        `shower`: array (rows, columns, layers) in GeV; `class`; `energy` in GeV; `x`, `y` in
        Moliere radii.
    """
    from hepnn.data.generate.showers import particles
    from hepnn.data.generate.showers.grid import Grid
    from hepnn.data.generate.showers.medium import IRON

    rng = np.random.default_rng(seed)
    block = Grid(settings.cells, settings.layers, settings.width, settings.thickness)
    low, high = np.log(settings.lowest), np.log(settings.highest)
    energy = np.exp(rng.uniform(low, high, chunk.events))
    reach = settings.displacement * settings.width
    x, y = rng.uniform(-reach, reach, (2, chunk.events))
    showers = np.zeros((chunk.events, block.cells, block.cells, block.layers), np.float32)
    for i in range(chunk.events):
        if CLASSES[chunk.label] == "pion":
            terms = settings.sampling, settings.hadronic_sampling
            spots = particles.pion(energy[i], block.edges, IRON, *terms, rng)
        elif CLASSES[chunk.label] == "photon":
            spots = particles.photon(energy[i], block.edges, IRON, settings.sampling, rng)
        else:
            spots = particles.electron(energy[i], 0.0, block.edges, IRON, settings.sampling, rng)
        showers[i] = block.fill(spots, x[i], y[i], rng)
    showers[showers < settings.threshold] = 0.0
    table = {
        "shower": store.images(showers),
        "class": pa.array(np.full(chunk.events, chunk.label, np.int8)),
        "energy": pa.array(store.rounded(energy)),
        "x": pa.array(store.rounded(x)),
        "y": pa.array(store.rounded(y)),
    }
    return {"": pa.table(table)}


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the dataset."""
    card = {
        "title": "Showers of electrons, photons and pions in a block of iron cells, "
        f"{settings.lowest:g} to {settings.highest:g} GeV",
        "inputs": {
            "shower": {
                "kind": "image",
                "shape": [settings.cells, settings.cells, settings.layers],
                "unit": "GeV",
                "description": "energy of each cell; the channels are the layers, first to last",
            }
        },
        "labels": {"column": "class", "classes": list(CLASSES)},
        "observers": [
            {"name": "energy", "unit": "GeV", "description": "of the particle that enters"},
            {"name": "x", "unit": "R_M", "description": "where it enters, along the columns"},
            {"name": "y", "unit": "R_M", "description": "where it enters, along the rows"},
        ],
        "splits": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "limits": [
            "A parametrization, no tracking of particles: what it leaves out, as correlations "
            "between neighbouring cells beyond the profile's, is not there to be learned.",
            "Pions are simplified: a published mean profile along the axis, but the fluctuations "
            "and the width are this project's choice and no fit to data; equal response to the "
            "electromagnetic and the hadronic part.",
            "A photon is an electron from its conversion on; particles enter at right angles.",
            "No noise, no magnetic field, no dead material; sampling is a fluctuation and no "
            "geometry.",
        ],
    }
    return {"": card}
