"""The firmware's C++ as a library on this machine, with the bit widths of the FPGA."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import MissingDependency, RunError
from hepnn.targets import tools
from hepnn.targets.hls4ml import backends
from hepnn.targets.hls4ml.project import PROJECT
from hepnn.targets.kit import Kit

#: Network arrays lie on the stack; a wide layer's products alone can outgrow the usual 8 MB.
_STACK = 256 << 20

#: What some bridges want to say beside the numbers.
_SIZES = ("const_size_in_1", "const_size_out_1")

_SOURCE = """\
// One library for the software emulation: the network and a loop over events.
#include <cstddef>
#include <dlfcn.h>
#include <string>

// The weights lie beside the library, wherever the two are moved.
static std::string weights_folder() {{
    Dl_info library;
    dladdr(reinterpret_cast<void *>(&weights_folder), &library);
    const std::string path(library.dli_fname);
    return path.substr(0, path.find_last_of('/')) + "/weights";
}}
#define WEIGHTS_DIR weights_folder()

#include "firmware/{project}.cpp"
{extra}#include "{project}_bridge.cpp"

extern "C" void predict(const double *inputs, double *outputs, std::size_t events) {{
    unsigned short const_size_in_1, const_size_out_1;
    for (std::size_t event = 0; event < events; event++)
        {project}_double(const_cast<double *>(inputs) + event * {inputs},
                         outputs + event * {outputs}{more});
}}
"""


def build(directory: Path, inputs: int, outputs: int, kit: Kit) -> dict[str, Any]:
    """Compile what hls4ml wrote into a shared library.

    Parameters
    ----------
    directory
        The HLS project.
    inputs, outputs
        Numbers that one event has.
    kit
        The backend that wrote it, and how long a compiler may take.

    Returns
    -------
    dict
        The library's path in the folder, and checksums of it and of the weights.

    Raises
    ------
    MissingDependency
        If there is no C++ compiler.
    ToolFailed
        If it does not compile, or not in time; `build.log` says why.
    """
    compiler = find_compiler()
    backend = backends.of(kit)
    bridge = (directory / f"{PROJECT}_bridge.cpp").read_text()
    more = "".join(f", {name}" for name in _SIZES if name in bridge)
    source = directory / "emulation.cpp"
    extra = "".join(f'#include "firmware/{name}"\n' for name in backend.beside)
    text = _SOURCE.format(project=PROJECT, inputs=inputs, outputs=outputs, more=more, extra=extra)
    files.write_text(source, text)
    # A library of other sources has another name: a process that opened one keeps it.
    library = directory / "firmware" / f"{PROJECT}-{_fingerprint(directory)}.so"
    with files.replacing(library) as beside:
        command = [compiler, "-std=c++17", "-O2", "-w", "-fPIC", "-shared"]
        command += [f"-I{folder}" for folder in backend.includes]
        command += [source.name, "-ldl", "-o", str(beside.relative_to(directory.resolve()))]
        tools.run(
            command,
            f"target hls4ml: {Path(compiler).name}",
            cwd=directory,
            log=directory / "build.log",
            timeout_s=kit.hls4ml.timeout_s,
        )
    weights = sorted((directory / "firmware" / "weights").glob("*.txt"))
    return {
        "library": f"firmware/{library.name}",
        "sha256": {
            str(path.relative_to(directory)): files.sha256(path) for path in (library, *weights)
        },
    }


def find_compiler() -> str:
    """Return the C++ compiler.

    Raises
    ------
    MissingDependency
        If there is none.
    """
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise MissingDependency(
            "firmware emulation needs g++ and make: apt-get install g++ make (or set CXX)"
        )
    return compiler


class Emulation:
    """The compiled library, opened.

    Parameters
    ----------
    directory
        The HLS project, where it lies now.
    built
        What `build` returned.
    inputs, outputs
        Numbers that one event has.

    Raises
    ------
    RunError
        If the library or a weight file is missing or not what was built.
    """

    def __init__(self, directory: Path, built: dict[str, Any], inputs: int, outputs: int) -> None:
        # The generated code ends the whole process over a missing weight file, and reads half of
        # one with a message only; both are found here.
        for name, checksum in built["sha256"].items():
            path = directory / name
            if not path.is_file():
                raise RunError(f"{path} is missing; run 'hepnn deploy' again")
            if files.sha256(path) != checksum:
                raise RunError(f"{path} is damaged or was changed; run 'hepnn deploy' again")
        path = (directory / built["library"]).resolve()
        try:
            self._predict = ctypes.CDLL(str(path)).predict
        except (OSError, AttributeError) as error:
            raise RunError(f"{path} cannot be opened: {error}; run 'hepnn deploy' again") from error
        self._predict.restype = None
        array = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
        self._predict.argtypes = [array, array, ctypes.c_size_t]
        self._inputs, self._outputs = inputs, outputs
        # Weights are read at the first event, from where the library lies now.
        self(np.zeros((1, inputs)))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return outputs `(events, outputs)` float64 for inputs `(events, inputs)`."""
        x = np.ascontiguousarray(x, np.float64).reshape(-1, self._inputs)
        y = np.empty((len(x), self._outputs), np.float64)
        usual = threading.stack_size(_STACK)
        try:
            worker = threading.Thread(target=self._predict, args=(x, y, len(x)))
            worker.start()
        finally:
            threading.stack_size(usual)
        worker.join()
        return y


def _fingerprint(directory: Path) -> str:
    digest = hashlib.sha256()
    firmware = directory / "firmware"
    found = (*directory.glob("*.cpp"), *firmware.glob("*.*"), *firmware.glob("weights/*"))
    for path in sorted(found):
        if path.suffix in (".cpp", ".h", ".txt"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
