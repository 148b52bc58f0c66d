"""What a network is trained on: events as they are, and as it sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from hepnn.plots import cells
from hepnn.plots.style import COLOURS, STYLE, write

#: Events that are drawn.
DRAWN = 6

_TITLE = "Training events above, and as the network sees them below"


def images(before: np.ndarray, after: np.ndarray, path: Path) -> Path:
    """Draw a column an event: the image above, changed below, channels summed.

    Parameters
    ----------
    before, after
        `(events, height, width, channels)`.
    path
        The SVG file to write.
    """
    high = 1.1 * before.shape[1] / max(before.shape[1:3])
    with rc_context(STYLE):
        figure, grid = _grid(len(before), high)
        for column, pair in enumerate(zip(before, after, strict=True)):
            shown = [one.sum(axis=-1, dtype=np.float64) for one in pair]
            for axes, image in zip(grid[:, column], shown, strict=True):
                cells.shade(axes, image, shown[0].min(), shown[0].max())
        return write(figure, path, _TITLE)


def jets(before: np.ndarray, after: np.ndarray, path: Path) -> Path:
    """Draw a column a jet: its constituents, larger with their pT, above; changed below.

    Parameters
    ----------
    before, after
        pT, pseudorapidity and azimuth `(events, 3, length)`; padding has no pT.
    path
        The SVG file to write.
    """
    with rc_context(STYLE):
        figure, grid = _grid(len(before), 1.1)
        for column, pair in enumerate(zip(before, after, strict=True)):
            real = [one[:, one[0] > 0] for one in pair]
            reach = 1.1 * max(0.05, *(float(np.abs(one[1:]).max(initial=0.0)) for one in real))
            for axes, (pt, eta, phi) in zip(grid[:, column], real, strict=True):
                size = 60 * pt / max(pt.max(initial=0.0), 1e-30)
                axes.scatter(eta, phi, s=size + 1, color=COLOURS[0], alpha=0.6, linewidth=0)
                axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
                axes.set(xticks=[], yticks=[])
                axes.tick_params(which="both", length=0)
        return write(figure, path, _TITLE)


def _grid(columns: int, high: float) -> tuple[Figure, Any]:
    figure = Figure((1.15 * columns + 0.4, 2 * high + 0.3), layout="constrained")
    grid = figure.subplots(2, columns, squeeze=False)
    for axes, title in zip(grid[:, 0], ("event", "as seen"), strict=True):
        axes.set_ylabel(title, loc="center", fontsize=10.5)
    return figure, grid
