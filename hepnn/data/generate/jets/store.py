"""Jets in Parquet files: rounded to the digits that mean something, then compressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hepnn import files
from hepnn.data.generate.jets.columns import CONSTITUENTS, FEATURES, LENGTH, OBSERVERS
from hepnn.data.physics.kinematics import Floats

MANTISSA_BITS = 12

# A column of fixed-length lists is addressed by its leaf.
LEAF = ".list.element"


def rounded(values: Floats) -> NDArray[np.float32]:
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


def jets_table(features: Floats, observers: Floats, label: NDArray[np.int8]) -> pa.Table:
    """Name the columns of sample.parquet."""
    columns: dict[str, NDArray[Any]] = {
        c.name: rounded(features[:, i]) for i, c in enumerate(FEATURES)
    }
    columns["class"] = label
    columns |= {c.name: rounded(observers[:, i]) for i, c in enumerate(OBSERVERS)}
    return pa.table(columns)


def constituents_table(
    constituents: Floats, row: NDArray[np.int32], label: NDArray[np.int8]
) -> pa.Table:
    """Name the columns of constituents.parquet: ``row`` counts the rows of sample.parquet."""
    columns = {"row": pa.array(row, pa.int32()), "class": pa.array(label, pa.int8())}
    for i, column in enumerate(CONSTITUENTS):
        values = constituents[:, :, i].ravel()
        whole = column.name == "charge"
        flat = pa.array(values.astype(np.int8) if whole else rounded(values))
        columns[column.name] = pa.FixedSizeListArray.from_arrays(flat, LENGTH)
    return pa.table(columns)


def stacked_constituents(table: pa.Table) -> Floats:
    """Return the constituents of a table as one array, shape (jets, 32, 4)."""
    return np.stack(
        [
            np.asarray(table[c.name].combine_chunks().flatten(), np.float64).reshape(-1, LENGTH)
            for c in CONSTITUENTS
        ],
        axis=2,
    )


def write(table: pa.Table, path: Path) -> None:
    """Write a table so that the path either holds all of it or nothing."""
    encoding = {}
    for field in table.schema:
        listed = pa.types.is_fixed_size_list(field.type)
        if pa.types.is_floating(field.type.value_type if listed else field.type):
            encoding[field.name + LEAF * listed] = "BYTE_STREAM_SPLIT"
    with files.replacing(path) as partial:
        pq.write_table(
            table,
            partial,
            compression="zstd",
            compression_level=19,
            use_dictionary=["class", f"charge{LEAF}"],
            column_encoding=encoding,
            row_group_size=max(len(table), 1),
        )
