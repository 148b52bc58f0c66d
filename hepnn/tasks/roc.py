"""The ROC curve: how much signal is kept for how much background, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hepnn.tasks import bootstrap
from hepnn.tasks.bootstrap import central

#: Background efficiencies at which the signal efficiency is given.
BACKGROUNDS = (0.1, 0.01, 0.001)

#: Signal efficiencies at which the background rejection is given.
SIGNALS = (0.3, 0.5)


def efficiencies(
    score: np.ndarray, signal: np.ndarray, weight: np.ndarray, backgrounds: Sequence[float]
) -> np.ndarray:
    """Return the signal efficiency at background efficiencies.

    Events of equal score are kept or left together; between two thresholds the efficiency is
    that of the tighter one, so that the background is never above what is asked for.

    Parameters
    ----------
    score
        `(events,)`, larger for signal.
    signal
        `(events,)` bool.
    weight
        `(events,)`.
    backgrounds
        Background efficiencies.
    """
    _, signals, fakes = curve(score, signal, weight)
    index = np.searchsorted(fakes, np.asarray(backgrounds) + 1e-12, side="right") - 1
    return signals[index]


def curve(
    score: np.ndarray, signal: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return thresholds, signal efficiencies and background efficiencies, from tight to loose.

    The first point keeps nothing; one more follows for each distinct score.
    """
    order = np.argsort(-score, kind="stable")
    ranked, is_signal, weights = score[order], signal[order], weight[order].astype(np.float64)
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    signals = np.cumsum(weights * is_signal)[last_of_equals]
    fakes = np.cumsum(weights * ~is_signal)[last_of_equals]
    zero = [0.0]
    return (
        np.append(np.inf, ranked[last_of_equals]),
        np.concatenate([zero, signals / max(signals[-1], 1e-300)]),
        np.concatenate([zero, fakes / max(fakes[-1], 1e-300)]),
    )


def auc(score: np.ndarray, signal: np.ndarray, weight: np.ndarray) -> float:
    """Return the area under the ROC curve, equal scores counted as a half."""
    _, signals, fakes = curve(score, signal, weight)
    return float(np.trapezoid(signals, fakes))


def report_into(
    report: dict[str, Any],
    name: str,
    score: np.ndarray,
    signal: np.ndarray,
    weight: np.ndarray,
    drawn: np.ndarray,
) -> None:
    """Put AUC, efficiencies and rejections of one class, each with its interval, into a report.

    Parameters
    ----------
    report
        Of metrics; gets `auc`, `efficiency_at_background` and `rejection_at_efficiency`.
    name
        Of the class.
    score, signal, weight
        `(events,)`, as in `efficiencies`.
    drawn
        Replicas `(replicas, events)` of `hepnn.tasks.bootstrap`.
    """
    value, interval = _figures(score, signal, weight, drawn)
    for figure, content in value.items():
        _file(report, figure, name, content)
        _file(report, f"{figure}_interval", name, interval[figure])


def rows(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return the lines of a table of what `report_into` has put into a report."""
    found = {}
    for figure, label in (
        ("auc", "AUC"),
        ("efficiency_at_background", "eff@{}%"),
        ("rejection_at_efficiency", "rejection@{}%"),
    ):
        values, intervals = metrics.get(figure, {}), metrics.get(f"{figure}_interval", {})
        points = [None] if figure == "auc" else list(values)
        for point in points:
            of, ranges = (
                (values, intervals) if point is None else (values[point], intervals.get(point, {}))
            )
            title = label if point is None else label.format(f"{100 * float(point):g}")
            for name, value in of.items():
                digits = ".4g" if figure.startswith("rejection") else ".4f"
                found[f"{title} {name}"] = said(value, ranges.get(name), digits)
    return found


def said(value: float, interval: Sequence[float] | None, digits: str = ".4f") -> str:
    """Write a figure with its interval.

    >>> said(0.71642, [0.7111, 0.7218])
    '0.7164 [0.7111, 0.7218]'
    """
    if interval is None:
        return format(value, digits)
    return f"{value:{digits}} [{interval[0]:{digits}}, {interval[1]:{digits}}]"


def resolved(signal: np.ndarray) -> Sequence[float]:
    """Return the background rates that the events can resolve: ten events or more."""
    background = np.count_nonzero(~signal)
    return [rate for rate in BACKGROUNDS if rate * background >= 10]


def _figures(
    score: np.ndarray, signal: np.ndarray, weight: np.ndarray, drawn: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return AUC, efficiencies and rejections, and the interval of each."""
    order = np.argsort(-score, kind="stable")
    ranked, is_signal = score[order], signal[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    every = np.ones((1, len(score)), np.uint8)
    areas, kept, shares = [], [], []
    for counted in (every, *bootstrap.blocks(drawn)):
        weights = counted[:, order] * weight[order]
        signals = _cumulative(weights * is_signal, ends)
        fakes = _cumulative(weights * ~is_signal, ends)
        areas.append(np.trapezoid(signals, fakes, axis=1))
        kept.append(_crossings(fakes, signals, BACKGROUNDS))
        shares.append(_first_above(signals, fakes, SIGNALS))
    area, found = np.concatenate(areas), np.concatenate(kept)
    value: dict[str, Any] = {"auc": float(area[0])}
    interval: dict[str, Any] = {"auc": central(area[1:])}
    value["efficiency_at_background"] = _named(BACKGROUNDS, found[0])
    interval["efficiency_at_background"] = _named(BACKGROUNDS, central(found[1:]))
    rejections = 1 / np.maximum(np.concatenate(shares), 1 / len(score))
    value["rejection_at_efficiency"] = _named(SIGNALS, rejections[0])
    interval["rejection_at_efficiency"] = _named(SIGNALS, central(rejections[1:]))
    return value, interval


def _cumulative(weights: np.ndarray, ends: np.ndarray) -> np.ndarray:
    total = np.cumsum(weights, axis=1, dtype=np.float64)
    share = total[:, ends] / np.maximum(total[:, -1:], 1e-300)
    return np.concatenate([np.zeros((len(weights), 1)), share], axis=1)


def _crossings(axis: np.ndarray, along: np.ndarray, points: Sequence[float]) -> np.ndarray:
    """Return `along` at the last position where `axis` is not above each point."""
    index = [np.searchsorted(row, np.asarray(points) + 1e-12, side="right") - 1 for row in axis]
    return np.take_along_axis(along, np.array(index), axis=1)


def _first_above(axis: np.ndarray, along: np.ndarray, points: Sequence[float]) -> np.ndarray:
    """Return `along` at the first position where `axis` reaches each point."""
    index = [np.searchsorted(row, np.asarray(points) - 1e-12, side="left") for row in axis]
    last = axis.shape[1] - 1
    return np.take_along_axis(along, np.minimum(np.array(index), last), axis=1)


def _named(points: Sequence[float], values: Any) -> dict[str, Any]:
    plain = np.asarray(values).tolist()
    return {f"{point:g}": value for point, value in zip(points, plain, strict=True)}


def _file(report: dict[str, Any], figure: str, name: str, content: Any) -> None:
    """Put one class's figure into the report, by working point where it has one."""
    place = report.setdefault(figure, {})
    if isinstance(content, dict):
        for point, value in content.items():
            place.setdefault(point, {})[name] = value
    else:
        place[name] = content
