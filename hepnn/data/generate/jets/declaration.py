"""The jets' dataset.yaml: what the columns are and how the files were made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hepnn import files
from hepnn.data.generate.jets.columns import (
    CLASSES,
    CONSTITUENTS,
    FEATURES,
    LENGTH,
    OBSERVERS,
    Column,
)
from hepnn.data.generate.jets.shards import Plan

DATA = ("sample.parquet", "constituents.parquet")

# What the author of a dataset folder may reword; kept when the folder is made anew.
AUTHORED = ("title", "splits", "licence", "limits")


class Row(dict[str, str]):
    """A mapping that YAML shows on one line."""


class Dumper(yaml.SafeDumper):
    """Block style, but for rows."""


Dumper.add_representer(
    Row,
    lambda dumper, row: dumper.represent_mapping("tag:yaml.org,2002:map", row, flow_style=True),
)


def described(columns: Sequence[Column]) -> list[Row]:
    """Turn columns into rows of YAML."""
    return [Row(column._asdict()) for column in columns]


def declaration(plan: Plan, folder: Path) -> dict[str, Any]:
    """Describe the dataset in a folder whose files are written."""
    command = f"hepnn data make jets --per-class {plan.per_class} --seed {plan.seed} --out DIR"
    return {
        "name": "jets",
        "title": "Five kinds of jets at 1 TeV: gluon, light quark, W, Z, top",
        "source": {"format": "parquet", "files": [DATA[0]]},
        "inputs": {"features": described(FEATURES)},
        "labels": {"column": "class", "classes": list(CLASSES)},
        "observers": described(OBSERVERS),
        "constituents": {
            "file": DATA[1],
            "length": LENGTH,
            "features": described(CONSTITUENTS),
        },
        "splits": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "made_by": {
            "command": command,
            "seed": plan.seed,
            "versions": plan.versions,
            "card": list(plan.cards),
            "per_class": plan.per_class,
            "constituents_per_class": plan.constituents,
        },
        "checksums": {name: files.sha256(folder / name) for name in (*DATA, *plan.cards)},
        "limits": [
            "Similar to the public LHC jet set (doi:10.5281/zenodo.3602260), not that set: "
            "figures from one do not carry over to the other.",
            "Particles of the generator: no detector, no pile-up, no neutrinos.",
            "W and Z are longitudinal and come from a narrow scalar of 2 TeV; with transverse "
            "bosons the classes are harder to tell apart.",
            "The label is the nearest hard parton's; a jet of a gluon that split to heavy quarks "
            "is a gluon jet.",
            "Not for measurements: no cross sections, weights or systematic variations.",
        ],
    }


def write_declaration(plan: Plan, folder: Path) -> Path:
    """Write or renew dataset.yaml; what an author wrote there by hand stays.

    Returns
    -------
    Path
        The file.
    """
    path = folder / "dataset.yaml"
    document = declaration(plan, folder)
    if path.exists():
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        document |= {key: found[key] for key in AUTHORED if key in found}
    files.write_text(path, yaml.dump(document, Dumper=Dumper, sort_keys=False, width=120))
    return path
