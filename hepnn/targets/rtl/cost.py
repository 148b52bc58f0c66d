"""What the pipeline costs: every figure that is known, with where it is from and how far off it is.

From nearest to the chip to farthest: the vendor's reports (`vivado`, `quartus`), if its scripts
were run; nextpnr's on an open part; Yosys' count; alkaid's model. The last two are corrected by
published designs (`hepnn.targets.rtl.calibration`) to `after_routing`, with a band, and that is
held against the part of the kit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.targets import fits, vendor
from hepnn.targets.rtl import calibration, project, verilator

#: Counts by Yosys, and what nextpnr placed and routed, beside the sources they are of.
CELLS, ROUTED = "cells.json", "routed.json"


def of(directory: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return the cost of what was written into `directory`.

    Parameters
    ----------
    directory
        With `verilog/`, and what was measured of it.
    content
        Its `interface.json`.
    """
    verilog, part = directory / "verilog", content.get("part", {})
    pipeline = dict(content["pipeline"])
    stages, layers = pipeline.pop("stages", []), content.get("layers", [])
    family = content.get("family", "")
    cost = dict(pipeline)
    source = "clocks: registers of the Verilog, timing not verified"
    for entry in _measured(directory / CELLS, verilog):
        source += f"; cells: {entry['source']}"
        cost |= entry
        if "lut" in entry and family in calibration.FAMILIES:
            cost["yosys_after_routing"] = {
                **{kind: calibration.band("yosys", kind).of(entry[kind]) for kind in ("lut", "ff")},
                "source": calibration.source("yosys", family),
                "estimate": True,
            }
    cost |= {"source": source, "estimate": True}
    expected = calibration.after_routing(pipeline, family)
    if expected:
        cost["after_routing"] = expected
    for entry in _measured(directory / ROUTED, verilog):
        cost["nextpnr"] = entry
    reports = _vendor(verilog, float(pipeline["clock_period_ns"]))
    cost |= reports
    if stages:
        cost["stages"] = stages
    if layers:
        cost["layers"] = layers
    cost["fits"] = fits.verdict(_needs(expected, reports), part)
    period = _period(expected, reports)
    if period is not None:
        cost["clock"] = fits.clock(period, pipeline["clock_period_ns"])
    return cost


def _measured(store: Path, verilog: Path) -> list[dict[str, Any]]:
    """Return what is kept of the Verilog as it is now."""
    kept = files.read_json(store) if store.exists() else {}
    checksum = verilator.checksum(verilog)
    return [entry for key, entry in kept.items() if key.endswith(checksum)]


def _vendor(verilog: Path, clock_period_ns: float) -> dict[str, Any]:
    """Return the reports that the scripts beside the sources left, by the tool's name."""
    folder = verilog / f"output_{project.MODULE}" / "reports"
    name = project.MODULE
    util, timing = folder / f"{name}_post_route_util.rpt", folder / f"{name}_post_route_timing.rpt"
    found = {
        "vivado": vendor.vivado(util, timing, clock_period_ns),
        "quartus": vendor.quartus(folder / f"{name}.fit.rpt", folder / f"{name}.sta.rpt"),
    }
    return {tool: report for tool, report in found.items() if report}


def _needs(expected: dict[str, Any], reports: dict[str, Any]) -> dict[str, Any]:
    """Return needs by resource: the vendor's figures, and else the estimates with their bands."""
    names = ("lut", "ff", "dsp", "bram", "uram")
    needs = {name: expected[name] for name in names if name in expected}
    routed = reports.get("vivado", {})
    return needs | {name: fits.exactly(routed[name]) for name in names if name in routed}


def _period(expected: dict[str, Any], reports: dict[str, Any]) -> dict[str, float] | None:
    """Return the shortest period: the vendor's, and else the estimate with its band."""
    for report in reports.values():
        if not report.get("estimate") and "fmax_mhz" in report:
            return fits.exactly(round(1000 / report["fmax_mhz"], 3))
    return expected.get("clock_period_ns")
