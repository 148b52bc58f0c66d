"""Parquet files: a column, or a field of a structure, is a column.

Lists of one length are fixed, lists of any length jagged, strings text. Row groups are read as
they are asked for, and the last one is kept, so that entries read in order are decoded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hepnn.data.card import Source
from hepnn.data.formats import arrow
from hepnn.data.formats.reader import ColumnReader, Reader, options, present, reading
from hepnn.errors import DataError

WHAT = "Parquet file"


def open_file(source: Source, path: Path | None) -> Reader:
    """Open a Parquet file.

    Raises
    ------
    DataError
        If it is missing, truncated or no Parquet.
    """
    options(source, {})
    return ParquetReader(present(path, source, WHAT))


class ParquetReader(ColumnReader):
    """An open Parquet file; see `Reader`."""

    what = WHAT

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._leaves: dict[str, arrow.Leaf] = {}
        with reading(path, WHAT):
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
            schema = self._file.schema_arrow
            if len(set(schema.names)) < len(schema.names):
                twice = next(name for name in schema.names if schema.names.count(name) > 1)
                raise DataError(f"{path}: two columns are called {twice!r}")
            for name, leaf, found in arrow.leaves(schema):
                self._leaves.setdefault(name, leaf)
                self.add(name, found)
            groups = range(self._file.num_row_groups)
            rows = [self._file.metadata.row_group(group).num_rows for group in groups]
            self._ends = np.cumsum(rows, dtype=np.int64)
            self.entries = self._file.metadata.num_rows
        self._kept: tuple[Any, pa.Table | None] = (None, None)

    def take(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        """Read the row groups that overlap, and cut out the entries."""
        tops = sorted({self._leaves[name].top for name in names})
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        parts = [self._file.schema_arrow.empty_table().select(tops)]
        for group in range(first, min(last + 1, len(self._ends)) if stop > start else first):
            begin = int(self._ends[group - 1]) if group else 0
            table = self._group(group, tops)
            low, high = max(start - begin, 0), min(stop - begin, len(table))
            parts.append(table.slice(low, high - low))
        whole = pa.concat_tables(parts)
        return {name: self._values(whole, name, start) for name in names}

    def edges(self, names: Sequence[str]) -> np.ndarray:
        """Return where the row groups begin and end."""
        return np.concatenate([[0], self._ends])

    def close(self) -> None:
        """Let go of the file."""
        self._kept = (None, None)
        self._file.close()

    def _group(self, group: int, tops: list[str]) -> pa.Table:
        key, table = self._kept
        if table is None or key != (group, tops):
            table = self._file.read_row_group(group, columns=tops, use_threads=True).select(tops)
            self._kept = ((group, tops), table)
        return table

    def _values(self, whole: pa.Table, name: str, start: int) -> Any:
        leaf = self._leaves[name]
        where = f"{self.where}: column {name!r}"
        return arrow.values(whole.column(leaf.top), leaf, self.columns[name], where, start)
