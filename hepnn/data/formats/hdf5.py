"""HDF5 files: the datasets of one group, by default the file's root, are the columns.

A dataset with one axis is flat, with more fixed, of variable length jagged. The fields of a
compound dataset are columns under their own names if it is the only dataset, and otherwise as
`dataset_field`; the source's `group` can also name one such dataset. Attributes `unit` (or
`units`) and `description` are kept. Links and data that lie in other files are not followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hepnn.data.card import Source
from hepnn.data.formats.reader import (
    Column,
    ColumnReader,
    Reader,
    described,
    lists,
    no_column,
    options,
    present,
    reading,
    texts,
)
from hepnn.errors import DataError, missing_extra

WHAT = "HDF5 file"

#: A dataset is refused that is larger than both: bytes, and times what is stored of it.
LARGEST_UNPACKED = 2**30
LARGEST_RATIO = 1000

#: Soft links that lead to soft links are followed so often.
LINKS = 16


def open_file(source: Source, path: Path | None) -> Reader:
    """Open an HDF5 file.

    Raises
    ------
    DataError
        If it is missing, truncated or no HDF5, or if it has no such group.
    MissingDependency
        If h5py is not installed.
    """
    options(source, {})
    return Hdf5Reader(present(path, source, WHAT), source.group or "/")


@dataclass(frozen=True)
class _Place:
    """Where a column lies: a dataset, and the field of a compound one."""

    dataset: Any
    field: str | None = None


class Hdf5Reader(ColumnReader):
    """An open HDF5 file; see `Reader`."""

    what = WHAT
    noun = "dataset"
    nouns = "datasets"

    def __init__(self, path: Path, group: str) -> None:
        try:
            import h5py
        except ImportError as error:
            raise missing_extra("h5py", "hep", "an HDF5 file") from error
        super().__init__(str(path))
        self._h5py = h5py
        self._places: dict[str, _Place] = {}
        with reading(path, WHAT):
            self._file = h5py.File(path, "r")
        try:
            with reading(path, WHAT):
                self._list(group)
        except DataError:
            self.close()
            raise

    def take(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        """Read parts of the datasets; a compound one is read once for all its fields."""
        compounds: dict[str, np.ndarray] = {}
        taken = {}
        for name in names:
            place = self._places[name]
            key = place.dataset.name
            if place.field is not None:
                if key not in compounds:
                    compounds[key] = place.dataset[start:stop]
                values = compounds[key][place.field]
            else:
                values = place.dataset[start:stop]
            taken[name] = self._converted(values, self.columns[name])
        return taken

    def close(self) -> None:
        """Let go of the file."""
        self._places.clear()
        self._file.close()

    def _list(self, name: str) -> None:
        group = self._inside(name)
        if isinstance(group, str):
            raise DataError(f"{self.where}: group {name!r} {group}")
        if group is None:
            groups = [key for key in self._file if isinstance(self._inside(key), self._h5py.Group)]
            raise DataError(f"{self.where}: {no_column(name, groups, 'group', 'groups')}")
        if isinstance(group, self._h5py.Dataset):
            found: dict[str, Any] = {PurePosixPath(group.name).name: group}
        else:
            found = {key: self._inside(f"{group.name}/{key}") for key in group}
        datasets = {k: d for k, d in found.items() if isinstance(d, self._h5py.Dataset)}
        lengths = {}
        for key, dataset in found.items():
            if isinstance(dataset, str):
                self.add(key, dataset)
            elif key in datasets:
                for column, place, told in self._columns(key, dataset, len(datasets) == 1):
                    self._places[column] = place
                    self.add(column, told)
                    lengths[column] = dataset.shape[0] if dataset.shape else 0
        self.keep_one_length(lengths)

    def _inside(self, name: str) -> Any:
        """Return an object of this very file, None if there is none, or why it is not opened."""
        here: Any = self._file
        ahead = [part for part in name.split("/") if part]
        for _ in range(len(ahead) + LINKS * 64):
            if not ahead:
                return here
            part = ahead.pop(0)
            link = here.get(part, getlink=True) if isinstance(here, self._h5py.Group) else None
            if link is None:
                return None
            if isinstance(link, self._h5py.ExternalLink):
                return f"is a link to {link.filename!r}, and links to other files are not followed"
            if isinstance(link, self._h5py.SoftLink):
                here = self._file if link.path.startswith("/") else here
                ahead = [one for one in link.path.split("/") if one not in ("", ".")] + ahead
            else:
                here = here[part]
        return "is a link that leads to itself"

    def _columns(self, key: str, dataset: Any, only: bool) -> list[tuple[str, _Place, Any]]:
        reason = self._refused(dataset)
        if reason:
            return [(key, _Place(dataset), reason)]
        shape, dtype = dataset.shape[1:], dataset.dtype
        if dtype.names is None:
            return [(key, _Place(dataset), self._described(dtype, shape, dataset.attrs))]
        made = []
        for field in dtype.names:
            inner, inside = dtype[field].base, dtype[field].shape
            column = field if only else f"{key}_{field}"
            told = self._described(inner, (*shape, *inside), {})
            made.append((column, _Place(dataset, field), told))
        return made

    def _refused(self, dataset: Any) -> str:
        if dataset.shape is None or not dataset.shape:
            return "is a single value"
        others = [s.file_name for s in dataset.virtual_sources()] if dataset.is_virtual else []
        if dataset.external or any(name != "." for name in others):
            return "has its data in another file, and other files are not followed"
        size = int(np.prod(dataset.shape, dtype=object)) * dataset.dtype.itemsize
        stored = dataset.id.get_storage_size()
        if not others and size > LARGEST_UNPACKED and size > LARGEST_RATIO * stored:
            return f"would unpack from {stored} to {size} bytes, and is refused"
        return ""

    def _described(self, dtype: np.dtype, shape: tuple[int, ...], attrs: Any) -> Column | str:
        unit = _attribute(attrs, "unit", "units")
        description = _attribute(attrs, "description", "long_name")
        inner = self._h5py.check_vlen_dtype(dtype)
        if self._h5py.check_string_dtype(dtype) is not None:
            return "holds lists of texts" if shape else Column("text", "str")
        if self._h5py.check_ref_dtype(dtype) is not None:
            return "holds references, no numbers"
        if inner is not None:
            of = described(np.dtype(inner), ())
            if isinstance(of, str) or of.kind != "flat" or shape:
                return "holds lists of something else than numbers"
            return Column("jagged", of.dtype, (), unit, description)
        found = described(dtype, shape)
        if isinstance(found, str):
            return found
        return Column(found.kind, found.dtype, shape, unit, description)

    def _converted(self, values: np.ndarray, column: Column) -> Any:
        if column.kind == "text":
            if values.dtype.kind == "O":
                decoded = [v.decode("utf-8", "replace") for v in values]
                return np.array(decoded, dtype=object).reshape(len(values))
            return texts(values)
        if column.kind == "jagged":
            offsets = np.concatenate([[0], np.cumsum([len(one) for one in values], dtype=np.int64)])
            content = np.concatenate([*values, np.empty(0, column.dtype)])
            return lists(offsets, content.astype(column.dtype, copy=False))
        return values


def _attribute(attrs: Any, *names: str) -> str:
    for name in names:
        if name in attrs:
            value = attrs[name]
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return ""
