"""All events of a dataset, in memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hepnn import console
from hepnn.data import bare, weights
from hepnn.data.assemble import Rows
from hepnn.data.card import Classes
from hepnn.data.dataset import Dataset, open_dataset
from hepnn.errors import DataError
from hepnn.run import Events, Run


class Whole(NamedTuple):
    """All rows of a dataset, in memory.

    Attributes
    ----------
    rows : Rows
        With the entries counted over the whole set.
    fingerprint : str
        Their checksum.
    """

    rows: Rows
    fingerprint: str


def read(data: Dataset) -> Events:
    """Read all events into memory, in the order of the files.

    Raises
    ------
    DataError
        If there are none, or if they are not what the card says.
    """
    rows = whole(data).rows
    factor = weights.factors(data.card.weights, sums_of(data, rows), classes_of(data))
    return events_of(data, rows, slice(None), factor)


def read_for(run: Run, name: str | Path) -> Events:
    """Read other events for a run's networks: of a card, or of a file without one.

    Raises
    ------
    DataError
        If they have another shape or other classes than the run.
    """
    shape = tuple(run.manifest["data"]["shape"])
    if bare.is_bare(name):
        return _read_bare(run, Path(name), shape)
    data = open_dataset(name, run.recipe.inputs)
    if data.shape != shape:
        raise DataError(
            f"dataset {data.name} has events of shape {data.shape}, run {run.name} of {shape}"
        )
    if data.classes != run.classes:
        raise DataError(f"dataset {data.name} has other classes than run {run.name}")
    return read(data)


def _read_bare(run: Run, path: Path, shape: tuple[int, ...]) -> Events:
    parts = run.manifest.get("adopted", {}).get("inputs", ())
    found = bare.read(path, shape, [(name, tuple(of_part)) for name, of_part in parts])
    known = run.events("test").y
    y = found.y
    if y is None:
        if known.size:
            raise DataError(f"{path}: no labels {bare.LABELS!r}, which run {run.name} is judged by")
        y = np.empty((len(found.x), 0), np.float32)
    if y.shape[1:] != known.shape[1:]:
        raise DataError(
            f"{path}: labels of shape {y.shape[1:]}, run {run.name} has {known.shape[1:]}"
        )
    y = y.astype(known.dtype)
    if run.classes and known.dtype.kind == "i" and not 0 <= y.min() <= y.max() < len(run.classes):
        raise DataError(f"{path}: labels beyond the {len(run.classes)} classes of run {run.name}")
    return Events(found.x, y, found.weight)


def whole(data: Dataset) -> Whole:
    """Read all rows into memory.

    Raises
    ------
    DataError
        If there are none, or if they are not what the card says.
    """
    parts: list[Rows] = []
    mark, first = Mark(), 0
    with console.bar("reading", data.assembler.survey.entries) as advance:
        for rows in data.assembler.rows():
            mark.add(rows)
            rows.entry = rows.entry + first
            first += rows.entries
            parts.append(rows)
            advance(rows.counts["entries"])
    if not sum(len(part.x) for part in parts):
        left = sum((part.counts for part in parts), Counter())
        why = "" if not left["examples"] else f": its selection keeps none of {left['examples']}"
        raise DataError(f"dataset {data.name}: no events{why}")

    def joined(name: str) -> np.ndarray:
        arrays = [getattr(part, name) for part in parts]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    found = Rows(
        **{name: joined(name) for name in ("x", "y", "weight", "cell", "observers", "entry")},
        entries=first,
        fixed=None if parts[0].fixed is None else joined("fixed"),
        counts=sum((part.counts for part in parts), Counter()),
    )
    return Whole(found, mark.hexdigest())


class Mark:
    """A checksum of rows that does not depend on how they are cut into chunks."""

    def __init__(self) -> None:
        self._digests = {name: hashlib.sha256() for name in ("x", "y", "weight")}

    def add(self, rows: Rows) -> None:
        """Take the next rows in."""
        for name, digest in self._digests.items():
            digest.update(np.ascontiguousarray(getattr(rows, name)).data)

    def hexdigest(self) -> str:
        """Return the checksum of all rows."""
        parts = "".join(digest.hexdigest() for digest in self._digests.values())
        return hashlib.sha256(parts.encode()).hexdigest()


def events_of(data: Dataset, rows: Rows, chosen: Any, factor: np.ndarray) -> Events:
    """Return the chosen rows as events, their weights times the factor of their cell."""
    weight = rows.weight[chosen] * factor[rows.cell[chosen]]
    observers = rows.observers[chosen] if data.card.observers else None
    return Events(
        np.ascontiguousarray(rows.x[chosen]),
        np.ascontiguousarray(rows.y[chosen]),
        weight.astype(np.float32),
        observers,
    )


def classes_of(data: Dataset) -> int:
    """Return the number of classes; 1 where events have none."""
    return len(data.classes) if isinstance(data.card.labels, Classes) else 1


def class_of(data: Dataset, rows: Rows) -> np.ndarray:
    """Return the class number of each event; 0 where they have none."""
    if isinstance(data.card.labels, Classes):
        return rows.y
    return np.zeros(len(rows.x), np.int64)


def cells_of(data: Dataset) -> int:
    """Return the number of cells that events are weighted by."""
    return weights.cells(data.card.weights, classes_of(data))


def sums_of(data: Dataset, rows: Rows) -> np.ndarray:
    """Return the sum of the weights in each cell."""
    return np.bincount(rows.cell, rows.weight, cells_of(data))
