"""The work on one chunk, as a process or a cluster's worker does it."""

from __future__ import annotations

import importlib
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from hepnn.data.generate import store
from hepnn.data.generate.chunk import Chunk, chunk_seed
from hepnn.data.generate.kind import Kind
from hepnn.errors import DataError, HepnnError


class Work(NamedTuple):
    """What the chunks of a job have in common. All of it can travel to another process.

    Attributes
    ----------
    module : str
        The kind's, as it is imported.
    settings : dict
        Of the kind, as JSON has them.
    seed : int
        Of the dataset.
    keys : tuple of str
        The datasets that each chunk gives rows of; the main one, `""`, last, because its shard
        says that the chunk is done.
    """

    module: str
    settings: dict[str, Any]
    seed: int
    keys: tuple[str, ...]


def shard(folder: Path, key: str, chunk: Chunk) -> Path:
    """Return where the rows that a chunk gives to a dataset lie in the working folder."""
    return folder / (key or "sample") / f"{chunk.name}.parquet"


def tables(work: Work, chunk: Chunk, cards: Path) -> dict[str, pa.Table]:
    """Generate a chunk; the kind's module is imported by name.

    Parameters
    ----------
    work : Work
        The job.
    chunk : Chunk
        The part of it.
    cards : Path
        Folder of the files that the kind reads.
    """
    kind: Kind = importlib.import_module(work.module)
    settings = kind.Settings.model_validate(work.settings)
    made = kind.generate(settings, chunk, chunk_seed(work.seed, chunk), cards)
    if set(made) != set(work.keys):
        raise ValueError(f"{work.module}.generate made {sorted(made)}, not {sorted(work.keys)}")
    return {key: made[key] for key in work.keys}


def write_shards(work: Work, chunk: Chunk, cards: Path, folder: Path) -> Chunk:
    """Generate a chunk into the working folder."""
    for key, table in tables(work, chunk, cards).items():
        store.write(table, shard(folder, key, chunk))
    return chunk


def encoded(
    work: Work, chunk: Chunk, cards: dict[str, bytes], versions: dict[str, str]
) -> dict[str, bytes] | HepnnError:
    """Generate a chunk where no disk is shared: files come and go as bytes.

    Parameters
    ----------
    work, chunk
        As for :func:`tables`.
    cards : dict
        Content of the files that the kind reads, by name.
    versions : dict
        Versions that the packages must have, so that the events are those of any other worker.

    Returns
    -------
    dict or HepnnError
        Parquet files by key; or an error that another attempt would only repeat.
    """
    try:
        insist_on_versions(versions)
        with tempfile.TemporaryDirectory() as folder:
            for name, content in cards.items():
                (Path(folder) / name).write_bytes(content)
            made = tables(work, chunk, Path(folder))
    except HepnnError as error:
        return error
    return {key: store.encode(table) for key, table in made.items()}


def insist_on_versions(wanted: dict[str, str]) -> None:
    """Compare the installed versions with those of the job.

    Raises
    ------
    DataError
        If one differs.
    """
    for package, expected in wanted.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            found = "none"
        if found != expected:
            raise DataError(f"a worker has {package} {found}, the job was begun with {expected}")
