"""Where accepted events go: a Parquet or ROOT file, written by a thread beside the loop.

The file takes its name once it is whole. A full disk, or a file that takes nothing for long,
fails the sink; the loop then stops, or goes on and counts what is not written.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np

from hepnn import files
from hepnn.errors import HepnnError, RecipeError, RunError, missing_extra

#: Blocks that wait to be written before no more are taken.
WAITING = 64

#: Rows that are written together.
ROWS = 1 << 14

#: Seconds that a full queue may take to move before the sink has failed.
PATIENCE = 30.0

Columns = Mapping[str, np.ndarray]


class Writer(Protocol):
    """What puts rows into a file."""

    def write(self, columns: Columns) -> None:
        """Append rows."""

    def close(self) -> None:
        """Finish the file."""


class Sink:
    """A thread that writes; with `with`, until the end, or nothing if an exception ends it.

    Parameters
    ----------
    path
        Of a `.parquet` or `.root` file.
    writer
        Makes what puts rows into a file; by the path's suffix by default.
    clock
        Seconds.

    Raises
    ------
    RecipeError
        If nothing writes files of that suffix.
    """

    def __init__(
        self,
        path: Path,
        writer: Callable[[Path], Writer] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if writer is None and path.suffix not in WRITERS:
            raise RecipeError(f"{path}: accepted events go to {' or '.join(WRITERS)}")
        self.path = path
        self.failed: str | None = None
        self.written = 0
        self._make = writer or WRITERS[path.suffix]
        self._clock = clock
        self._queue: queue.SimpleQueue[Columns | None] = queue.SimpleQueue()
        self._full_since: float | None = None
        self._whole = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether more may be put in now; one that failed takes everything and writes nothing."""
        if self.failed or self._queue.qsize() < WAITING:
            self._full_since = None
            return True
        if self._full_since is None:
            self._full_since = self._clock()
        elif self._clock() - self._full_since > PATIENCE:
            self.failed = f"{self.path}: nothing was written for {PATIENCE:g} s"
        return self.failed is not None

    def put(self, columns: Columns) -> None:
        """Hand rows over; only where it is ready."""
        if not self.failed:
            self._queue.put(columns)

    def __enter__(self) -> Sink:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Finish the file, or leave none, and the one that was there before."""
        self._whole = kind is None
        self.close()

    def close(self, patience: float = PATIENCE) -> None:
        """Finish the file; one that failed is not there."""
        self._queue.put(None)
        self._thread.join(patience)
        if self._thread.is_alive() and not self.failed:
            self.failed = f"{self.path}: nothing was written for {patience:g} s"
        if self.failed:
            self.written = 0

    def _run(self) -> None:
        try:
            with files.replacing(self.path) as beside:
                rows = self._write(self._make(beside))
            self.written = rows
        except HepnnError as error:
            self.failed = str(error)
        except Exception as error:  # of a library that writes; its thread must not end silently
            self.failed = f"{self.path}: {error}"

    def _write(self, writer: Writer) -> int:
        rows = held = 0
        parts: list[Columns] = []
        while True:
            columns = self._queue.get()
            if columns is None and not self._whole:
                raise RunError(f"{self.path}: not written, the stream was broken off")
            if columns is not None:
                parts.append(columns)
                held += len(columns["number"])
            if parts and (held >= ROWS or columns is None):
                writer.write({key: np.concatenate([p[key] for p in parts]) for key in parts[0]})
                rows, held, parts = rows + held, 0, []
            if columns is None:
                writer.close()
                return rows


class ParquetWriter:
    """A Parquet file, a row group at a time."""

    def __init__(self, path: Path) -> None:
        # All that is imported is imported now, and not when the first events are accepted.
        import pyarrow
        import pyarrow.parquet

        self._arrow = pyarrow
        self._path = path
        self._file: Any = None

    def write(self, columns: Columns) -> None:
        """Append a row group."""
        arrays = {name: self._column(values) for name, values in columns.items()}
        table = self._arrow.table(arrays)
        if self._file is None:
            self._file = self._arrow.parquet.ParquetWriter(self._path, table.schema)
        self._file.write_table(table)

    def close(self) -> None:
        """Finish the file; without any row it has no columns."""
        if self._file is None:
            self.write({"number": np.zeros(0, np.int64)})
        self._file.close()

    def _column(self, values: np.ndarray) -> Any:
        if values.ndim == 1:
            return self._arrow.array(values)
        flat = self._arrow.array(values.reshape(-1))
        return self._arrow.FixedSizeListArray.from_arrays(flat, int(np.prod(values.shape[1:])))


class RootWriter:
    """A ROOT file with the tree `accepted`."""

    def __init__(self, path: Path) -> None:
        try:
            import uproot
        except ImportError as error:
            raise missing_extra("uproot", "hep", "a ROOT file") from error
        self._file = uproot.recreate(path)
        self._tree: Any = None

    def write(self, columns: Columns) -> None:
        """Append a basket to each branch."""
        if self._tree is None:
            types = {name: (v.dtype, v.shape[1:]) for name, v in columns.items()}
            plain = {name: np.dtype(kind) for name, kind in types.items()}
            self._tree = self._file.mktree("accepted", plain)
        self._tree.extend(dict(columns))

    def close(self) -> None:
        """Finish the file."""
        if self._tree is None:
            self.write({"number": np.zeros(0, np.int64)})
        self._file.close()


WRITERS: dict[str, Callable[[Path], Writer]] = {".parquet": ParquetWriter, ".root": RootWriter}
