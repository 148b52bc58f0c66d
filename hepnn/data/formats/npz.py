"""npz files: arrays `x`, and arrays named by the card for labels and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hepnn import files
from hepnn.data.card import Card
from hepnn.data.table import Columns
from hepnn.errors import DataError, RunError, nearest


def read(card: Card, folder: Path, features: list[str]) -> Columns:
    """Read the arrays of all files of a card, in order.

    An image is the array `image`; features are arrays of their names.

    Raises
    ------
    DataError
        If a file is damaged or lacks an array.
    """
    parts = [_read(card, folder / name, features) for name in card.source.files]
    if not parts:
        raise DataError(f"dataset {card.name}: source.files is empty")
    x, y, weight = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y, weight


def _read(card: Card, path: Path, features: list[str]) -> Columns:
    try:
        arrays = files.read_arrays(path)
    except RunError as error:
        raise DataError(str(error)) from error

    def array(name: str) -> np.ndarray:
        if name not in arrays:
            raise DataError(f"{path}: no array {name!r}; {nearest(name, arrays)}")
        return arrays[name]

    columns = [array(name) for name in features]
    lengths = {name: len(column) for name, column in zip(features, columns, strict=True)}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{path}: arrays of different lengths: {lengths}")
    if card.inputs.image is not None:
        x = columns[0].reshape(-1, *card.inputs.image.shape)
    else:
        x = np.stack(columns, axis=-1)
    return x, array(card.labels.column), array(card.weights) if card.weights else np.ones(len(x))
