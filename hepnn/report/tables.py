"""The tables: stages side by side, layers, targets side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hepnn.report import costs, numbers
from hepnn.report.folder import Contents
from hepnn.tasks import Figure

_PER_CENT: dict[str, Any] = {"scale": 100, "unit": " %"}

#: Figures of a whole stage that are shares.
_SHARES = ("accuracy", "pixel_accuracy", "explained", "calibration_error")


def stages(contents: Contents) -> list[dict[str, Any]]:
    """Return rows over the stages: what was reached, how large it is, how it was trained."""
    metrics = [contents.metrics.get(stage, {}) for stage in contents.stages]
    entries = [contents.manifest["stages"][stage] for stage in contents.stages]
    rows = [
        _row("accuracy", [_measured(m, "accuracy", _PER_CENT) for m in metrics]),
        _row("mean IoU", [_measured(m, "mean_iou", {}) for m in metrics]),
        _row("pixel accuracy", [_measured(m, "pixel_accuracy", _PER_CENT) for m in metrics]),
        _row("variance explained", [_measured(m, "explained", _PER_CENT) for m in metrics]),
        _row(
            "calibration error (ECE)",
            [_measured(m, "calibration_error", _PER_CENT) for m in metrics],
        ),
        _row("loss", [_measured(m, "loss", {}) for m in metrics]),
        _row("parameters", [numbers.count(m.get("parameters")) for m in metrics]),
        _row("weights that are zero", [_zeros(m) for m in metrics]),
        _row("neurons and filters that are removed", [_units(m) for m in metrics]),
        _row("entropy of a weight", [_entropy(m) for m in metrics]),
        _row("bits a weight, by layer", [_spread(m, "weights") for m in metrics]),
        _row("bits a lane, by layer", [_spread(m, "lanes") for m in metrics]),
        _row("EBOPs", [numbers.count(m.get("ebops")) for m in metrics]),
        _row("model.keras", [numbers.size(m.get("size_bytes")) for m in metrics]),
        _row("epochs", [numbers.count(e.get("epochs")) for e in entries]),
        _row("time to fit", [numbers.duration(e.get("seconds")) for e in entries]),
        _row("engine", [(e.get("engine") or "–", e.get("engine_reason") or "") for e in entries]),
    ]
    return [row for row in rows if any(cell["text"] != numbers.NOTHING for cell in row["cells"])]


def folds(contents: Contents) -> list[dict[str, Any]]:
    """Return a table a stage: what held-out events are answered with, of all folds and of each."""
    found = []
    for stage, known in contents.folds.get("stages", {}).items():
        pooled, each = known.get("pooled", {}), known.get("each", [])
        rows = []
        for label, path in _paths(pooled, contents.task.FIGURES):
            value, interval = _at(pooled, path), _at(pooled, (f"{path[0]}_interval", *path[1:]))
            how = _how(path[0], contents.task.FIGURES.get(path[0]), pooled, path[-1])
            cells: list[Any] = [numbers.measured(value, interval, **how)]
            if each:
                mean, spread = (_at(known.get(what, {}), path) for what in ("mean", "spread"))
                cells.append(_with_spread(mean, spread, how))
                cells += [numbers.measured(_at(one, path), **how)[0] for one in each]
            rows.append(_row(label, cells))
        names = [f"fold {number}" for number in range(1, len(each) + 1)]
        head = ["all together", *(["mean and spread", *names] if each else [])]
        found.append({"stage": stage, "head": head, "rows": rows})
    return found


def _with_spread(mean: Any, spread: Any, how: dict[str, Any]) -> tuple[str, str]:
    if mean is None or spread is None:
        return numbers.NOTHING, ""
    shown, _ = numbers.measured(mean, [mean - spread, mean + spread], **how)
    return shown, f"± {numbers.significant(how.get('scale', 1.0) * spread, 2)}"


def _paths(
    metrics: dict[str, Any], named: Mapping[str, Figure]
) -> list[tuple[str, tuple[str, ...]]]:
    """Return label and place of every figure with an interval, but those at working points."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for key, value in metrics.items():
        if f"{key}_interval" not in metrics:
            continue
        title = named[key].title if key in named else key.replace("_", " ")
        if not isinstance(value, dict):
            found.append((title, (key,)))
        elif "{}" not in title:
            found += [(f"{title}, {name}", (key, name)) for name in value]
    return found


