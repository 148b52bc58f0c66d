"""Sets that are made up when they are opened: `hepnn.data.synthetic`.

`source.set` names the set, `source.options` are its own.
"""

from __future__ import annotations

from pathlib import Path

from hepnn.data import synthetic
from hepnn.data.card import Source
from hepnn.data.formats.reader import ArrayReader, Column, reading
from hepnn.errors import RecipeError, nearest


def open_set(source: Source, path: Path | None = None) -> ArrayReader:
    """Make a set; all of it is in memory.

    Raises
    ------
    RecipeError
        If the source names no set, names files, or has an option that the set has not.
    DataError
        If the set does not fit into memory.
    """
    if source.files or path is not None:
        raise RecipeError("source.files: a synthetic set has no files")
    if source.set is None:
        raise RecipeError(f"source.set is missing; {nearest('', synthetic.SETS)}")
    reader = ArrayReader(f"synthetic {source.set}")
    with reading(reader.where, "set"):
        columns = synthetic.make(source.set, source.options)
    for name, values in columns.items():
        kind, shape = ("fixed" if values.ndim > 1 else "flat"), values.shape[1:]
        reader.hold(name, values, Column(kind, values.dtype.name, shape))  # type: ignore[arg-type]
    return reader
