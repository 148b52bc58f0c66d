"""npz files: an array is a column, its first axis the entries.

Arrays are read one by one, as they are asked for, and kept. What they are is read from their
headers first: objects are not unpickled, and an array that claims to be far larger than what
is stored is refused before it is unpacked.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from hepnn.data.card import Source
from hepnn.data.formats.reader import (
    ColumnReader,
    Reader,
    described,
    options,
    present,
    reading,
    texts,
)
from hepnn.errors import DataError

WHAT = "npz file"

#: A member is refused that is larger than both, unpacked: bytes, and times what it is packed.
LARGEST_UNPACKED = 2**30
LARGEST_RATIO = 1000


def open_file(source: Source, path: Path | None) -> Reader:
    """Open an npz file.

    Raises
    ------
    DataError
        If it is missing, truncated or no npz, or if an array would unpack to far more than is
        stored.
    """
    options(source, {})
    return NpzReader(present(path, source, WHAT))


class NpzReader(ColumnReader):
    """An open npz file; see `Reader`."""

    what = WHAT
    noun = "array"
    nouns = "arrays"

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._archive = Archive(path)
        self._kept: dict[str, np.ndarray] = {}
        lengths = {}
        for name, (shape, dtype) in self._archive.headers.items():
            self.add(name, described(dtype, shape[1:]) if shape else "is a single value")
            lengths[name] = shape[0] if shape else 0
        self.keep_one_length(lengths)

    def take(self, names: list[str], start: int, stop: int) -> dict[str, Any]:
        """Read the arrays that were not read before; return parts of them."""
        for name in names:
            if name not in self._kept:
                array = self._archive.array(name)
                self._kept[name] = texts(array) if array.dtype.kind in "US" else array
        return {name: self._kept[name][start:stop] for name in names}

    def close(self) -> None:
        """Let go of the file."""
        self._kept.clear()
        self._archive.close()


class Archive:
    """The arrays of an npz file.

    Attributes
    ----------
    headers : dict of tuple
        Shape and type of each array.

    Raises
    ------
    DataError
        If it is no npz, or a zip bomb.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        with reading(path, WHAT):
            self._zip = zipfile.ZipFile(path)
            for member in self._zip.infolist():
                if not member.filename.endswith(".npy"):
                    continue
                name = member.filename.removesuffix(".npy")
                if (
                    member.file_size > LARGEST_UNPACKED
                    and member.file_size > LARGEST_RATIO * member.compress_size
                ):
                    raise DataError(
                        f"{path}: array {name!r} would unpack from {member.compress_size} to "
                        f"{member.file_size} bytes, and is refused"
                    )
                with self._zip.open(member) as stream:
                    shape, dtype, start = header(stream)
                size = member.file_size - start
                if not dtype.hasobject and math.prod(shape) * dtype.itemsize != size:
                    raise DataError(f"{path}: array {name!r} is not of the size that it claims")
                self.headers[name] = (shape, dtype)

    def array(self, name: str) -> np.ndarray:
        """Read an array of numbers or strings."""
        with reading(self.path, WHAT), self._zip.open(f"{name}.npy") as stream:
            return npy.read_array(stream, allow_pickle=False)

    def stream(self, name: str) -> bytes:
        """Return an array's content as it is stored, behind its header."""
        with reading(self.path, WHAT), self._zip.open(f"{name}.npy") as stream:
            header(stream)
            return stream.read()

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()


def header(stream: Any) -> tuple[tuple[int, ...], np.dtype, int]:
    """Read the header of an array.

    Returns
    -------
    tuple
        Shape, type, and where the content begins.
    """
    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype, stream.tell()
