"""Decision boundaries in a plane, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from hepnn.plots import cells
from hepnn.plots.style import STYLE, colour_of, literal, write

#: Panels in a row.
ROW = 4

#: Points that are drawn in a panel.
POINTS = 200


def draw(maps: Sequence[Any], titles: Sequence[str], path: Path) -> Path:
    """Draw what each network decides over the plane, and the events that it was trained on.

    Parameters
    ----------
    maps
        `hepnn.curves.figures.Map`, one a network.
    titles
        What differs between them.
    path
        The SVG file to write.
    """
    rows = -(-len(maps) // ROW)
    columns = min(len(maps), ROW)
    with rc_context(STYLE):
        figure = Figure((2.1 * columns, 2.35 * rows), layout="constrained")
        panels = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, one, title in zip(panels, maps, titles, strict=False):
            side = one.decisions.shape[0]
            for number in range(int(one.decisions.max()) + 1):
                cells.fill(axes, one.decisions == number, colour_of(number), 0.25)
            place = (one.points.x[:POINTS] - one.low) / (one.high - one.low) * side
            for number in range(int(one.points.y.max()) + 1):
                chosen = one.points.y[:POINTS] == number
                axes.plot(*place[chosen].T, "o", color=colour_of(number), markersize=2.2)
            cells.bare(axes, one.decisions.shape)
            axes.set_ylim(0, side)
            axes.set_title(literal(title), fontsize=10)
        for axes in panels[len(maps) :]:
            axes.remove()
        return write(figure, path, f"Decision boundaries: {'; '.join(titles)}")
