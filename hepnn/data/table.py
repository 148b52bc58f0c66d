"""The formats that a card's `source` can name, and what each reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hepnn import files, tables
from hepnn.data.card import Card
from hepnn.errors import DataError

FORMATS = {
    "npz": "hepnn.data.formats.npz:read",
    "parquet": "hepnn.data.formats.parquet:read",
    "sklearn": "hepnn.data.formats.sklearn_sets:read",
}

#: Inputs, class numbers and weights: `(events, *shape)`, `(events,)`, `(events,)`.
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


def read(card: Card, folder: Path, features: list[str]) -> Columns:
    """Read a card's events.

    Raises
    ------
    RecipeError
        If the format is unknown.
    DataError
        If a file is missing, damaged, or lacks a column.
    """
    reader = tables.load(FORMATS, card.source.format, f"format of dataset {card.name}:")
    for name in card.source.files:
        path = folder / name
        if not path.is_file():
            raise DataError(f"dataset {card.name}: {path} is missing")
        promised = card.checksums.get(name)
        if promised is not None and files.sha256(path) != promised:
            raise DataError(f"dataset {card.name}: {path} is not the file of its card (sha256)")
    return reader(card, folder, features)
