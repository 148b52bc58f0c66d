"""The pictures of a segmentation: what went in, where the classes are, and what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hepnn.plots import cells
from hepnn.plots.style import INK, STYLE, colour_of, literal, write

#: Shades of the input, between the least and the most that any of its pixels holds.
SHADES = 6


def masks(
    images: np.ndarray,
    truth: np.ndarray,
    decided: np.ndarray,
    classes: Sequence[str],
    path: Path,
) -> Path:
    """Draw a row an event: the sum of its channels, the true classes, the decided ones.

    The first class is not drawn.

    Parameters
    ----------
    images
        `(events, height, width, channels)`.
    truth, decided
        Classes `(events, height, width)`.
    classes
        Their names.
    path
        The SVG file to write.
    """
    height, width = truth.shape[1:]
    high = 2.2 * height / max(height, width)
    titles = ("input, channels summed", "truth", "decision")
    with rc_context(STYLE):
        figure = Figure((7.2, (high + 0.2) * len(truth) + 0.6), layout="constrained")
        grid = figure.subplots(max(len(truth), 1), 3, squeeze=False)
        for row, (image, *labels) in enumerate(zip(images, truth, decided, strict=True)):
            _shades(grid[row, 0], image.sum(axis=-1, dtype=np.float64))
            for axes, label in zip(grid[row, 1:], labels, strict=True):
                for number in range(1, len(classes)):
                    cells.fill(axes, label == number, colour_of(number - 1), 1.0)
        for axes in grid.flat:
            axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
            axes.tick_params(which="both", length=0)
        for axes, title in zip(grid[0], titles, strict=True):
            axes.set_title(title, fontsize=10.5)
        handles = [
            Patch(color=colour_of(number - 1), label=literal(classes[number]))
            for number in range(1, len(classes))
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles) or 1, 6))
        return write(figure, path, f"Input, truth and decision: {', '.join(classes[1:])}")


def _shades(axes: Axes, image: np.ndarray) -> None:
    low, high = image.min(), image.max()
    shade = np.ceil((image - low) / ((high - low) or 1.0) * SHADES)
    for number in range(1, SHADES + 1):
        cells.fill(axes, shade == number, INK, 0.2 + 0.8 * (number - 1) / (SHADES - 1))
