"""What there is to see inside networks: gradients by layer, slices of the loss."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hepnn.plots.style import COLOURS, INK, STYLE, colour_of, literal, write

#: Contours of a landscape.
LEVELS = 12


def gradients(document: Mapping[str, Any], path: Path) -> Path:
    """Draw the root mean square gradient of each layer, before and after training.

    Parameters
    ----------
    document
        Of `hepnn.explain.gradients`.
    path
        The SVG file to write.
    """
    with rc_context(STYLE):
        figure = Figure((8.4, 3.6), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for axes, key, title in zip(
            panels, ("start", "trained"), ("weights drawn anew", "trained"), strict=True
        ):
            for number, run in enumerate(document["runs"]):
                values = [np.nan if one[key] is None else one[key] for one in run["layers"]]
                y = np.maximum(np.array(values, np.float64), 1e-30)
                x = np.arange(1, len(y) + 1)
                label = literal(run["run"])
                axes.plot(x, y, "o-", color=colour_of(number), label=label, markersize=4)
            axes.set(yscale="log", xlabel="layer, from the input")
            axes.set_title(title, fontsize=10.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[0].set_ylabel("gradient a weight, r.m.s.")
        panels[1].legend(loc="best", fontsize=9.5)
        return write(figure, path, "Gradient of the loss, layer by layer")


def landscape(document: Mapping[str, Any], path: Path) -> Path:
    """Draw contours of the loss, at the same levels for all runs.

    Parameters
    ----------
    document
        Of `hepnn.explain.landscape`.
    path
        The SVG file to write.
    """
    axis = np.array(document["axis"])
    surfaces = [np.log10(np.maximum(np.array(run["loss"]), 1e-9)) for run in document["runs"]]
    low = min(float(one.min()) for one in surfaces)
    high = min(max(float(one.max()) for one in surfaces), low + 6)
    levels = np.linspace(low, max(high, low + 1e-3), LEVELS)
    with rc_context(STYLE):
        figure = Figure((3.6 * len(surfaces) + 0.3, 3.7), layout="constrained")
        panels = figure.subplots(1, len(surfaces), squeeze=False)[0]
        for axes, surface, run in zip(panels, surfaces, document["runs"], strict=True):
            inks = [to_rgba(COLOURS[0], alpha) for alpha in np.linspace(0.35, 1.0, LEVELS)]
            lines = axes.contour(axis, axis, surface, levels, colors=inks)
            shown = {level: f"{10**level:.2g}" for level in levels[::3]}
            axes.clabel(lines, levels=list(shown), fmt=shown, fontsize=8)
            axes.plot(0, 0, "+", color=INK, markersize=8)
            axes.set(aspect="equal", xlabel="direction 1", ylabel="direction 2")
            axes.set_title(literal(run["run"]), fontsize=10.5)
        return write(figure, path, "Loss around the weights, filters normalized")