def _at(metrics: Any, path: Sequence[str]) -> Any:
    """Return what metrics have at a place; None if nothing."""
    for key in path:
        metrics = metrics.get(key) if isinstance(metrics, dict) else None
    return metrics


def by_name(contents: Contents) -> list[dict[str, Any]]:
    """Return groups of rows, a row a class or target: the task's figures."""
    groups = [
        _group(contents, figure, name, point)
        for name, figure in contents.task.FIGURES.items()
        for point in (_points(contents, name) if "{}" in figure.title else [None])
    ]
    return [group for group in groups if group["rows"]]


def layers(contents: Contents) -> list[dict[str, Any]]:
    """Return a row a layer: zeros and bits in each stage."""
    names: dict[str, None] = {}
    for metrics in contents.metrics.values():
        names |= dict.fromkeys(metrics.get("sparsity", {}).get("layers", {}))
        names |= dict.fromkeys(metrics.get("bits", {}))
    rows = []
    for name in names:
        cells = []
        for stage in contents.stages:
            metrics = contents.metrics.get(stage, {})
            zero = metrics.get("sparsity", {}).get("layers", {}).get(name)
            width = metrics.get("bits", {}).get(name, {})
            cells += [
                _cell(numbers.percent(zero)),
                _cell(_bits(width.get("weights"))),
                _cell(_bits(width.get("lanes"))),
            ]
        rows.append({"label": name, "cells": cells})
    return rows


def targets(contents: Contents, stage: str) -> dict[str, Any]:
    """Return the artefacts of a stage side by side, with the sources of what they cost."""
    found = contents.agreement.get(stage, {})
    compared, exports = found.get("artefacts", {}), contents.exports.get(stage, {})
    names = list(dict.fromkeys([*compared, *exports]))
    words = contents.task.WORDS
    figures = [compared.get(name, {}) for name in names]
    rows: list[dict[str, Any]] = [
        {"label": "verdict", "cells": [_verdict(one) for one in figures]},
        _row("promise", [one.get("promise") for one in figures]),
        _row("events that differ", [numbers.count(one.get("mismatches")) for one in figures]),
        _row("first layer that differs", [one.get("first_difference") for one in figures]),
        _row(
            "largest difference", [numbers.significant(one.get("max_abs_diff")) for one in figures]
        ),
        _row(
            f"{words.decision}s that {words.flip}",
            [numbers.percent(one.get("decision_flips")) for one in figures],
        ),
        _row(
            f"largest shift of {words.efficiency}",
            [numbers.percent(one.get("max_efficiency_shift")) for one in figures],
        ),
    ]
    rows.append(_row("calibration error (ECE)", [_calibration(one) for one in figures]))
    written = [exports.get(name, {}) for name in names]
    costed = [
        {figure.label: figure for figure in costs.figures(one.get("cost", {}))} for one in written
    ]
    sources: list[str] = []
    for label in _in_order(costed):
        cells = [_cost(one.get(label), sources) for one in costed]
        rows.append({"label": label, "cells": cells})
    rows.append(_row("kit", [one.get("kit") for one in written]))
    rows.append(_row("written in", [numbers.duration(one.get("seconds")) for one in written]))
    rows = [row for row in rows if any(cell["text"] != numbers.NOTHING for cell in row["cells"])]
    events = found.get("events")
    return {"stage": stage, "names": names, "rows": rows, "sources": sources, "events": events}


def forms(contents: Contents) -> list[dict[str, Any]]:
    """Return a row a TFLite file, whatever its stage: size, latency, and what it changes."""
    rows = []
    for stage in contents.stages:
        compared = contents.agreement.get(stage, {}).get("artefacts", {})
        for name, written in contents.exports.get(stage, {}).items():
            if written.get("target") != "tflite":
                continue
            cost, found = written.get("cost", {}), compared.get(name, {})
            latency = cost.get("latency_ns", {})
            values = [
                numbers.size(cost.get("bytes")),
                numbers.nanoseconds(latency.get("p50")),
                numbers.nanoseconds(latency.get("p99")),
                found.get("promise"),
                numbers.percent(found.get("decision_flips")),
                _calibration(found),
                _calibration({"calibration_error": found.get("reference_calibration_error")}),
            ]
            rows.append(_row(f"{stage}: {name}", values))
    return rows


def _calibration(figures: dict[str, Any]) -> str:
    return numbers.percent(figures.get("calibration_error"))


