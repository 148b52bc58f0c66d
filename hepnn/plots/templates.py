"""The templates of a linear classifier: the weights of each class, as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from hepnn.plots import cells
from hepnn.plots.style import COLOURS, STYLE, literal, write

#: Shades of each sign, and templates in a row.
SHADES, COLUMNS = 6, 5

#: Weights beyond this percentile of their sizes have the full colour.
FULL = 97.0


def draw(templates: np.ndarray, names: Sequence[str], path: Path) -> Path:
    """Draw each class's weights: what speaks for the class in blue, against it in orange.

    Parameters
    ----------
    templates
        Weights `(classes, height, width)`.
    names
        Of the classes.
    path
        The SVG file to write.
    """
    count, height, width = templates.shape
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    full = float(np.percentile(np.abs(templates), FULL)) or 1.0
    level = np.round(np.clip(np.abs(templates) / full, 0, 1) * SHADES)
    with rc_context(STYLE):
        tall = 1.35 * height / width + 0.3
        figure = Figure((1.35 * columns, tall * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, name, weights, shade in zip(panels, names, templates, level, strict=False):
            for sign, colour in ((1, COLOURS[0]), (-1, COLOURS[1])):
                for number in range(1, SHADES + 1):
                    chosen = (shade == number) & (np.sign(weights) == sign)
                    cells.fill(axes, chosen, colour, number / SHADES)
            cells.bare(axes, (height, width))
            axes.set_title(literal(name), size=10)
        for axes in panels[count:]:
            axes.axis("off")
        return write(figure, path, f"Weights of a linear classifier for {', '.join(names)}")
