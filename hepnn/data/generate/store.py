"""Generated events in Parquet files: rounded to the digits that mean something, then compressed.

Columns are numbers, lists of any length, or arrays of one shape (nested lists of fixed size,
so that the shape is part of the column's type).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hepnn import files

MANTISSA_BITS = 12

# A row group is what a reader holds at once.
BYTES_A_ROW_GROUP = 64 * 2**20


def rounded(values: Any) -> NDArray[np.float32]:
    """Round to float32 with 12 explicit bits of mantissa, ties to even.

    The relative error is at most 2**-13, well below any detector's resolution; integers up to
    8192 are kept. The cleared bits compress to nothing.

    Examples
    --------
    >>> rounded(np.array([1.0, 173.0, 1 + 2**-14])).tolist()
    [1.0, 173.0, 1.0]
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    drop = np.uint32(23 - MANTISSA_BITS)
    last = (bits >> drop) & np.uint32(1)
    half = np.uint32(1 << (int(drop) - 1)) - np.uint32(1)
    kept = ((bits + half + last) >> drop) << drop
    return kept.view(np.float32)


def lists(values: NDArray[Any]) -> pa.FixedSizeListArray:
    """Make a column of lists of one length from an array `(events, length)`.

    Floating numbers are rounded; whole numbers keep their type.
    """
    return images(values)


def images(values: NDArray[Any]) -> pa.FixedSizeListArray:
    """Make a column of arrays of one shape from an array `(events, height, width, channels)`.

    Any number of axes will do. Floating numbers are rounded; whole numbers keep their type.

    Examples
    --------
    >>> str(images(np.zeros((2, 4, 3, 1), np.uint8)).type)
    'fixed_size_list<element: fixed_size_list<element: fixed_size_list<element: uint8>[1]>[3]>[4]'
    """
    column = _numbers(values.ravel())
    for length in reversed(values.shape[1:]):
        element = pa.field("element", column.type)
        column = pa.FixedSizeListArray.from_arrays(column, type=pa.list_(element, length))
    return column


def jagged(values: NDArray[Any], counts: NDArray[np.integer[Any]]) -> pa.ListArray:
    """Make a column of lists of any length.

    Parameters
    ----------
    values : array, shape (sum of counts,)
        The lists, one event after the other. Floating numbers are rounded.
    counts : array, shape (events,)
        Length of each list.

    Examples
    --------
    >>> jagged(np.array([1, 2, 3]), np.array([2, 0, 1])).to_pylist()
    [[1, 2], [], [3]]
    """
    offsets = np.concatenate([[0], np.cumsum(counts)])
    if offsets[-1] != len(values):
        raise ValueError(f"counts make {offsets[-1]} values, there are {len(values)}")
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _numbers(values))


def write(table: pa.Table, path: Path) -> None:
    """Write a table so that the path either holds all of it or nothing.

    The same table gives the same bytes.
    """
    with files.replacing(path) as partial:
        _write(table, partial)


def encode(table: pa.Table) -> bytes:
    """Return the bytes that `write` would write."""
    stream = io.BytesIO()
    _write(table, stream)
    return stream.getvalue()


def _write(table: pa.Table, where: Path | io.BytesIO) -> None:
    leaves = dict(leaf for field in table.schema for leaf in _leaf(field))
    split = [name for name, kind in leaves.items() if kind in (pa.float32(), pa.float64())]
    rows = BYTES_A_ROW_GROUP * len(table) // max(table.nbytes, 1)
    pq.write_table(
        table,
        where,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in leaves if name not in split],
        column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        row_group_size=max(rows, 1),
    )


def _numbers(values: NDArray[Any]) -> pa.Array:
    floating = np.issubdtype(values.dtype, np.floating)
    return pa.array(rounded(values) if floating else np.ascontiguousarray(values))


def _leaf(field: pa.Field) -> list[tuple[str, pa.DataType]]:
    """Return the Parquet path of a column's numbers, and their type."""
    path, kind = field.name, field.type
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        path, kind = f"{path}.list.element", kind.value_type
    return [(path, kind)]
