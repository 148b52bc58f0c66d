"""The headline: is the promise held, stage by stage and artefact by artefact."""

from __future__ import annotations

from typing import Any

from hepnn.report import costs, numbers
from hepnn.report.folder import Contents
from hepnn.tasks import Words

#: Artefacts as a picture names them, in the order of the way to the chip.
TITLES = {
    "tflite": "TFLite",
    "hls4ml": "hls4ml C++",
    "rtl-interpreter": "integer interpreter",
    "rtl": "Verilog",
    "cpp": "integer C++",
}


def cards(contents: Contents) -> list[dict[str, Any]]:
    """Return a card a stage: `state`, `title`, `stage`, `text` and a line each artefact."""
    made = [
        _card(stage, found, contents.task.WORDS)
        for stage, found in reversed(contents.agreement.items())
        if found.get("artefacts")
    ]
    return made or [_nothing(contents)]


def verdict_line(figures: dict[str, Any], events: int, words: Words) -> str:
    """Return one artefact's outcome in words.

    >>> words = Words("decision", "flip", "efficiency")
    >>> verdict_line({"promise": "exact", "mismatches": 0}, 22500, words)
    '0 of 22,500 events differ'
    """
    if figures.get("promise") == "exact":
        line = f"{numbers.count(figures.get('mismatches'))} of {events:,} events differ"
        first = figures.get("first_difference")
        return line + (f", first in layer {first}" if first else "")
    if figures.get("decision_flips") is None:  # part of a network decides nothing
        return f"differs by {numbers.significant(figures.get('max_abs_diff'))} at most"
    flips = numbers.percent(figures.get("decision_flips"))
    line = f"{flips} of the {words.decision}s {words.flip}"
    shift = numbers.percent(figures.get("max_efficiency_shift"))
    return f"{line}, {words.efficiency} shifts by {shift} at most"


def summary(contents: Contents) -> dict[str, Any]:
    """Return what the picture of the run shows; see `hepnn.plots.overview`."""
    shipped = contents.shipped
    found = contents.agreement.get(shipped or "", {})
    events, words = found.get("events", 0), contents.task.WORDS
    exports = contents.exports.get(shipped or "", {})
    boxes = {
        name: _box(name, figures, events, exports.get(name, {}), words)
        for name, figures in found.get("artefacts", {}).items()
    }
    known = [name for name in TITLES if name in boxes]
    # A picture has room for four; broken promises come before further forms that keep theirs.
    others = sorted((n for n in boxes if n not in known), key=lambda n: boxes[n]["good"])
    bad = [name for name in others if not boxes[name]["good"]]
    chosen = (known + bad)[:4] if known else others[:4]
    metrics = contents.metrics.get(shipped or "", {})
    size = metrics.get("size_bytes")
    reference = [f"model of {numbers.size(size)}"] if size else []
    return {
        "stages": [
            {
                "name": stage,
                "accuracy": contents.metrics.get(stage, {}).get("accuracy"),
                "headline": _headline(contents, stage),
                "detail": _detail(contents.metrics.get(stage, {})),
            }
            for stage in contents.stages
        ],
        "stage": shipped,
        "events": events,
        "reference": reference,
        "artefacts": [boxes[name] for name in chosen],
    }


def _headline(contents: Contents, stage: str) -> str:
    try:
        return contents.task.headline(contents.metrics[stage])
    except (KeyError, TypeError, ValueError):  # the metrics are damaged
        return ""


def _card(stage: str, found: dict[str, Any], words: Words) -> dict[str, Any]:
    events, artefacts = found.get("events", 0), found["artefacts"]
    lines = [
        {
            "name": name,
            "state": _state(figures),
            "verdict": figures.get("verdict", ""),
            "text": verdict_line(figures, events, words),
        }
        for name, figures in artefacts.items()
    ]
    promises = {figures.get("promise") for figures in artefacts.values()}
    bad = [line["name"] for line in lines if line["state"] == "bad"]
    if bad:
        broken = any(line["verdict"] == "broken" for line in lines)
        title = "The promise is broken" if broken else "Refused"
        text = f"{', '.join(bad)}: {len(bad)} of {len(lines)} artefacts"
    elif promises == {"exact"}:
        title, text = "Same bits everywhere", "every output of every event equals Keras's"
    elif "exact" in promises:
        title, text = "Same bits wherever promised", "lossy forms are measured beside them"
    elif "bounded" in promises:
        title = f"{words.decision.capitalize()}s within bounds"
        text = f"the same {words.decision}s, not the same bits"
        if "measured" in promises:
            text += "; lossy forms are measured beside them"
    else:
        title, text = "Measured", "these forms are lossy and promise nothing"
    text = f"{events:,} test events, {text}"
    state = "bad" if bad else "good"
    return {"stage": stage, "state": state, "title": title, "text": text, "artefacts": lines}


def _nothing(contents: Contents) -> dict[str, Any]:
    card: dict[str, Any] = {"stage": contents.shipped or "", "state": "none", "artefacts": []}
    if contents.exports:
        title, command = "Shipped, not compared yet", f"hepnn agree {contents.folder}"
    elif contents.stages:
        title, command = "Not shipped yet", f"hepnn deploy {contents.folder}"
    else:
        title, command = "Not trained yet", f"hepnn train --resume {contents.folder}"
    return {**card, "title": title, "text": "next:", "command": command}


def _state(figures: dict[str, Any]) -> str:
    if not figures.get("holds", False):
        return "bad"
    return "measured" if figures.get("promise") == "measured" else "good"


def _box(
    name: str, figures: dict[str, Any], events: int, export: dict[str, Any], words: Words
) -> dict[str, Any]:
    exact, good = figures.get("promise") == "exact", _state(figures) != "bad"
    if exact:
        differing = int(figures.get("mismatches") or 0)
        result = "same bits" if good else f"{differing:,} differ"
    else:
        differing = round(events * float(figures.get("decision_flips") or 0))
        result = f"same {words.decision}" if good else "refused"
    return {
        "title": TITLES.get(name, name),
        "events": events,
        "mismatches": differing,
        "result": result,
        "exact": exact,
        "good": good,
        "cost": costs.lines(export.get("cost", {})),
    }


def _detail(metrics: dict[str, Any]) -> str:
    words = []
    zero = metrics.get("sparsity", {}).get("total")
    widths = [b["weights"] for b in metrics.get("bits", {}).values() if b.get("weights")]
    if zero:
        words.append(f"{100 * zero:.0f} % of the weights zero")
    if widths:
        spread = sorted({f"{min(widths):.1f}", f"{max(widths):.1f}"}, key=float)
        words.append(f"{' to '.join(spread)} bits")
    if not words and "parameters" in metrics:
        words.append(f"{numbers.count(metrics['parameters'])} parameters")
    return ", ".join(words)
