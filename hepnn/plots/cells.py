"""Images as shades of ink: cells of one outline, so that no page shows a seam between them."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline

from hepnn.plots.style import INK

#: Shades between the least and the most.
SHADES = 6


def shade(axes: Axes, image: np.ndarray, low: float, high: float) -> None:
    """Draw an image `(height, width)` in shades of ink, nothing for `low`, full ink for `high`."""
    inside = np.clip((image - low) / ((high - low) or 1.0), 0.0, 1.0)
    level = np.round(inside * SHADES)
    for number in range(1, SHADES + 1):
        fill(axes, level == number, INK, number / SHADES)
    bare(axes, image.shape)


def fill(axes: Axes, chosen: np.ndarray, colour: str, alpha: float) -> None:
    """Fill chosen pixels `(height, width)` bool, neighbours in a row as one rectangle."""
    corners: list[list[tuple[float, float]]] = []
    for row, pixels in enumerate(chosen):
        steps = np.diff(np.concatenate([[0], pixels.astype(int), [0]]))
        ends = np.flatnonzero(steps > 0).tolist(), np.flatnonzero(steps < 0).tolist()
        for first, end in zip(*ends, strict=True):
            corners.append([(first, row), (end, row), (end, row + 1), (first, row + 1)])
            corners[-1].append((first, row))
    if corners:
        codes = [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY] * len(corners)
        outline = Outline(np.reshape(corners, (-1, 2)).astype(float), codes)
        axes.add_patch(PathPatch(outline, facecolor=colour, linewidth=0, alpha=alpha))


def bare(axes: Axes, shape: tuple[int, ...]) -> None:
    """Give the axes of an image `(height, width)` its limits, and no ticks."""
    height, width = shape
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
    axes.tick_params(which="both", length=0)
