"""What every format's reader gives: columns by name, from any entry to any other."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from hepnn.data.card import Source
from hepnn.errors import DataError, HepnnError, RecipeError, missing_extra, nearest

#: Names that a message lists before it counts the rest: NanoAOD has a thousand branches.
LISTED = 12


@dataclass(frozen=True)
class Column:
    """What is known of a column before it is read.

    Attributes
    ----------
    kind : str
        ``flat`` (one number an entry), ``fixed`` (an array of one shape), ``jagged`` (a list of
        any length) or ``text`` (a string, for labels by name; never scaled).
    dtype : str
        numpy's name of the numbers: ``float32``, ``int64``, ``bool``; ``str`` of text.
    shape : tuple of int
        Of one entry, if fixed.
    unit, description : str
        Where the file tells.
    """

    kind: Literal["flat", "fixed", "jagged", "text"]
    dtype: str
    shape: tuple[int, ...] = ()
    unit: str = ""
    description: str = ""


class Reader(Protocol):
    """An open file, folder or set.

    Attributes
    ----------
    where : str
        Its path or name, for messages.
    columns : dict of Column
        What can be read.
    entries : int
        The length of every column.
    """

    where: str
    columns: dict[str, Column]
    entries: int

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Return columns from entry `start` up to `stop`, by name.

        Flat ones are numpy arrays `(entries,)`, fixed ones `(entries, *shape)`, texts numpy
        arrays of `str`, jagged ones awkward arrays.

        Raises
        ------
        DataError
            If there is no such column, or if it is damaged or empty in an entry.
        """
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class ColumnReader(ABC):
    """What the readers share: checked names, one-line errors.

    A format fills `columns`, `entries` and `left_out` (why a column cannot be read, by name)
    and says in `take` how its columns are read.
    """

    what = "file"  # as in "no Parquet file, or truncated"
    noun = "column"
    nouns = "columns"

    def __init__(self, where: str) -> None:
        self.where = where
        self.columns: dict[str, Column] = {}
        self.left_out: dict[str, str] = {}
        self.entries = 0

    def read(self, names: Sequence[str], start: int, stop: int) -> dict[str, Any]:
        """Return columns from entry `start` up to `stop`, by name; see `Reader`."""
        for name in names:
            self.column(name)
        stop = min(stop, self.entries)
        start = min(start, stop)
        with reading(self.where, self.what):
            return self.take(list(dict.fromkeys(names)), start, stop)

    @abstractmethod
    def take(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        """Read columns that exist, between entries that exist."""

    def column(self, name: str) -> Column:
        """Return what is known of a column.

        Raises
        ------
        DataError
            If there is none, naming the nearest, or if it is one that cannot be read.
        """
        if name in self.columns:
            return self.columns[name]
        if name in self.left_out:
            raise DataError(f"{self.where}: {self.noun} {name!r} {self.left_out[name]}")
        raise DataError(f"{self.where}: {no_column(name, self.columns, self.noun, self.nouns)}")

    def add(self, name: str, found: Column | str) -> None:
        """Add a column, or the reason why it cannot be read."""
        if isinstance(found, Column):
            self.columns[name] = found
        else:
            self.left_out.setdefault(name, found)

    def keep_one_length(self, lengths: Mapping[str, int]) -> None:
        """Set `entries` to the length that most columns have; leave out the others."""
        readable = {name: length for name, length in lengths.items() if name in self.columns}
        if readable:
            self.entries = Counter(readable.values()).most_common(1)[0][0]
        for name, length in readable.items():
            if length != self.entries:
                del self.columns[name]
                self.add(name, f"has {length} entries where others have {self.entries}")

    def edges(self, names: Sequence[str]) -> np.ndarray:
        """Return the entries at which columns are stored in pieces, from 0 to `entries`.

        Reading from one edge to another decodes nothing twice.
        """
        return np.array([0, self.entries])

    def close(self) -> None:  # noqa: B027 - most formats hold nothing open
        """Let go of the file."""

    def __enter__(self) -> ColumnReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ArrayReader(ColumnReader):
    """Columns that are in memory as a whole."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.arrays: dict[str, Any] = {}

    def hold(self, name: str, array: Any, column: Column) -> None:
        """Add a column with its content."""
        self.arrays[name] = array
        self.columns[name] = column
        self.entries = len(array)

    def take(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        """Return parts of the arrays, not copied."""
        return {name: self.arrays[name][start:stop] for name in names}


def no_column(name: str, known: Collection[str], noun: str, nouns: str) -> str:
    """Say that there is no such column, and which was probably meant.

    >>> no_column("Jet_pT", ["Jet_pt", "Jet_eta"], "branch", "branches")
    "no branch 'Jet_pT'; did you mean 'Jet_pt'?"
    """
    hint = nearest(name, known)
    if hint.startswith("known") and len(known) > LISTED:
        hint = f"known: {', '.join(sorted(known)[:LISTED])} and {len(known) - LISTED} more"
    return f"no {noun} {name!r}; {hint if known else f'there are no {nouns} of numbers'}"


def described(dtype: np.dtype, shape: tuple[int, ...], unit: str = "") -> Column | str:
    """Return the column that an array's type and the shape of an entry make, or why none."""
    if dtype.kind in "biuf":
        return Column("fixed" if shape else "flat", dtype.name, shape, unit)
    if dtype.kind in "US" and not shape:
        return Column("text", "str")
    if dtype.kind == "O":
        return "holds Python objects, and those are not unpickled"
    return f"is of type {dtype}, no numbers"


def texts(array: np.ndarray) -> np.ndarray:
    """Return strings of numpy's own types, or bytes, as `str` objects."""
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    return array.astype(object)


def lists(offsets: np.ndarray, content: np.ndarray) -> Any:
    """Return an awkward array of lists; the i-th lies from `offsets[i]` up to `offsets[i + 1]`."""
    ak = awkward()
    index = ak.index.Index64(np.ascontiguousarray(offsets, np.int64))
    return ak.Array(ak.contents.ListOffsetArray(index, ak.contents.NumpyArray(content)))


def awkward() -> Any:
    """Import awkward.

    Raises
    ------
    MissingDependency
        If it is not installed.
    """
    try:
        import awkward
    except ImportError as error:
        raise missing_extra("awkward", "hep", "a column of lists") from error
    return awkward


def present(path: Path | None, source: Source, what: str) -> Path:
    """Return a file's path, checked.

    Raises
    ------
    RecipeError
        If the source names no file.
    DataError
        If there is none, if it is a folder or empty, or if it may not be read.
    """
    if path is None:
        raise RecipeError(f"source: format {source.format!r} needs files")
    try:
        if not path.exists():
            raise DataError(f"{path}: no such file")
        if not path.is_file():
            raise DataError(f"{path}: a folder or device, no {what}")
        with path.open("rb") as stream:
            if not stream.read(1):
                raise DataError(f"{path}: no {what}: the file is empty")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return path


@contextlib.contextmanager
def reading(where: str | Path, what: str) -> Iterator[None]:
    """Turn whatever a format's package raises at a damaged file into one line.

    Raises
    ------
    DataError
        In place of any exception but those of hepnn.
    """
    try:
        yield
    except HepnnError:
        raise
    except MemoryError as error:
        raise DataError(f"{where}: does not fit into memory") from error
    except OSError as error:
        if error.strerror and error.errno:
            raise DataError(f"{where}: cannot be read: {error.strerror}") from error
        raise DataError(f"{where}: no {what}, or truncated: {one_line(error)}") from error
    except Exception as error:  # a damaged file fails in as many ways as there are bytes
        raise DataError(f"{where}: no {what}, or truncated: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """Return the first paragraph of an error's message in one line, cut at 160 characters."""
    text = " ".join(str(error).strip().split("\n\n")[0].split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


def options(source: Source, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the source's options over their defaults.

    Raises
    ------
    RecipeError
        If one is unknown.
    """
    for name in source.options:
        if name not in defaults:
            hint = nearest(name, defaults) if defaults else "it has none"
            raise RecipeError(f"source.options: format {source.format} has no {name!r}; {hint}")
    return {**defaults, **source.options}
