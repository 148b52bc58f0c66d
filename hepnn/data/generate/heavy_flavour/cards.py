"""What the heavy-flavour dataset's author says in its data card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hepnn.data.generate.heavy_flavour import Settings

CLASSES = ("light", "c", "b")

TRACKS = [
    {
        "name": "pt",
        "expression": "track_pt",
        "unit": "GeV",
        "scaling": "log",
        "description": "transverse momentum",
    },
    {
        "name": "deta",
        "expression": "track_deta",
        "description": "pseudorapidity less that of the jet",
    },
    {
        "name": "dphi",
        "expression": "track_dphi",
        "unit": "rad",
        "description": "azimuth less that of the jet",
    },
    {
        "name": "significance_d0",
        "expression": "track_d0 / track_sigma_d0",
        "scaling": "asinh",
        "description": "transverse impact parameter over its error, positive where the track "
        "crosses the jet's axis in front of the primary vertex",
    },
    {
        "name": "significance_z0",
        "expression": "track_z0 / track_sigma_z0",
        "scaling": "asinh",
        "description": "longitudinal impact parameter over its error, signed alike",
    },
    {
        "name": "d0",
        "expression": "track_d0",
        "unit": "mm",
        "scaling": "asinh",
        "description": "transverse impact parameter, signed alike",
    },
    {
        "name": "z0",
        "expression": "track_z0",
        "unit": "mm",
        "scaling": "asinh",
        "description": "longitudinal impact parameter, signed alike",
    },
    {
        "name": "sigma_d0",
        "expression": "track_sigma_d0",
        "unit": "mm",
        "scaling": "log",
        "description": "error of the transverse impact parameter",
    },
    {
        "name": "sigma_z0",
        "expression": "track_sigma_z0",
        "unit": "mm",
        "scaling": "log",
        "description": "error of the longitudinal impact parameter",
    },
    {
        "name": "charge",
        "expression": "track_charge",
        "unit": "e",
        "scaling": "none",
        "description": "electric charge",
    },
]


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the dataset."""
    card = {
        "title": "b, c and light jets of top pairs, by the tracks in them",
        "inputs": {"tracks": {"kind": "sequence", "length": settings.tracks, "features": TRACKS}},
        "labels": {"column": "class", "classes": list(CLASSES)},
        "observers": [
            {"name": "jet_pt", "unit": "GeV", "description": "transverse momentum of the jet"},
            {"name": "jet_eta", "description": "pseudorapidity of the jet"},
            {"name": "jet_mass", "unit": "GeV", "description": "mass of the jet"},
        ],
        "splits": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "limits": [
            "A parametrized detector: no material, no wrong tracks, no tracks shared or lost in "
            "dense jets, no pile-up; taggers look better here than in an experiment.",
            "K0S and hyperons do not decay, so that light jets lack their displaced tracks.",
            "The primary vertex is the origin, known exactly.",
            "Jets of top pairs that decay to hadrons alone; other processes have other jets, "
            "those of gluons splitting to heavy quarks above all.",
            "The classes are equally frequent but their pT is not the same: b jets are harder.",
            "Not for measurements: no cross sections, weights or systematic variations.",
        ],
    }
    return {"": card}
