"""A data file without a card: opened by its suffix, and read as events.

Events are the array `x`, or where there is none all columns of single numbers, in the file's
order; `y` are labels and `weight` weights, if there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hepnn.data import card as cards
from hepnn.data.card import Feature, Source
from hepnn.data.formats.reader import ColumnReader
from hepnn.data.sources import open_part
from hepnn.errors import DataError

#: Suffix of a bare file, or `/` for a folder, and the format it is opened in.
FORMATS = {
    ".root": "root",
    ".parquet": "parquet",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".npz": "npz",
    ".csv": "csv",
    "/": "images",
}

INPUTS, LABELS, WEIGHT = "x", "y", "weight"


@dataclass(frozen=True)
class Content:
    """The events of a bare file.

    Attributes
    ----------
    x : np.ndarray
        `(events, *shape)` float32.
    y : np.ndarray or None
        Labels `(events, ...)`, as they are stored.
    weight : np.ndarray
        `(events,)` float32.
    names : list of str
        Of the last axis of `x`.
    """

    x: np.ndarray
    y: np.ndarray | None
    weight: np.ndarray
    names: list[str]


def is_bare(path: str | Path) -> bool:
    """Say whether a path is a data file, and not a card or the short name of one."""
    path = Path(path)
    return path.suffix.lower() in FORMATS and path.is_file()


def open_file(path: Path, kind: str, tree: str | None = None) -> ColumnReader:
    """Open a file in a format.

    Raises
    ------
    DataError
        If it is missing, damaged or of another format.
    """
    least = cards.Card(
        name=path.name,
        title="",
        source=Source(format=kind, files=[str(path)], tree=tree),
        inputs={"none": cards.Features(features=[Feature(name="none")])},
        labels=cards.Unlabelled(),
        licence="",
    )
    return open_part(least, path)


def read(
    path: Path, shape: tuple[int, ...], parts: Sequence[tuple[str, tuple[int, ...]]] = ()
) -> Content:
    """Read all events of a file.

    Parameters
    ----------
    path
        Of a format that `FORMATS` has.
    shape
        That an event shall have.
    parts
        Name and shape of arrays that are put one behind the other, where there are several.

    Raises
    ------
    DataError
        If it cannot be read, or its events are none, of another shape, not finite, or all zero.
    """
    with contextlib.closing(open_file(path, FORMATS[path.suffix.lower()])) as reader:
        columns, count = reader.columns, reader.entries

        def take(name: str) -> np.ndarray:
            return np.asarray(reader.read([name], 0, count)[name])

        if not count:
            raise DataError(f"{path}: no events")
        if len(parts) > 1 and INPUTS not in columns:
            x, names = _joined(
                path, {name: take(name) for name, _ in parts if name in columns}, parts
            )
        elif INPUTS in columns:
            x = take(INPUTS)
            names = [INPUTS] if x.ndim == 1 else [f"{INPUTS}{n}" for n in range(x.shape[-1])]
        else:
            names = [
                name
                for name, column in columns.items()
                if column.kind == "flat" and name not in (LABELS, WEIGHT)
            ]
            if not names:
                raise DataError(f"{path}: neither an array {INPUTS!r} nor columns of numbers")
            x = np.stack([take(name) for name in names], axis=-1)
        y = take(LABELS) if LABELS in columns else None
        weight = take(WEIGHT) if WEIGHT in columns else np.ones(count)
    x = np.ascontiguousarray(x, np.float32)
    if x.shape[1:] != shape and x.ndim == 1 and shape == (1,):
        x = x[:, None]
    check(x, shape, str(path))
    return Content(x, y, weight.astype(np.float32), names)


def _joined(
    path: Path, arrays: Mapping[str, np.ndarray], parts: Sequence[tuple[str, tuple[int, ...]]]
) -> tuple[np.ndarray, list[str]]:
    """Put arrays one behind the other, flattened."""
    names: list[str] = []
    for name, shape in parts:
        if name not in arrays:
            raise DataError(f"{path}: no array {name!r}, an input of the model")
        found = arrays[name].shape[1:] or (1,)
        if found != shape:
            raise DataError(f"{path}: array {name!r} of shape {found}, the model takes {shape}")
        names += [f"{name}{number}" for number in range(int(np.prod(shape)))]
    flat = [arrays[name].reshape(len(arrays[name]), -1) for name, _ in parts]
    return np.concatenate(flat, axis=1), names


def check(x: np.ndarray, shape: tuple[int, ...], where: str) -> None:
    """See that events are of a shape, finite, and not all zero.

    Raises
    ------
    DataError
        If they are not.
    """
    if x.shape[1:] != shape:
        raise DataError(f"{where}: events of shape {x.shape[1:]}, the model takes {shape}")
    finite = np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    if not finite.all():
        raise DataError(f"{where}: event {int(np.argmin(finite))} is not finite")
    if not x.any():
        raise DataError(f"{where}: all {len(x)} events are zero; ranges cannot be taken from them")
