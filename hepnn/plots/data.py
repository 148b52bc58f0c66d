"""The picture of a dataset: every feature's distribution a class, and the mean images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepnn.plots.style import STYLE, colour_of, dash_of, literal, write

BINS = 40

#: Beyond these percentiles a histogram's outermost bins take all there is.
RANGE = (0.5, 99.5)


def histograms(
    values: Mapping[str, Sequence[np.ndarray]],
    units: Mapping[str, str],
    classes: Sequence[str],
    path: Path,
    title: str,
) -> Path:
    """Draw a panel a feature, a line a class, each of area one.

    Parameters
    ----------
    values
        By feature, the values of each class, as a list of arrays.
    units
        By feature; `1` is not shown.
    classes
        Names of the classes; one without a name is a set without classes.
    path
        The file to write.
    title
        What the picture is of.
    """
    columns = min(4, max(len(values), 1))
    rows = -(-len(values) // columns)
    with rc_context(STYLE):
        figure = Figure((2.7 * columns, 2.0 * rows + 0.5), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(values) :]:
            axes.remove()
        for axes, (name, of_classes) in zip(grid.flat, values.items(), strict=False):
            _histogram(axes, of_classes)
            unit = units.get(name, "1")
            axes.set_xlabel(literal(name) + ("" if unit == "1" else f" [{literal(unit)}]"))
            axes.set_yticks([])
        if len(classes) > 1:
            lines = grid.flat[0].get_lines()
            names = [literal(name) for name in classes]
            figure.legend(lines, names, loc="outside upper center", ncols=min(len(names), 6))
        return write(figure, path, title)


def images(
    means: Mapping[str, np.ndarray], channels: Sequence[str], path: Path, title: str
) -> Path:
    """Draw the mean image of every class and channel.

    Parameters
    ----------
    means
        By class, `(height, width, channels)`.
    channels
        Names of the channels.
    path
        The file to write.
    title
        What the picture is of.
    """
    with rc_context(STYLE):
        figure = Figure((1.5 * len(means) + 0.4, 1.6 * len(channels) + 0.4), layout="constrained")
        grid = figure.subplots(len(channels), len(means), squeeze=False)
        for column, (name, mean) in enumerate(means.items()):
            for row, channel in enumerate(channels):
                axes = grid[row, column]
                axes.imshow(_contrast(mean[..., row]), cmap="viridis", interpolation="nearest")
                axes.set_xticks([])
                axes.set_yticks([])
                if row == 0:
                    axes.set_title(literal(name))
                if column == 0:
                    axes.set_ylabel(literal(channel))
        return write(figure, path, title)


def _histogram(axes: Axes, of_classes: Sequence[np.ndarray]) -> None:
    every = np.concatenate([values[np.isfinite(values)] for values in of_classes])
    if not len(every):
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center")
        return
    edges, scale = _edges(every)
    for number, values in enumerate(of_classes):
        inside = np.clip(values[np.isfinite(values)], edges[0], edges[-1])
        counts, _ = np.histogram(inside, edges)
        height = counts / max(counts.sum(), 1)
        style: dict[str, Any] = {"color": colour_of(number), "linestyle": dash_of(number)}
        axes.stairs(height, edges, color=colour_of(number), alpha=0.07, fill=True)
        axes.step(edges, np.append(height, height[-1]), where="post", linewidth=1.2, **style)
    axes.set_xscale(scale)
    axes.set_ylim(bottom=0)


def _edges(every: np.ndarray) -> tuple[np.ndarray, str]:
    """Return bins and the axis's scale; of whole numbers each bin takes as many."""
    low, high = np.percentile(every, RANGE)
    if low == high:
        low, high = every.min(), every.max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    if np.array_equal(every, np.round(every)):
        width = max(round((high - low) / BINS), 1)
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + width, width), "linear"
    if low > 0 and high / low > 100 and np.median(every) < 0.1 * high:
        return np.geomspace(low, high, BINS + 1), "log"
    return np.linspace(low, high, BINS + 1), "linear"


def _contrast(image: np.ndarray) -> np.ndarray:
    """Return an image whose few bright pixels leave the others visible."""
    low, high = float(image.min()), float(image.max())
    return np.sqrt((image - low) / (high - low)) if high > low else np.zeros_like(image)
