"""The pictures of a generator: made events beside real ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from hepnn.plots.regression import merged
from hepnn.plots.style import COLOURS, INK, STYLE, literal, write

#: Panels of distributions; of more observables, the first ones.
PANELS = 12

BINS, CELLS = 50, 32

#: Beyond these percentiles of the real events, the outermost bins take all there is.
RANGE = (0.1, 99.5)

#: Pairs of observables that are drawn, and images of each kind.
PAIRS, IMAGES = 3, 8

#: Shades, a factor of two in events from one to the next, or even steps of an image.
SHADES = 6


def distributions(
    real: np.ndarray, made: np.ndarray, names: Sequence[str], units: Sequence[str], folder: Path
) -> Path:
    """Draw every observable's distribution, real filled and made as a line.

    Parameters
    ----------
    real, made
        `(events, observables)`.
    names, units
        Of the observables.
    folder
        For `distributions.svg`.
    """
    drawn = min(len(names), PANELS)
    columns = min(drawn, 3)
    rows = -(-drawn // columns)
    with rc_context(STYLE):
        figure = Figure((3.3 * columns, 2.4 * rows + 0.4), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[drawn:]:
            axes.remove()
        for axes, one, other, name, unit in zip(
            grid.flat, real.T, made.T, names, units, strict=False
        ):
            edges = _edges(one, BINS)
            for values, fill in ((one, True), (other, False)):
                counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
                colour = COLOURS[0] if fill else COLOURS[1]
                label = "real" if fill else "made"
                axes.stairs(
                    counts, edges, fill=fill, color=colour, alpha=0.35 if fill else 1.0, label=label
                )
            axes.set(xlim=(edges[0], edges[-1]), yticks=[], xlabel=_label(name, unit))
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
        title = f"Distributions of {', '.join(names[:drawn])}, real and made"
        return write(figure, folder / "distributions.svg", title)


def pairs(
    real: np.ndarray, made: np.ndarray, names: Sequence[str], units: Sequence[str], folder: Path
) -> Path:
    """Draw the density of pairs of observables: real above, made below.

    The pairs are those that have most to do with one another.

    Parameters
    ----------
    real, made
        `(events, observables)`.
    names, units
        Of the observables.
    folder
        For `examples.svg`.
    """
    chosen = _related(real)
    with rc_context(STYLE):
        figure = Figure((3.1 * max(len(chosen), 1), 5.6), layout="constrained")
        grid = figure.subplots(2, max(len(chosen), 1), squeeze=False)
        for column, (first, second) in zip(grid.T, chosen, strict=False):
            edges = [_edges(real[:, k], CELLS) for k in (first, second)]
            for axes, events, kind in zip(column, (real, made), ("real", "made"), strict=True):
                counts, _, _ = np.histogram2d(events[:, first], events[:, second], edges)
                _density(axes, counts, edges)
                axes.set_title(kind, fontsize=10.5)
                axes.set_xlabel(_label(names[first], units[first]))
                axes.set_ylabel(_label(names[second], units[second]))
        return write(figure, folder / "examples.svg", "Pairs of observables, real and made")


def images(real: np.ndarray, made: np.ndarray, folder: Path) -> Path:
    """Draw the first images of each kind, channels summed; shades are of the same energies.

    Parameters
    ----------
    real, made
        `(events, height, width, channels)`.
    folder
        For `examples.svg`.
    """
    summed = [part[:IMAGES].sum(axis=-1, dtype=np.float64) for part in (real, made)]
    highest = np.percentile(summed[0].max(axis=(1, 2)), 75) or 1.0
    height, width = real.shape[1:3]
    with rc_context(STYLE):
        figure = Figure((1.15 * len(summed[0]), 2.9), layout="constrained")
        grid = figure.subplots(2, len(summed[0]), squeeze=False)
        for row, of_kind, kind in zip(grid, summed, ("real", "made"), strict=True):
            for axes, image in zip(row, of_kind, strict=True):
                shade = np.clip(np.ceil(image / highest * SHADES), 0, SHADES)
                _shaded(axes, shade.T, [np.arange(width + 1.0), np.arange(height + 1.0)])
                axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
                axes.tick_params(which="both", length=0)
            row[0].set_ylabel(kind)
        return write(figure, folder / "examples.svg", "Images, real and made")


def _related(real: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of observables of the largest rank correlations, none twice."""
    varying = [number for number, values in enumerate(real.T) if np.ptp(values) > 0]
    ranks = np.argsort(np.argsort(real[:, varying], axis=0), axis=0)
    if len(varying) < 2:
        return []
    related = np.abs(np.corrcoef(ranks, rowvar=False))
    first, second = np.triu_indices(len(varying), 1)
    best = np.argsort(-related[first, second], kind="stable")[:PAIRS]
    return [(varying[first[k]], varying[second[k]]) for k in best]


def _edges(real: np.ndarray, bins: int) -> np.ndarray:
    low, high = np.percentile(real, RANGE)
    if low == high:
        low, high = low - 0.5, high + 0.5
    if np.array_equal(real, np.round(real)):  # bins of whole numbers hold as many of them each
        step = max(int(np.ceil((high - low) / bins)), 1)
        return np.arange(np.floor(low), high + step + 1, step) - 0.5
    return np.linspace(low, high, bins + 1)


def _density(axes: Axes, counts: np.ndarray, edges: Sequence[np.ndarray]) -> None:
    highest = max(counts.max(), 1.0)
    shade = np.ceil(np.log2(np.maximum(counts, 1e-300) / highest)) + SHADES
    _shaded(axes, np.where(counts > 0, np.clip(shade, 1, SHADES), 0), edges)
    axes.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])


def _shaded(axes: Axes, shade: np.ndarray, edges: Sequence[np.ndarray]) -> None:
    """Fill cells `(x, y)` of each shade with one outline."""
    for number in range(1, SHADES + 1):
        cells = merged(shade == number, *edges)
        if len(cells):
            alpha = 0.15 + 0.85 * (number - 1) / (SHADES - 1)
            axes.add_patch(PathPatch(cells, facecolor=INK, linewidth=0, alpha=alpha))


def _label(name: str, unit: str) -> str:
    return literal(name) + ("" if unit == "1" else f" [{literal(unit)}]")
