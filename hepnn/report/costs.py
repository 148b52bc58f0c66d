"""What artefacts cost, side by side: known figures with name and unit, all others as they are.

A target's cost is free JSON. A group in it (`{"latency_ns": {"p50": ..., "source": ...}}`) is
flattened; `source` and `estimate` of a group hold for every figure in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hepnn.report import numbers

_WORDS = {
    "latency_clocks": "latency",
    "latency_ns": "latency",
    "clock_period_ns": "clock period",
    "initiation_interval": "initiation interval",
    "initiation_interval_clocks": "initiation interval",
    "p50_ns": "median time",
    "p99_ns": "99th percentile",
    "p50": "median",
    "p99": "99th percentile",
    "lut": "LUT",
    "luts": "LUT",
    "ff": "FF",
    "ffs": "FF",
    "dsp": "DSP",
    "dsps": "DSP",
    "bram": "BRAM",
    "bytes": "size",
    "xnnpack": "XNNPACK",
}

# The order in which a reader asks for them; what is not here follows.
_FIRST = ("latency", "median", "LUT", "FF", "DSP", "BRAM", "size")


@dataclass(frozen=True)
class Figure:
    """One figure of an artefact's cost.

    Attributes
    ----------
    label, text : str
        Its name, and its value with unit.
    estimate : bool
        Whether nothing was built or measured to get it.
    source : str
        What it was obtained with; empty if the target does not say.
    """

    label: str
    text: str
    estimate: bool = False
    source: str = ""


def figures(cost: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of a cost, the known ones first.

    >>> for figure in figures({"lut": 5612, "estimate": True, "latency_ns": {"p50": 7312}}):
    ...     print(figure.label, figure.text, figure.estimate)
    latency, median 7.31 µs False
    LUT 5,612 True
    """
    found = list(_flatten(cost, (), str(cost.get("source", "")), False))
    # Clocks, times and sizes of files are counted, even where the cells are an estimate.
    whole = bool(cost.get("estimate"))
    found = [
        Figure(f.label, f.text, f.estimate or (whole and _is_cells(f.label)), f.source)
        for f in found
    ]
    return sorted(found, key=lambda figure: rank(figure.label))


def lines(cost: Mapping[str, Any], limit: int = 3) -> list[str]:
    """Return the few lines that stand for a cost in a picture."""
    flat = {figure.label: figure for figure in figures(cost)}
    clocks, time = flat.get("latency (clocks)"), flat.get("latency")
    chosen = [", ".join(f.text for f in (clocks, time) if f)]
    for label, noun in (
        ("latency, median", " an event"),
        ("median time", " an event"),
        ("LUT", " LUT"),
        ("DSP", " DSP"),
        ("size", ""),
        ("clock period", " clock"),
    ):
        if (figure := flat.get(label)) and not (label == "DSP" and figure.text == "0"):
            chosen.append(figure.text + noun + (" (estimate)" if figure.estimate else ""))
    return [line for line in chosen if line][:limit]


def _flatten(group: Mapping[str, Any], above: tuple[str, ...], source: str, estimate: bool) -> Any:
    for key, value in group.items():
        if key in ("source", "estimate"):
            continue
        path = (*above, str(key))
        if isinstance(value, Mapping):
            inner = str(value.get("source", source))
            yield from _flatten(value, path, inner, bool(value.get("estimate", estimate)))
        else:
            yield Figure(_label(path), _text(path, value), estimate, source)


def _label(path: tuple[str, ...]) -> str:
    words = [_WORDS.get(part, _plain(part)) for part in path]
    label = ", ".join(words)
    return f"{label} (clocks)" if path[-1] == "latency_clocks" else label


def _plain(key: str) -> str:
    for suffix in ("_ns", "_bytes", "_seconds", "_clocks"):
        key = key.removesuffix(suffix)
    return key.replace("_", " ")


def _text(path: tuple[str, ...], value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(path, item) for item in value)
    # The nearest key that names a unit; `p50` in `latency_ns` has its group's.
    for part in reversed(path):
        if part in ("batch", "threads", "events", "calls", "runs"):
            break
        for suffix, write in _UNITS.items():
            if part.endswith(suffix):
                return write(value)
    return numbers.significant(value)


def _clocks(value: Any) -> str:
    return numbers.count(value) + (" clock" if value == 1 else " clocks")


_UNITS: dict[str, Callable[[Any], str]] = {
    "_ns": numbers.nanoseconds,
    "bytes": numbers.size,
    "_seconds": numbers.duration,
    "_clocks": _clocks,
}


def _is_cells(label: str) -> bool:
    return label.split(", ")[-1] in ("LUT", "FF", "DSP", "BRAM")


def rank(label: str) -> float:
    """Return a figure's place among others; the ones that every reader asks for come first."""
    for number, word in enumerate(_FIRST):
        if label.startswith(word):
            return number
    return math.inf
