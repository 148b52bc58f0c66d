"""From shards to a dataset's files: one shuffled file, or for large sets the shards as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hepnn.data.generate import store
from hepnn.errors import DataError

# A dataset of at most so many rows and bytes becomes one file; it is held in memory for that.
MERGED = 250_000
MERGED_BYTES = 2 * 2**30

SAMPLE = "sample.parquet"
SHARDS = "shards"


class Gathered(NamedTuple):
    """The files of a dataset.

    Attributes
    ----------
    sources : list of str
        For the card's `source.files`, relative to the dataset's folder.
    files : dict
        By the name that they have or get in the dataset's folder: where they lie now.
    """

    sources: list[str]
    files: dict[str, Path]


def gather(shards: Sequence[Path], out: Path, seed: int) -> Gathered:
    """Merge shards into `sample.parquet`, rows shuffled, unless they are too many for that.

    Parameters
    ----------
    shards : sequence of Path
        In the order of the chunks.
    out : Path
        The dataset's folder.
    seed : int
        Of the shuffling.

    Raises
    ------
    DataError
        If a shard is damaged.
    """
    sizes = [_size(path) for path in shards]
    rows, size = (sum(column) for column in zip(*sizes, strict=True))
    if rows > MERGED or size > MERGED_BYTES:
        names = {f"{SHARDS}/{path.name}": path for path in shards}
        return Gathered([f"{SHARDS}/*.parquet"], names)
    whole = pa.concat_tables(pq.read_table(path) for path in shards).combine_chunks()
    order = np.random.default_rng(seed).permutation(rows)
    store.write(whole.take(pa.array(order)), out / SAMPLE)
    return Gathered([SAMPLE], {SAMPLE: out / SAMPLE})


def place(gathered: Gathered, out: Path) -> None:
    """Move shards that stay into the dataset's folder."""
    for name, path in gathered.files.items():
        (out / name).parent.mkdir(exist_ok=True)
        path.replace(out / name)


def _size(path: Path) -> tuple[int, int]:
    """Return the rows of a shard and the bytes that they take in memory."""
    try:
        described = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: damaged; remove it and give the command again") from error
    groups = (described.row_group(number) for number in range(described.num_row_groups))
    return described.num_rows, sum(group.total_byte_size for group in groups)
