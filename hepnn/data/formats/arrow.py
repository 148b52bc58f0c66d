"""Arrow's columns, which Parquet and CSV give, as numpy's and awkward's.

Numbers stay what they are. A missing number is NaN where the column has floats; where it has
whole numbers or conditions, or where a list is missing, nothing could stand for it, and it is
an error. Columns of structures are taken apart: `Jet` with `pt` and `eta` is `Jet_pt`, `Jet_eta`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from hepnn.data.formats.reader import Column, awkward
from hepnn.errors import DataError


@dataclass(frozen=True)
class Leaf:
    """Where a column lies in a table: the table's column, and the fields within it."""

    top: str
    fields: tuple[str, ...] = ()


def leaves(schema: pa.Schema) -> Iterator[tuple[str, Leaf, Column | str]]:
    """Walk over a table's columns.

    Yields
    ------
    tuple
        Name, place, and the column or the reason why it cannot be read. Unit and description
        are those of the field's metadata.
    """
    for field in schema:
        notes = {
            k.decode(): v.decode("utf-8", "replace") for k, v in (field.metadata or {}).items()
        }
        for fields, dims, dtype in _leaves(field.type):
            name = "_".join((field.name, *fields))
            yield name, Leaf(field.name, fields), _column(dims, dtype, notes)


def values(column: pa.ChunkedArray, leaf: Leaf, wanted: Column, where: str, start: int) -> Any:
    """Convert a table's column.

    Parameters
    ----------
    column
        Entries of the table's column.
    leaf, wanted
        Which part of it.
    where
        File and column, for messages.
    start
        Number of its first entry in the file.

    Raises
    ------
    DataError
        If a number, text or list is missing that nothing can stand for; naming the entry.
    """
    array = column.combine_chunks()
    part = _Part(array, leaf.fields, where, lambda index: start + index)
    if wanted.kind == "jagged":
        ak = awkward()
        return ak.Array(part.layout(ak))
    if wanted.kind == "text":
        part.refuse_missing()
        return part.struct().array.cast(pa.large_string()).to_numpy(zero_copy_only=False)
    return part.numbers().reshape(len(array), *wanted.shape)


def _leaves(kind: pa.DataType) -> Iterator[tuple[tuple[str, ...], tuple[int, ...], Any]]:
    """Walk down a type: fields, dimensions (-1 for any length), and numpy's type or a reason."""
    if pa.types.is_struct(kind):
        for index in range(kind.num_fields):
            field = kind.field(index)
            for fields, dims, dtype in _leaves(field.type):
                yield (field.name, *fields), dims, dtype
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        for fields, dims, dtype in _leaves(kind.value_type):
            yield fields, (-1, *dims), dtype
    elif pa.types.is_fixed_size_list(kind):
        for fields, dims, dtype in _leaves(kind.value_type):
            yield fields, (kind.list_size, *dims), dtype
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        yield (), (), np.dtype(kind.to_pandas_dtype())
    elif pa.types.is_null(kind):  # a column of a CSV file without any value
        yield (), (), np.dtype(np.float64)
    else:
        name = kind.value_type if pa.types.is_dictionary(kind) else kind
        text = pa.types.is_string(name) or pa.types.is_large_string(name)
        yield (), (), "text" if text else f"is of type {kind}, no numbers"


def _column(dims: tuple[int, ...], dtype: np.dtype | str, notes: dict[str, str]) -> Column | str:
    told = (notes.get("unit", ""), notes.get("description", ""))
    if isinstance(dtype, str):
        if dtype != "text":
            return dtype
        return "holds lists of texts" if dims else Column("text", "str", (), *told)
    if -1 in dims:
        return Column("jagged", dtype.name, (), *told)
    return Column("fixed" if dims else "flat", dtype.name, dims, *told)


@dataclass(frozen=True)
class _Part:
    """A piece of a column on the way down to its numbers; `entry` finds what an index is of."""

    array: pa.Array
    fields: tuple[str, ...]
    where: str
    entry: Callable[[int], int]

    def refuse_missing(self) -> None:
        if self.array.null_count:
            index = int(np.flatnonzero(self.array.is_null().to_numpy(zero_copy_only=False))[0])
            raise DataError(f"{self.where} is empty in entry {self.entry(index)}")

    def struct(self) -> _Part:
        part = self
        while pa.types.is_struct(part.array.type):
            part.refuse_missing()
            inner = part.array.field(part.fields[0])
            part = _Part(inner, part.fields[1:], self.where, part.entry)
        return part

    def numbers(self) -> np.ndarray:
        """Return the numbers of a flat column, or of lists of one length, in one row."""
        part = self.struct()
        kind = part.array.type
        if pa.types.is_fixed_size_list(kind):
            return part.content().numbers()
        if pa.types.is_null(kind):
            return np.full(len(part.array), np.nan)
        if not pa.types.is_floating(kind):
            part.refuse_missing()
        return part.array.to_numpy(zero_copy_only=False)

    def content(self) -> _Part:
        """Return what the lists hold, which may be missing nowhere."""
        self.refuse_missing()
        if pa.types.is_fixed_size_list(self.array.type):
            size = self.array.type.list_size
            above = self.entry
            return _Part(
                self.array.flatten(), self.fields, self.where, lambda index: above(index // size)
            )
        offsets = self.offsets()
        inside = self.array.values.slice(offsets[0], offsets[-1] - offsets[0])
        starts = offsets - offsets[0]
        return _Part(
            inside,
            self.fields,
            self.where,
            lambda index: self.entry(int(np.searchsorted(starts, index, side="right")) - 1),
        )

    def offsets(self) -> np.ndarray:
        return self.array.offsets.to_numpy().astype(np.int64)

    def layout(self, ak: Any) -> Any:
        part = self.struct()
        kind = part.array.type
        if pa.types.is_fixed_size_list(kind):
            inner = part.content().layout(ak)
            return ak.contents.RegularArray(inner, kind.list_size, len(part.array))
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            content = part.content().layout(ak)
            offsets = part.offsets()
            return ak.contents.ListOffsetArray(ak.index.Index64(offsets - offsets[0]), content)
        return ak.contents.NumpyArray(part.numbers())
