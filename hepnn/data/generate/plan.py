"""What an unfinished job is making, noted in its folder, so that it goes on and never mixes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import DataError

PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """Everything that the generated events depend on.

    Attributes
    ----------
    kind : str
        Name of the generator.
    settings : dict
        Of the kind, every default written out.
    seed : int
        Of the dataset.
    versions : dict
        Of the packages that make the events, by distribution.
    cards : dict
        Checksums of the files that the kind reads.
    chunks : dict
        Events of each chunk, by name: how this version of the kind cuts the work.
    """

    kind: str
    settings: dict[str, Any]
    seed: int
    versions: dict[str, str]
    cards: dict[str, str]
    chunks: dict[str, int]


def open_folder(folder: Path, plan: Plan) -> None:
    """Begin in a working folder, or go on with what is there.

    Raises
    ------
    DataError
        If what is there belongs to other settings.
    """
    noted = folder / PLAN
    wanted = asdict(plan)
    begun = any(not path.name.startswith(".") for path in folder.glob("*/*.parquet"))
    if not noted.exists() or not begun:  # killed at its end, or before its first shard
        shutil.rmtree(folder, ignore_errors=True)
        files.write_json(noted, wanted)
        return
    found = dict(_flat(files.read_json(noted)))
    for key, value in _flat(wanted):
        if found.get(key) != value:
            raise DataError(
                f"{folder}: unfinished {found.get('kind')} with {key} {found.get(key)}, wanted "
                f"{value}; finish them with their own settings or remove the folder"
            )


def remove(folder: Path) -> None:
    """Remove a working folder, after everything made from it is written."""
    (folder / PLAN).unlink()
    shutil.rmtree(folder)


def _flat(content: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