def _group(contents: Contents, figure: Figure, key: str, point: str | None) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for name in _names(contents, key, point):
        cells = []
        for stage in contents.stages:
            metrics = contents.metrics.get(stage, {})
            values, intervals = metrics.get(key, {}), metrics.get(f"{key}_interval", {})
            if point is not None:
                values, intervals = values.get(point, {}), intervals.get(point, {})
            how = _how(key, figure, metrics, name)
            cells.append(_cell(*numbers.measured(values.get(name), intervals.get(name), **how)))
        rows.append({"label": name, "cells": cells})
    known = any(cell["text"] != numbers.NOTHING for row in rows for cell in row["cells"])
    title = figure.title if point is None else figure.title.format(f"{100 * float(point):g}")
    return {"title": title, "rows": rows if known else []}


def _how(key: str, figure: Figure | None, metrics: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return scale and unit of a figure, of a whole stage or of one class or target."""
    if key in _SHARES or figure is not None and figure.percent:
        return _PER_CENT
    unit = metrics.get("unit", {}).get(name, "1") if figure is not None and figure.unit else "1"
    return {} if unit == "1" else {"unit": f" {unit}"}


def _names(contents: Contents, key: str, point: str | None) -> list[str]:
    """Return what a figure is of: what metrics have, and every class if it is of classes."""
    found: dict[str, None] = {}
    for metrics in contents.metrics.values():
        values = metrics.get(key, {})
        found |= dict.fromkeys(values if point is None else values.get(point, {}))
    of_classes = not found or any(name in found for name in contents.classes)
    return list(found | dict.fromkeys(contents.classes if of_classes else ()))


def _points(contents: Contents, key: str) -> list[str]:
    """Return the working points of a figure, in the order of the task."""
    metrics = contents.metrics.values()
    return list(dict.fromkeys(point for one in metrics for point in one.get(key, {})))


def _cost(figure: costs.Figure | None, sources: list[str]) -> dict[str, Any]:
    """Return the cell of a figure; its source joins the sources, each named once."""
    if figure is None:
        return _cell(numbers.NOTHING)
    if figure.source and figure.source not in sources:
        sources.append(figure.source)
    place = sources.index(figure.source) + 1 if figure.source else 0
    cell = _cell(figure.text, figure.detail)
    return {**cell, "estimate": figure.estimate, "source": place}


def _in_order(costed: Sequence[dict[str, costs.Figure]]) -> list[str]:
    """Merge the labels of several costs; the known ones come first in each."""
    labels = dict.fromkeys(label for figures in costed for label in figures)
    return sorted(labels, key=costs.rank)


def _measured(metrics: dict[str, Any], figure: str, how: dict[str, Any]) -> tuple[str, str]:
    return numbers.measured(metrics.get(figure), metrics.get(f"{figure}_interval"), **how)


def _zeros(metrics: dict[str, Any]) -> str:
    return numbers.percent(metrics.get("sparsity", {}).get("total"))


def _units(metrics: dict[str, Any]) -> Any:
    units = metrics.get("units")
    if units is None:
        return None
    return f"{units['removed']} of {units['units']}", f"{units['dead']} dead"


def _entropy(metrics: dict[str, Any]) -> str | None:
    found = metrics.get("storage", {}).get("entropy_bits")
    return None if found is None else f"{found:.2f} bits"


def _spread(metrics: dict[str, Any], what: str) -> str:
    widths = [width[what] for width in metrics.get("bits", {}).values() if width.get(what)]
    if not widths:
        return numbers.NOTHING
    low, high = _bits(min(widths)), _bits(max(widths))
    return low if low == high else f"{low} to {high}"


def _bits(value: Any) -> str:
    return numbers.NOTHING if value is None else f"{value:.1f}"


def _verdict(figures: dict[str, Any]) -> dict[str, Any]:
    if not figures:
        return {**_cell("not compared"), "state": "none"}
    state = "measured" if figures.get("promise") == "measured" else "good"
    return {**_cell(figures.get("verdict")), "state": state if figures.get("holds") else "bad"}


def _row(label: str, values: Sequence[Any]) -> dict[str, Any]:
    cells = [_cell(*(value if isinstance(value, tuple) else (value,))) for value in values]
    return {"label": label, "cells": cells}


def _cell(text: Any, small: str = "") -> dict[str, Any]:
    shown = numbers.NOTHING if text is None or text == "" else str(text)
    return {"text": shown, "small": small, "state": "", "estimate": False, "source": 0}
