"""CSV files: the first line has the columns' names, their types are inferred over the file.

The option `delimiter` is a comma by default. A CSV file has no index, so that it is read as a
whole at once. An empty field is NaN in a column of floats, an empty string in one of text, and
an error in one of whole numbers.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv

from hepnn.data.card import Source
from hepnn.data.formats import arrow
from hepnn.data.formats.reader import ColumnReader, Reader, options, present, reading
from hepnn.errors import DataError, RecipeError

WHAT = "CSV file"

#: Types are inferred over one block; Arrow's is at most this long.
LARGEST_BLOCK = 2**31 - 1


def open_file(source: Source, path: Path | None) -> Reader:
    """Read a CSV file.

    Raises
    ------
    RecipeError
        If the delimiter is not one character.
    DataError
        If a line has the wrong number of fields, naming it, or if the file is no CSV.
    """
    delimiter = options(source, {"delimiter": ","})["delimiter"]
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        raise RecipeError(f"source.options.delimiter: {delimiter!r} is not one character")
    return CsvReader(present(path, source, WHAT), delimiter)


class CsvReader(ColumnReader):
    """A CSV file's columns, in memory; see `Reader`."""

    what = WHAT

    def __init__(self, path: Path, delimiter: str) -> None:
        super().__init__(str(path))
        self._leaves: dict[str, arrow.Leaf] = {}
        with reading(path, WHAT):
            self._table = _read(path, delimiter)
            names = self._table.column_names
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise DataError(f"{path}: line 1: two columns are called {twice!r}")
            for name, leaf, found in arrow.leaves(self._table.schema):
                self._leaves[name] = leaf
                self.add(name, found)
        self.entries = len(self._table)

    def take(self, names: list[str], start: int, stop: int) -> dict:
        """Convert the entries of some columns."""
        taken = {}
        for name in names:
            part = self._table.column(name).slice(start, stop - start)
            where = f"{self.where}: column {name!r}"
            taken[name] = arrow.values(part, self._leaves[name], self.columns[name], where, start)
        return taken


def _read(path: Path, delimiter: str) -> pa.Table:
    size = min(path.stat().st_size + 1, LARGEST_BLOCK)
    try:
        # A stream, not the path: Arrow would decompress what is called .gz, to any size.
        with path.open("rb") as stream:
            return arrow_csv.read_csv(
                stream,
                arrow_csv.ReadOptions(block_size=size),
                arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            )
    except pa.ArrowInvalid as error:
        uneven = _uneven_line(path, delimiter)
        if uneven is None:
            raise
        raise DataError(f"{path}: {uneven}") from error


def _uneven_line(path: Path, delimiter: str) -> str | None:
    """Find the first line whose number of fields is not the header's; Arrow counts rows."""
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        rows = csv.reader(stream, delimiter=delimiter)
        expected = len(next(rows, []))
        for row in rows:
            if row and len(row) != expected:
                return f"line {rows.line_num}: {len(row)} fields where line 1 names {expected}"
    return None
