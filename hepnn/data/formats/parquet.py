"""Parquet files: one column a feature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hepnn.data.card import Card
from hepnn.data.table import Columns
from hepnn.errors import DataError, nearest


def read(card: Card, folder: Path, features: list[str]) -> Columns:
    """Read features, labels and weights of all files of a card, in order.

    Raises
    ------
    DataError
        If a file is no Parquet, is truncated, or lacks a column; naming file and column.
    """
    wanted = [*features, card.labels.column, *([card.weights] if card.weights else [])]
    tables = [_read(folder / name, wanted) for name in card.source.files]
    if not tables:
        raise DataError(f"dataset {card.name}: source.files is empty")
    whole = pa.concat_tables(tables)
    x = np.stack([_column(whole, name, card.name) for name in features], axis=-1)
    y = _column(whole, card.labels.column, card.name)
    weight = _column(whole, card.weights, card.name) if card.weights else np.ones(len(x))
    return x, y, weight


def _read(path: Path, wanted: list[str]) -> pa.Table:
    try:
        present = pq.read_schema(path).names
        for column in wanted:
            if column not in present:
                raise DataError(f"{path}: no column {column!r}; {nearest(column, present)}")
        return pq.read_table(path, columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: no Parquet, or truncated: {error}") from error


def _column(whole: pa.Table, name: str, dataset: str) -> np.ndarray:
    column = whole.column(name)
    if column.null_count:
        entry = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(f"dataset {dataset}: column {name!r} is empty in entry {entry}")
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise DataError(f"dataset {dataset}: column {name!r} is of type {column.type}, no number")
    return column.to_numpy()
