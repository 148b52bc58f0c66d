"""The project as a shared library, compiled once for this machine."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hepnn import files
from hepnn.errors import MissingDependency, RunError
from hepnn.targets import tools

#: Where the library and what the compiler said lie, in the project.
FOLDER, LOG = "library", "build.log"

_FAST = ("-O3", "-march=native")

#: As in the kit's `CMakeLists.txt`: of `interface.cpp`, and of `network.cpp` by CMake's name.
_ENTRANCE = (*_FAST, "-ffp-contract=off", "-fno-trapping-math")

OPTIONS = {"${FAST}": _FAST, "-O1": ("-O1",)}

_SOURCES = ("network.cpp", "interface.cpp")
_OPTIONAL = ("arithmetic.h", "recurrent.h")
_HEADERS = ("network.h", "entrance.h", *_OPTIONAL)


def find_compiler() -> str:
    """Return the C++ compiler.

    Raises
    ------
    MissingDependency
        If there is none.
    """
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise MissingDependency("target cpp needs g++: apt-get install g++ (or set CXX)")
    return compiler


def library(directory: Path, options: str, timeout_s: float) -> Path:
    """Return the library of a project, compiled if it is not there for this processor.

    Parameters
    ----------
    directory
        The project.
    options
        Of `OPTIONS`, those of `network.cpp`.
    timeout_s
        When a compiler is given up.

    Raises
    ------
    MissingDependency
        If there is no C++ compiler.
    RunError
        If a source is missing.
    ToolFailed
        If it does not compile, or not in time; `build.log` says why.
    """
    path = directory / FOLDER / f"network-{_fingerprint(directory)}.so"
    if path.exists():
        return path
    compiler = find_compiler()
    objects = []
    path.parent.mkdir(exist_ok=True)
    for stale in path.parent.glob("network-*.so"):
        stale.unlink()
    for source in _SOURCES:
        flags = OPTIONS[options] if source == "network.cpp" else _ENTRANCE
        objects.append(f"{FOLDER}/{source}.o")
        command = [compiler, "-std=c++17", *flags, "-fPIC", "-c", source, "-o", objects[-1]]
        _run(command, directory, timeout_s)
    with files.replacing(path) as beside:
        command = [compiler, "-shared", *objects, "-o", str(beside.resolve())]
        _run(command, directory, timeout_s)
    for name in objects:
        (directory / name).unlink()
    return path


class Functions:
    """What the library computes.

    Parameters
    ----------
    path
        The library.
    namespace
        Of the network.
    inputs, outputs
        Numbers of one event.

    Raises
    ------
    RunError
        If it cannot be opened.
    """

    def __init__(self, path: Path, namespace: str, inputs: int, outputs: int) -> None:
        try:
            opened = ctypes.CDLL(str(path.resolve()))
            functions = [getattr(opened, f"{namespace}_{name}") for name in ("predict", "words")]
        except (OSError, AttributeError) as error:
            raise RunError(f"{path} cannot be opened: {error}; run 'hepnn deploy' again") from error
        self._outputs = outputs
        for function, kind in zip(functions, (np.float32, np.int64), strict=True):
            function.restype = ctypes.c_size_t
            arrays = [
                np.ctypeslib.ndpointer(one, flags="C_CONTIGUOUS") for one in (np.float32, kind)
            ]
            function.argtypes = [*arrays, ctypes.c_size_t]
        self._predict, self._words = functions

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return outputs `(events, outputs)` float32 for contiguous float32 `(events, ...)`."""
        y = np.empty((len(x), self._outputs), np.float32)
        self._predict(x, y, len(x))
        return y

    def words(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs' counts of steps `(events, outputs)` int64."""
        y = np.empty((len(x), self._outputs), np.int64)
        self._words(x, y, len(x))
        return y


def _run(command: Sequence[str], directory: Path, timeout_s: float) -> None:
    name = f"target cpp: {Path(command[0]).name}"
    tools.run(command, name, cwd=directory, log=directory / LOG, timeout_s=timeout_s)


def _fingerprint(directory: Path) -> str:
    """Return what tells this library from those of other sources and other processors."""
    digest = hashlib.sha256(_processor().encode())
    for name in (*_SOURCES, *_HEADERS):
        path = directory / name
        if path.is_file():
            digest.update(path.read_bytes())
        elif name not in _OPTIONAL:
            raise RunError(f"{path} is missing; run 'hepnn deploy' again")
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Return what the processor can do, as far as the system says."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {platform.processor()} {flags}"
