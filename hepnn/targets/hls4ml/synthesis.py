"""The vendor's synthesis: run where its tool is installed, and its report read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hepnn.errors import MissingDependency, TargetError
from hepnn.targets import tools, vendor
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
    """Return latency and resources from the vendor's reports, or why there are none.

    `synthesis` is of high-level synthesis, before place and route; `routed` is of what was placed
    and routed, if that was run.
    """
    routed = _routed(directory)
    return {**_synthesis(directory, backend), **({"routed": routed} if routed else {})}


def _synthesis(directory: Path, backend: str) -> dict[str, Any]:
    if backend not in _TOOLS:
        return {"synthesis": _oneapi(directory)}
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
            "estimate": True,
            "source": f"{backend} C synthesis, before place and route",
        }
    }


def _oneapi(directory: Path) -> dict[str, Any] | str:
    """Return what oneAPI's reports say, or why there is nothing."""
    from hls4ml.report import parse_oneapi_report

    if not list(directory.glob("**/*.prj/reports/resources/json/summary.ndjson")):
        return "not run"
    try:
        with logged(Path(os.devnull)):
            (parsed,) = parse_oneapi_report(str(directory)).values()
        total, loops = parsed["HLS"]["total"], parsed["Loop"]
    except Exception as error:  # as above
        return f"report in {directory} cannot be read: {one_line(error)}"
    return {
        "latency_clocks": float(loops["worstLatency"]),
        "initiation_interval": float(loops["worstII"]),
        **total,
        "source": "oneAPI's report, before place and route",
        "estimate": True,
    }


def _routed(directory: Path) -> dict[str, Any]:
    """Return resources and period after place and route: of Vitis' export, or of Quartus' fit."""
    project = directory / "network_prj"
    for path in sorted(project.glob("*/impl/report/*/*export*.xml")):
        try:
            return _export(ElementTree.parse(path).getroot())
        except (ElementTree.ParseError, AttributeError, TypeError, ValueError) as error:
            return {"unread": f"{path}: {one_line(error)}"}
    for path in sorted(directory.glob("**/*.fit.rpt")):
        found = vendor.quartus(path, path.with_name(path.name.replace(".fit.", ".sta.")))
        if found:
            return found
    return {}


def _export(root: Any) -> dict[str, Any]:
    """Return what `export_design -flow impl` wrote."""
    area, timing = root.find("AreaReport/Resources"), root.find("TimingReport")
    used = {child.tag: int(child.text) for child in area}
    return {
        "lut": used["LUT"],
        "ff": used["FF"],
        "dsp": used.get("DSP", used.get("DSP48E", 0)),
        "bram": used.get("BRAM", 0) / 2,  # counted in blocks of 18 kbit
        "uram": used.get("URAM", 0),
        "clock_period_ns": float(timing.find("AchievedClockPeriod").text),
        "source": "Vivado, placed and routed, by export_design -flow impl",
        "estimate": False,
    }


def available(backend: str) -> bool:
    """Say whether a program that can synthesize the backend's projects is on PATH."""
    return backend in _TOOLS and _tool(backend) is not None


def _tool(backend: str) -> tuple[str, list[str]] | None:
    for name, arguments in _TOOLS.get(backend, ()):
        program = shutil.which(name)
        if program is not None:
            return program, arguments
    return None


def _names(backend: str) -> str:
    # The older name is the one that people look for.
    return _TOOLS[backend][-1][0]
