"""What the jets' data cards say of the columns, and what they are not to be used for."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from hepnn.data.generate.jets.columns import (
    CLASSES,
    FEATURES,
    FURTHER,
    GIVEN,
    LENGTH,
    MOMENTA,
    OBSERVERS,
    TURNED,
    Column,
)
from hepnn.data.generate.jets.settings import Settings

TITLE = "Five kinds of jets at 1 TeV: gluon, light quark, W, Z, top"


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the jets and, if there are to be any, the lists of their constituents."""
    shared = {
        "labels": {"column": "class", "classes": list(CLASSES)},
        "observers": described(OBSERVERS),
        "splits": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "limits": limits(settings),
    }
    columns = (*FEATURES, *(FURTHER if settings.substructure else ()))
    features = {"features": {"features": described(columns)}}
    found = {"": {"title": TITLE, "inputs": features, **shared}}
    if settings.with_constituents:
        title = f"{TITLE}; their {LENGTH} leading constituents"
        lists = {"kind": "sequence", "length": LENGTH, "features": [dict(g) for g in GIVEN]}
        lists |= {"momenta": copy.deepcopy(MOMENTA)}
        found["constituents"] = {
            "title": title,
            "new_variables": dict(TURNED),
            "inputs": {"constituents": lists},
            **shared,
        }
    return found


def described(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Turn columns into features of a card."""
    return [dict(column._asdict()) for column in columns]


def limits(settings: Settings) -> list[str]:
    """Say what the jets are not."""
    found = [
        "Similar to the public LHC jet set (doi:10.5281/zenodo.3602260), not that set: "
        "figures from one do not carry over to the other.",
        "Tracks and towers of a parametrized detector; no pile-up."
        if settings.detector
        else "Particles of the generator: no detector, no pile-up, no neutrinos.",
        "W and Z are longitudinal and come from a narrow scalar of 2 TeV; with transverse "
        "bosons the classes are harder to tell apart.",
        "The label is the nearest hard parton's; a jet of a gluon that split to heavy quarks "
        "is a gluon jet.",
        "Not for measurements: no cross sections, weights or systematic variations.",
    ]
    if not settings.mpi:
        found.append("No multiparton interactions: the jets hold too few soft particles.")
    return found
