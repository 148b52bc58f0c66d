"""The files of a card: found, opened, checked against one another, read in chunks."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath

from hepnn import files, tables
from hepnn.data.card import Card
from hepnn.data.formats import FORMATS
from hepnn.data.formats.reader import Column, ColumnReader
from hepnn.errors import DataError

#: Bytes of the columns that are read together.
CHUNK_BYTES = 8 << 20

#: Entries that are read together, at least and at most.
CHUNK_ENTRIES = (500, 100_000)


@dataclass(frozen=True)
class Part:
    """One file, or the set where there are no files."""

    number: int
    path: Path | None
    where: str
    entries: int
    edges: tuple[int, ...] = ()


@dataclass(frozen=True)
class Survey:
    """What the files hold, known before any event is read.

    Attributes
    ----------
    parts : list of Part
        The files that can be read, in order.
    columns : dict
        Of the first file; the others have those that were asked for alike.
    skipped : dict
        Why a file was left out, by path.
    """

    parts: list[Part]
    columns: dict[str, Column]
    skipped: dict[str, str]

    @property
    def entries(self) -> int:
        """Entries of all files together."""
        return sum(part.entries for part in self.parts)


def paths(card: Card, folder: Path) -> list[Path | None]:
    """Return the files of a card, globs expanded and sorted.

    A relative path must stay inside the card's folder, links followed.

    Raises
    ------
    DataError
        If a file is missing, a glob finds nothing, a path leaves the folder, or a file is not
        the one of the card's checksum.
    """
    found: list[Path | None] = []
    for name in card.source.files:
        absolute = PurePath(name).is_absolute()
        pattern = name if absolute else str(Path(glob.escape(str(folder))) / name)
        is_glob = glob.has_magic(name)
        matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]
        if is_glob and not matches:
            raise DataError(f"dataset {card.name}: source.files: nothing matches {name!r}")
        for path in matches if is_glob else [Path(name) if absolute else folder / name]:
            if not absolute and not path.resolve().is_relative_to(folder.resolve()):
                raise DataError(
                    f"dataset {card.name}: source.files: {name!r} leaves the card's folder; an "
                    "absolute path says so openly"
                )
            if not path.exists():
                raise DataError(f"dataset {card.name}: {path} is missing")
            promised = card.checksums.get(name)
            if promised is not None and files.sha256(path) != promised:
                raise DataError(f"dataset {card.name}: {path} is not the file of its card (sha256)")
            found.append(path)
    if not found and card.source.set is None:
        raise DataError(f"dataset {card.name}: source.files is empty")
    return found or [None]


def open_part(card: Card, path: Path | None) -> ColumnReader:
    """Open a file by its card's format.

    Raises
    ------
    RecipeError
        If the format is unknown.
    DataError
        If the file is missing, damaged, or of another format.
    """
    known = f"format of dataset {card.name}:"
    opener = tables.load(FORMATS, card.source.format, known)
    return opener(card.source, path)


def survey(card: Card, folder: Path, needs: Callable[[dict[str, Column]], Iterable[str]]) -> Survey:
    """Open every file once, and compare the columns that are needed.

    Parameters
    ----------
    card, folder
        The card and where it lies.
    needs
        From the columns of the first file to the names of those that are needed.

    Raises
    ------
    DataError
        If a file cannot be read (unless the card skips such), lacks a column, or has it of
        another type than the first file.
    """
    parts: list[Part] = []
    columns: dict[str, Column] = {}
    needed: list[str] = []
    skipped: dict[str, str] = {}
    for path in paths(card, folder):
        try:
            reader = open_part(card, path)
        except DataError as error:
            if not card.source.skip_unreadable:
                raise
            skipped[str(path)] = str(error)
            continue
        with contextlib.closing(reader):
            if not parts:
                columns = dict(reader.columns)
                needed = list(needs(columns))
            for name in needed:
                reader.column(name)
                if not _alike(columns[name], reader.columns[name]):
                    raise DataError(
                        f"{reader.where}: column {name!r} is {_said(reader.columns[name])}, in "
                        f"{parts[0].where} {_said(columns[name])}"
                    )
            edges = tuple(reader.edges(needed).tolist()) if needed else ()
            parts.append(Part(len(parts), path, reader.where, reader.entries, edges))
    if not parts:
        reason = next(iter(skipped.values()))
        raise DataError(f"dataset {card.name}: none of its files can be read: {reason}")
    return Survey(parts, columns, skipped)


def chunk_entries(columns: Sequence[Column]) -> int:
    """Return how many entries are read together; a jagged column counts as ten numbers."""
    bytes_an_entry = 0
    for column in columns:
        values = 10
        if column.kind != "jagged":
            values = 1
            for length in column.shape:
                values *= length
        bytes_an_entry += 8 * values
    low, high = CHUNK_ENTRIES
    return min(max(CHUNK_BYTES // max(bytes_an_entry, 1), low), high)


def ranges(part: Part, step: int) -> list[tuple[Part, int, int]]:
    """Cut a file into pieces of at most `step` entries, along the edges of what is stored.

    Stored pieces that are larger are cut; smaller ones are taken together, up to `step`.
    """
    found: list[tuple[Part, int, int]] = []
    start = 0
    edges = [edge for edge in part.edges if 0 < edge < part.entries] + [part.entries]
    for edge, following in zip(edges, [*edges[1:], None], strict=True):
        if following is not None and following - start <= step:
            continue
        found += [(part, low, min(low + step, edge)) for low in range(start, edge, step)]
        start = edge
    return found


def split_of_file(card: Card, part: Part, patterns: dict[str, list[str]]) -> int:
    """Return the number of the split that a file is assigned to.

    Raises
    ------
    DataError
        If the file is in none, or in two.
    """
    assert part.path is not None
    found = [
        number
        for number, names in enumerate(patterns.values())
        if any(_matches(part.path, name) for name in names)
    ]
    if len(found) != 1:
        said = "no split" if not found else " and ".join(list(patterns)[n] for n in found)
        raise DataError(f"dataset {card.name}: splits: {part.path} is in {said}")
    return found[0]


def _matches(path: Path, pattern: str) -> bool:
    return fnmatch(str(path), pattern) or fnmatch(str(path), f"*/{pattern}")


def _alike(one: Column, other: Column) -> bool:
    return (
        one.kind == other.kind
        and one.shape == other.shape
        and _family(one.dtype) == _family(other.dtype)
    )


def _family(dtype: str) -> str:
    return dtype.rstrip("0123456789").removeprefix("u")


def _said(column: Column) -> str:
    shape = f" of shape {column.shape}" if column.shape else ""
    return f"{column.kind} {column.dtype}{shape}"
