"""The latent plane: where events lie in it, and what the decoder makes of its points."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from hepnn.plots import cells
from hepnn.plots.style import INK, STYLE, colour_of, literal, write

#: Events that are drawn of the plane.
POINTS = 2000

#: Points of the decoded grid along each axis.
GRID = 12

#: Markers of classes that share a colour.
MARKERS = ("o", "x", "^")


def plane(points: np.ndarray, y: np.ndarray | None, names: Sequence[str], path: Path) -> Path:
    """Draw events in the latent plane, each class at its place named.

    Parameters
    ----------
    points
        `(events, 2)`; the first `POINTS` are drawn.
    y
        Class numbers `(events,)`; None where there are no classes.
    names
        Of the classes.
    path
        The SVG file to write.
    """
    points = points[:POINTS].astype(np.float64)
    labels = np.zeros(len(points), np.int64) if y is None else y[: len(points)]
    with rc_context(STYLE):
        figure = Figure((5.0, 4.7), layout="constrained")
        axes = figure.subplots()
        for number in np.unique(labels):
            some = points[labels == number]
            marker = MARKERS[number // 5 % len(MARKERS)]
            axes.plot(*some.T, marker, color=colour_of(number), markersize=2.6, alpha=0.65)
        for number in np.unique(labels) if y is not None else ():
            middle = np.median(points[labels == number], axis=0)
            box: Any = {"boxstyle": "round,pad=0.15", "fc": colour_of(number), "lw": 0}
            text = literal(names[number]) if 0 <= number < len(names) else "?"
            style: Any = {"color": "white", "ha": "center", "va": "center", "size": 9.5}
            axes.text(middle[0], middle[1], text, weight="bold", bbox=box, **style)
        low, high = np.percentile(points, (0.5, 99.5), axis=0)
        room = 0.05 * np.maximum(high - low, 1e-6)
        axes.set(xlim=(low[0] - room[0], high[0] + room[0]))
        axes.set(ylim=(low[1] - room[1], high[1] + room[1]))
        axes.set(xlabel="first latent number", ylabel="second latent number")
        return write(figure, path, "The latent plane")


def grid(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return latent points `(GRID, GRID, 2)` between two corners, the top row first."""
    across, up = (np.linspace(low[axis], high[axis], GRID) for axis in (0, 1))
    return np.stack(np.meshgrid(across, up[::-1]), axis=-1).astype(np.float32)


def decoded(images: np.ndarray, corners: tuple[np.ndarray, np.ndarray], path: Path) -> Path:
    """Draw what the decoder makes of a grid of latent points, each image at its point.

    Parameters
    ----------
    images
        `(rows, columns, height, width, channels)`, rows from the top.
    corners
        Smallest and largest latent numbers of the grid `(2,)`.
    path
        The SVG file to write.
    """
    shown = images.sum(axis=-1, dtype=np.float64)
    low, high = np.percentile(shown, (1, 99.8))
    apart = np.pad(shown, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=low)
    rows, columns, height, width = apart.shape
    mosaic = apart.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)
    with rc_context(STYLE):
        figure = Figure((5.0, 4.7 * rows * height / (columns * width)), layout="constrained")
        axes = figure.subplots()
        cells.shade(axes, mosaic, low, high)
        for axis, ends, length in (
            (axes.xaxis, (corners[0][0], corners[1][0]), columns * width),
            (axes.yaxis, (corners[1][1], corners[0][1]), rows * height),
        ):
            half = length / (2 * columns if axis is axes.xaxis else 2 * rows)
            axis.set_ticks([half, length - half], [f"{end:.2g}" for end in ends], color=INK)
        axes.set(xlabel="first latent number", ylabel="second latent number")
        return write(figure, path, "What the decoder makes of points in the latent plane")
