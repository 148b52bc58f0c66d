"""What artefacts cost, side by side: known figures with name and unit, all others as they are.

A target's cost is free JSON. A group in it (`{"latency_ns": {"p50": ..., "source": ...}}`) is
flattened; `source` and `estimate` of a group hold for every figure in it. A figure with an error
band is `{"value": ..., "low": ..., "high": ...}`; a list of groups is one figure with the groups
beside it; of a group with a `text`, that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
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
    "gzip_bytes": "size, gzip",
    "xnnpack": "XNNPACK",
    "npu": "NPU",
    "cpu": "CPU",
    "sram": "SRAM",
    "inverter": "inverters",
    "seconds": "time",
    "uram": "URAM",
    "fmax_mhz": "maximum frequency",
    "alm": "ALM",
    "lut4": "LUT4",
    "slack_ns": "worst slack",
}

# A group of more figures than this is one figure with the parts beside it.
_MANY = 8

# The order in which a reader asks for them; what is not here follows.
_FIRST = ("latency", "median", "LUT", "inverters", "FF", "DSP", "BRAM", "size", "fits", "clock")


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
    detail : str
        What it is made of.
    """

    label: str
    text: str
    estimate: bool = False
    source: str = ""
    detail: str = ""


def figures(cost: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of a cost, the known ones first.

    >>> for figure in figures({"lut": 5612, "estimate": True, "latency_clocks": 5}):
    ...     print(figure.label, "=", figure.text, figure.estimate)
    latency (clocks) = 5 clocks False
    LUT = 5,612 True
    """
    found = _flatten(cost, (), str(cost.get("source", "")), bool(cost.get("estimate")))
    return sorted(found, key=lambda figure: rank(figure.label))


def lines(cost: Mapping[str, Any], limit: int = 3) -> list[str]:
    """Return the few lines that stand for a cost in a picture.

    >>> lines({"latency_clocks": 5, "latency_ns": 25.0, "lut": 5612, "estimate": True})
    ['5 clocks, 25 ns', '5,612 LUT (estimate)']
    """
    # Where a target gives a figure twice, the one outside any group is its own word for it.
    flat = {figure.label.split(", ")[-1]: figure for figure in reversed(figures(cost))}
    chosen = [
        ", ".join(flat[name].text for name in ("latency (clocks)", "latency") if name in flat)
    ]
    for label, noun in (
        ("median", " an event"),
        ("LUT", " LUT"),
        ("DSP", " DSP"),
        ("size", ""),
        ("clock period", " clock"),
    ):
        if label == "clock period" and any(chosen):
            continue
        if (figure := flat.get(label)) and figure.text != "0":
            chosen.append(figure.text + noun + (" (estimate)" if figure.estimate else ""))
    return [line for line in chosen if line][:limit]


def rank(label: str) -> float:
    """Return a figure's place among others; the ones that every reader asks for come first."""
    for number, word in enumerate(_FIRST):
        if label.startswith(word):
            return number
        if label.split(", ")[-1].startswith(word):
            return number + 0.5
    return math.inf


def _flatten(
    group: Mapping[str, Any], above: tuple[str, ...], source: str, estimate: bool
) -> Iterator[Figure]:
    for key, value in group.items():
        if key in ("source", "estimate"):
            continue
        path = (*above, str(key))
        guessed = estimate and not _is_counted(path[-1])
        if _is_band(value):
            yield Figure(_label(path), _band(path, value), estimate, source)
        elif isinstance(value, Mapping) and isinstance(value.get("text"), str):
            yield Figure(_label(path), value["text"], source=source)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            parts = "; ".join(_row(one) for one in value)
            yield Figure(_label(path), str(len(value)), estimate, source, parts)
        elif isinstance(value, Mapping) and len(value) > _MANY:
            parts = ", ".join(f"{part} {_text((part,), one)}" for part, one in value.items())
            yield Figure(_label(path), f"{len(value)} kinds", guessed, source, parts)
        elif isinstance(value, Mapping):
            inner = str(value.get("source", source))
            yield from _flatten(value, path, inner, bool(value.get("estimate", estimate)))
        else:
            yield Figure(_label(path), _text(path, value), guessed, source)


def _is_band(value: Any) -> bool:
    return isinstance(value, Mapping) and {"value", "low", "high"} <= set(value)


def _band(path: tuple[str, ...], value: Mapping[str, Any]) -> str:
    middle, low, high = (_text(path, value[part]) for part in ("value", "low", "high"))
    return middle if low == high else f"{middle} ({low} to {high})"


def _row(group: Mapping[str, Any]) -> str:
    """Return a group of a list in words: `dense1: LUT 2,175, operations 321`."""
    named = [str(value) for value in group.values() if isinstance(value, str)]
    counted = [
        f"{_label((key,))} {_text((key,), value)}"
        for key, value in group.items()
        if not isinstance(value, str)
    ]
    return ": ".join(part for part in (" ".join(named), ", ".join(counted)) if part)


def _is_counted(key: str) -> bool:
    """Return whether a figure is certain even where cells and times are estimates."""
    counted = ("_clocks", "interval", "bytes", "seconds", "operations", "period_ns")
    return key.endswith(counted)


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
        # Best and worst case are mostly the same.
        return " to ".join(dict.fromkeys(_text(path, item) for item in value))
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
    "seconds": numbers.duration,
    "_s": numbers.duration,
    "_clocks": _clocks,
    "_mhz": lambda value: f"{numbers.significant(value)} MHz",
    "initiation_interval": _clocks,
}
