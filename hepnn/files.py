"""Files that are whole or not there: written beside, then renamed; folders held by one job."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import DataError, RunError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to; what was written there takes the final name at the end.

    The temporary file lies in the same folder and keeps the suffix. Whatever goes wrong before
    the end, the final name is untouched.

    Raises
    ------
    RunError
        If the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix
        )
        os.close(handle)
    except OSError as error:
        raise _cannot_write(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder to fill; at the end it takes the final name, in place of an old one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other jobs from a folder meanwhile; a killed job's hold ends with it.

    Raises
    ------
    DataError
        If another job is at work there.
    """
    handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise DataError(f"{out}: another job is at work in this folder") from error
    except OSError:  # a file system without locks
        pass
    try:
        yield
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, default=plain, allow_nan=False) + "\n")


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as npz, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}") from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file; nothing in it is ever unpickled.

    Raises
    ------
    RunError
        If it is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing") from error
    except Exception as error:  # a damaged zip fails in many ways
        raise RunError(f"{path} is damaged: {error}") from error


def sha256(path: Path) -> str:
    """Return a file's checksum."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def plain(value: Any) -> Any:
    """Turn numpy scalars, arrays and paths into JSON's types."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _cannot_write(path: Path, error: OSError) -> RunError:
    reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
    return RunError(f"{path} cannot be written: {reason}")
