"""The vendor's synthesis: run where its tool is installed, and its report read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from hepnn.errors import MissingDependency, TargetError
from hepnn.targets import tools
from hepnn.targets.interface import logged, one_line

#: Programs that can run the project, by backend, with what comes before and after the script.
_TOOLS = {
    "Vitis": [
        ("vitis-run", ["--tcl", "build_prj.tcl", "--mode", "hls"]),
        ("vitis_hls", ["-f", "build_prj.tcl"]),
    ],
    "Vivado": [
        ("vivado_hls", ["-f", "build_prj.tcl", "reset=1 csim=0 synth=1 cosim=0 export=0 vsynth=0"]),
    ],
}

#: When a synthesis is given up where no kit says it.
TIMEOUT_S = 86400.0

_TOOLS["VivadoAccelerator"] = _TOOLS["Vivado"]

_OPTIONS = """\
array set opt {
    reset      1
    csim       0
    synth      1
    cosim      0
    validation 0
    export     0
    vsynth     0
    fifo_opt   0
}
"""


def synthesize(
    directory: Path, backend: str = "Vitis", timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Run the vendor's synthesis of a written project and return its report.

    Parameters
    ----------
    directory
        The HLS project that `write` left.
    backend
        As hls4ml names it; one of AMD's.
    timeout_s
        When it is given up.

    Raises
    ------
    MissingDependency
        If none of the vendor's programs is on PATH.
    TargetError
        If the backend's tool is not known here.
    ToolFailed
        If the synthesis fails, or is not done in time; `synthesis.log` says why.
    """
    if backend not in _TOOLS:
        raise TargetError(f"synthesis for {backend} is not run here; README.md has the command")
    found = _tool(backend)
    if found is None:
        raise MissingDependency(
            f"synthesis needs {_names(backend)} of AMD's {backend} on PATH; the firmware's sources"
            f" are in {directory}"
        )
    program, arguments = found
    (directory / "build_opt.tcl").write_text(_OPTIONS)
    tools.run(
        [program, *arguments],
        f"target hls4ml: {Path(program).name}",
        cwd=directory,
        log=directory / "synthesis.log",
        timeout_s=timeout_s,
    )
    return report(directory, backend)


def report(directory: Path, backend: str) -> dict[str, Any]:
    """Return latency and resources from the vendor's report, or why there is none."""
    if backend not in _TOOLS:
        return {"synthesis": f"not run here for {backend}"}
    project = directory / "network_prj"
    if not list(project.glob("*/syn/report/*_csynth.xml")):
        missing = not available(backend)
        reason = f"not run: {_names(backend)} not found" if missing else "not run"
        return {"synthesis": reason}
    from hls4ml.report import parse_vivado_report

    try:
        with logged(Path(os.devnull)):
            parsed = parse_vivado_report(str(directory))["CSynthesisReport"]
    except Exception as error:  # a report cut short fails anywhere in the reader
        return {"synthesis": f"report in {project} cannot be read: {one_line(error)}"}
    return {
        "synthesis": {
            "latency_clocks": [parsed.get("BestLatency"), parsed.get("WorstLatency")],
            "initiation_interval": [parsed.get("IntervalMin"), parsed.get("IntervalMax")],
            "clock_ns": parsed.get("EstimatedClockPeriod"),
            **{part: parsed.get(part) for part in ("LUT", "FF", "DSP", "BRAM_18K", "URAM")},
            "source": f"{backend} C synthesis, before place and route",
        }
    }


def available(backend: str) -> bool:
    """Say whether a program that can synthesize the backend's projects is on PATH."""
    return _tool(backend) is not None


def _tool(backend: str) -> tuple[str, list[str]] | None:
    for name, arguments in _TOOLS.get(backend, ()):
        program = shutil.which(name)
        if program is not None:
            return program, arguments
    return None


def _names(backend: str) -> str:
    # The older name is the one that people look for.
    return _TOOLS[backend][-1][0]
