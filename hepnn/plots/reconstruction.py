"""The pictures of a reconstruction: images beside what became of them, and errors by class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from hepnn.plots import cells
from hepnn.plots.style import INK, STYLE, colour_of, dash_of, literal, write

#: Bins of the errors, in equal steps of their logarithm.
BINS = 50


def images(inputs: np.ndarray, outputs: np.ndarray, path: Path) -> Path:
    """Draw a column an event: the input above, its reconstruction below, channels summed.

    Parameters
    ----------
    inputs, outputs
        `(events, height, width, channels)`, in the same quantity.
    path
        The SVG file to write.
    """
    columns = max(len(inputs), 1)
    height, width = inputs.shape[1:3]
    high = 1.1 * height / max(height, width)
    with rc_context(STYLE):
        figure = Figure((1.15 * columns + 0.4, 2 * high + 0.3), layout="constrained")
        grid = figure.subplots(2, columns, squeeze=False)
        for column, (image, found) in enumerate(zip(inputs, outputs, strict=True)):
            first, second = (one.sum(axis=-1, dtype=np.float64) for one in (image, found))
            for axes, shown in zip(grid[:, column], (first, second), strict=True):
                cells.shade(axes, shown, first.min(), first.max())
        for axes, title in zip(grid[:, 0], ("input", "output"), strict=True):
            axes.set_ylabel(title, loc="center", fontsize=10.5)
        return write(figure, path, "Images, and their reconstruction below")


def errors(
    score: np.ndarray,
    classes: Mapping[str, np.ndarray],
    weight: np.ndarray,
    threshold: float,
    path: Path,
) -> Path:
    """Draw the distribution of the reconstruction error of each class.

    The outermost bins take all that lies beyond.

    Parameters
    ----------
    score
        Error of each event `(events,)`.
    classes
        Which events are of each class `(events,)` bool, by name.
    weight
        `(events,)`; negative ones are left out.
    threshold
        The error above which an event is called an anomaly.
    path
        The SVG file to write.
    """
    logs = np.log10(np.maximum(score, 1e-12))
    low, high = np.percentile(logs, (0.1, 99.9)) if len(logs) else (0.0, 1.0)
    edges = np.linspace(low, max(high, low + 1e-3), BINS + 1)
    inside, weight = np.clip(logs, edges[0], edges[-1]), np.maximum(weight, 0.0)
    with rc_context(STYLE):
        figure = Figure((5.2, 3.9), layout="constrained")
        axes = figure.subplots()
        tallest = 0.0
        for number, (name, chosen) in enumerate(classes.items()):
            counts, _ = np.histogram(inside[chosen], edges, weights=weight[chosen])
            share = counts / max(counts.sum(), 1e-300)
            tallest = max(tallest, share.max())
            style = {"color": colour_of(number), "linestyle": dash_of(number)}
            axes.stairs(share, 10.0**edges, label=literal(name), linewidth=1.6, **style)
        if 10.0 ** edges[0] < threshold < 10.0 ** edges[-1]:
            axes.axvline(threshold, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), alpha=0.8)
            axes.text(threshold, 1.3 * tallest, " anomalies", va="top", ha="left", fontsize=9.5)
        axes.set(xscale="log", xlim=(10.0 ** edges[0], 10.0 ** edges[-1]), ylim=(0, 1.35 * tallest))
        axes.set(xlabel="reconstruction error", ylabel="share of the class a bin")
        if len(classes) > 1:
            axes.legend(loc="upper left", ncols=2 if len(classes) > 6 else 1)
        return write(figure, path, f"Reconstruction error of {', '.join(classes)}")
