"""Errors over a setting: learning curves, and bias and variance against capacity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from hepnn.plots.style import COLOURS, STYLE, literal, write

#: A range of values that is drawn in steps of their logarithm.
WIDE = 8.0

_WORDS = {
    "train_limit": "training events",
    "limit": "events",
    "parameters": "weights of the network",
}


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """Draw the errors of training, validation and test events, with the spread of the seeds.

    Where there are bias and variance, a second panel has them.

    Parameters
    ----------
    document
        Of `hepnn.curves.curve.curve`.
    path
        The SVG file to write.
    """
    x, words = _axis(document)
    order = np.argsort(x, kind="stable")
    x, points = x[order], [document["points"][number] for number in order]
    metric = document["metric"]
    splits = [
        (split, split, f"{split}_spread", COLOURS[number])
        for number, split in enumerate(("train", "validation", "test"))
    ]
    parts = [
        ("bias2", "bias$^2$", "", COLOURS[0]),
        ("variance", "variance", "", COLOURS[1]),
        ("squared_error", "sum", "", COLOURS[2]),
    ]
    panels = [(metric, splits)]
    if "bias2" in points[0]:
        panels.append(("squared error, test events", parts))
    with rc_context(STYLE):
        figure = Figure((4.7 * len(panels), 3.7), layout="constrained")
        for axes, (title, lines) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            for key, label, spread, colour in lines:
                y = np.array([point[key] for point in points])
                axes.plot(x, y, "o-", color=colour, label=label, markersize=4)
                if spread and points[0][spread] is not None:
                    width = np.array([point[spread] for point in points])
                    axes.fill_between(x, y - width, y + width, color=colour, alpha=0.18, lw=0)
            _scale(axes, x)
            axes.set(xlabel=words, ylabel=title)
            drawn = [point[key] for key, *_ in lines for point in points]
            axes.set_ylim(bottom=min(0.0, *drawn))  # an estimated bias can be below zero
            axes.legend(loc="best", fontsize=9.5)
        return write(figure, path, f"{metric} over {words}, {len(document['seeds'])} seeds")


def _axis(document: Mapping[str, Any]) -> tuple[np.ndarray, str]:
    """Return where the points lie, and what that is."""
    points = document["points"]
    over = document["over"]
    if document["axis"] == "parameters":
        return np.array([point["parameters"] for point in points]), _WORDS["parameters"]
    values = [point["value"] for point in points]
    values = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in values]
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in values):
        return np.array(values, np.float64), _WORDS.get(over, literal(over))
    return np.arange(1.0, len(values) + 1), literal(f"{over}, by number")


def _scale(axes: Axes, x: np.ndarray) -> None:
    if x.min() > 0 and x.max() / x.min() > WIDE:
        axes.set_xscale("log")
        shown = [x[0]]
        for one in x[1:]:
            if one / shown[-1] > (x.max() / x.min()) ** 0.11:
                shown.append(one)
        axes.xaxis.set_major_locator(FixedLocator(shown))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{one:g}" for one in shown])
