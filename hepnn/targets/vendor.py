"""Reports of the vendors' tools after place and route, read as text: Vivado and Quartus.

Tables are read by the names of their rows, which have stayed the same over versions; columns that
a version adds do not matter. A report that lacks a row gives the figures that it has.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

#: Rows of Vivado's `report_utilization` (UG906), newest name first, and what each is here.
_VIVADO = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers"),
    "dsp": ("DSPs", "DSP Slices"),
    "bram": ("Block RAM Tile",),
    "uram": ("URAM",),
}

#: Rows of Quartus' fitter summary.
_QUARTUS = {
    "alm": ("Logic utilization (in ALMs)",),
    "ff": ("Total dedicated logic registers", "Total registers"),
    "dsp": ("Total DSP Blocks",),
    "bram": ("Total RAM Blocks",),
}


def vivado(utilization: Path, timing: Path, clock_period_ns: float) -> dict[str, Any]:
    """Read `report_utilization` and `report_timing_summary` of a routed design.

    Parameters
    ----------
    utilization, timing
        The reports; one that is missing is left out.
    clock_period_ns
        The constraint that the slack is counted from.

    Returns
    -------
    dict
        `lut`, `ff`, `dsp`, `bram` (36 kbit), `uram`, `slack_ns`, `fmax_mhz`, `state`, `source`;
        empty if there is nothing to read.
    """
    text = _text(utilization)
    found: dict[str, Any] = _rows(text, _VIVADO, "|")
    if not found:
        return {}
    state, version = _header(text, "Design State"), _header(text, "Tool Version")
    slack = _worst_slack(_text(timing))
    if slack is not None:
        found |= {"slack_ns": slack, "fmax_mhz": round(1000 / (clock_period_ns - slack), 1)}
    # Only what was routed is final.
    final = (state or "Routed").lower().startswith("routed")
    words = f"Vivado {version or ''}".strip()
    return {
        **found,
        "source": f"{words}, {'placed and routed' if final else (state or '').lower()}",
        "estimate": not final,
    }


def quartus(fit: Path, sta: Path) -> dict[str, Any]:
    """Read the fitter's report (`.fit.rpt`, `.fit.summary`) and the timing analyzer's (`.sta.rpt`).

    Returns
    -------
    dict
        `alm`, `ff`, `dsp`, `bram` (M20K), `fmax_mhz`, `source`; empty if there is nothing to read.
    """
    text = _text(fit)
    found: dict[str, Any] = _rows(text, _QUARTUS, ";") or _rows(text, _QUARTUS, ":")
    if not found:
        return {}
    fmax = re.search(r";\s*([\d.]+) MHz\s*;\s*[\d.]+ MHz\s*;", _text(sta))
    if fmax:
        found["fmax_mhz"] = float(fmax[1])
    version = re.search(r"Quartus Prime Version\s*[;:]\s*(\S+)", text)
    words = f"Quartus {version[1]}" if version else "Quartus"
    return {**found, "source": f"{words}, placed and routed", "estimate": False}


def _rows(text: str, rows: dict[str, tuple[str, ...]], bar: str) -> dict[str, float]:
    """Return the first number of the rows with these names, in a table with `bar` between cells."""
    found = {}
    for figure, names in rows.items():
        for name in names:
            # Vivado marks rows with a footnote's star.
            row = rf"^[{bar}\s]*{re.escape(name)}\*?\s*[{bar}]\s*([\d,]+(?:\.\d+)?)"
            match = re.search(row, text, re.MULTILINE)
            if match:
                number = float(match[1].replace(",", ""))
                found[figure] = int(number) if number.is_integer() else number
                break
    return found


def _header(text: str, name: str) -> str | None:
    match = re.search(rf"^\| {name}\s*: (?:Vivado )?(\S+)", text, re.MULTILINE)
    return match[1] if match else None


def _worst_slack(text: str) -> float | None:
    """Return WNS of the design timing summary, None where it is missing or not a number."""
    match = re.search(r"WNS\(ns\).*\n[\s-]*\n\s*(-?[\d.]+)\s", text)
    return float(match[1]) if match else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
