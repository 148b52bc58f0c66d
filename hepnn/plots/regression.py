"""The pictures of a regression: prediction against truth, and the residuals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import FuncFormatter, MaxNLocator

from hepnn.plots.style import COLOURS, INK, STYLE, literal, write

#: Targets that are drawn; of more, the first ones.
PANELS = 9

#: Bins of each axis of the density, and of the residuals: the root of the events, within bounds.
CELLS, BINS = (24, 40), (20, 60)

#: Shades of the density, a factor of two in events from one to the next.
SHADES = 6

#: Range of the residuals to both sides, in units of the resolution.
REACH = 5.0

#: Beyond these percentiles nothing is drawn of prediction against truth.
RANGE = (0.1, 99.9)

_COLOUR = "#1f5fbf"


@dataclass(frozen=True)
class Target:
    """One predicted quantity.

    Attributes
    ----------
    name, unit : str
        As axes say them; no unit is `1`.
    truth, prediction : np.ndarray
        `(events,)`.
    central : tuple of float
        Between which values the central 68.27 % of the residuals lie.
    """

    name: str
    unit: str
    truth: np.ndarray
    prediction: np.ndarray
    central: tuple[float, float]


def predictions(targets: Sequence[Target], weight: np.ndarray, path: Path) -> Path:
    """Draw the density of prediction against truth, a panel a target, with the diagonal.

    Parameters
    ----------
    targets
        What to draw.
    weight
        `(events,)`; negative ones are left out.
    path
        The SVG file to write.
    """
    return _panels(targets, path, (3.5, 3.3), "Prediction against truth", weight, _density)


def residuals(targets: Sequence[Target], weight: np.ndarray, path: Path) -> Path:
    """Draw the distribution of prediction minus truth, a panel a target.

    The band is the central 68.27 % of the residuals; half its width is the resolution. The
    outermost bins take all that lies beyond.

    Parameters
    ----------
    targets
        What to draw.
    weight
        `(events,)`; negative ones are left out.
    path
        The SVG file to write.
    """
    return _panels(targets, path, (3.5, 2.9), "Residuals", weight, _residuals)


def _panels(
    targets: Sequence[Target],
    path: Path,
    size: tuple[float, float],
    title: str,
    weight: np.ndarray,
    draw: Callable[[Axes, Target, np.ndarray], None],
) -> Path:
    drawn = list(targets)[:PANELS]
    columns = max(min(len(drawn), 3), 1)
    rows = max(-(-len(drawn) // columns), 1)
    with rc_context(STYLE):
        # One panel alone gets the width of a picture beside it on a page.
        wide, high = size if len(drawn) > 1 else (size[0] * 1.35, size[1] * 1.35)
        figure = Figure((wide * columns, high * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(drawn) :]:
            axes.remove()
        for axes, target in zip(grid.flat, drawn, strict=False):
            draw(axes, target, np.maximum(weight.astype(np.float64), 0.0))
        names = ", ".join(target.name for target in drawn)
        return write(figure, path, f"{title} of {names}")


def _density(axes: Axes, target: Target, weight: np.ndarray) -> None:
    low, high = np.percentile(np.concatenate([target.truth, target.prediction]), RANGE)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _bins(weight, CELLS) + 1)
    counts, _, _ = np.histogram2d(target.truth, target.prediction, (edges, edges), weights=weight)
    # The lowest shade holds whatever lies below, the highest the fullest cell.
    shade = np.ceil(np.log2(np.maximum(counts, 1e-300) / max(counts.max(), 1e-300))) + SHADES
    shade = np.where(counts > 0, np.clip(shade, 1, SHADES), 0)
    for number in range(1, SHADES + 1):
        cells = merged(shade == number, edges, edges)
        if len(cells):
            # Cells of a shade are one outline, so that a dark page shows no seam between them.
            alpha = 0.12 + 0.83 * (number - 1) / (SHADES - 1)
            axes.add_patch(PathPatch(cells, facecolor=_COLOUR, linewidth=0, alpha=alpha))
    axes.plot([low, high], [low, high], color=INK, linewidth=1, linestyle=(0, (4, 2)), zorder=3)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    power = _power(max(abs(low), abs(high)))
    axes.set(xlabel=_label("true", target, power), ylabel=_label("predicted", target, power))
    for axis in (axes.xaxis, axes.yaxis):
        _ticks(axis, power)


def merged(chosen: np.ndarray, across: np.ndarray, up: np.ndarray) -> Outline:
    """Return the outline of chosen cells `(x, y)`, those above one another as one rectangle.

    Parameters
    ----------
    chosen
        `(x, y)` bool.
    across, up
        Edges of the cells.
    """
    corners: list[list[tuple[float, float]]] = []
    for column, of_column in enumerate(chosen):
        steps = np.diff(np.concatenate([[0], of_column.astype(int), [0]]))
        for first, end in zip(np.flatnonzero(steps > 0), np.flatnonzero(steps < 0), strict=True):
            left, right, low, high = across[column], across[column + 1], up[first], up[end]
            corners.append([(left, low), (right, low), (right, high), (left, high), (left, low)])
    codes = [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY] * len(corners)
    return Outline(np.reshape(corners, (-1, 2)), codes)


def _residuals(axes: Axes, target: Target, weight: np.ndarray) -> None:
    low, high = target.central
    resolution = (high - low) / 2
    middle, reach = (low + high) / 2, REACH * resolution or 0.5
    edges = np.linspace(middle - reach, middle + reach, _bins(weight, BINS) + 1)
    inside = np.clip(target.prediction - target.truth, edges[0], edges[-1])
    counts, _ = np.histogram(inside, edges, weights=weight)
    axes.axvspan(low, high, color=COLOURS[1], alpha=0.2, linewidth=0)
    axes.axvline(0, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), alpha=0.8)
    axes.stairs(counts, edges, color=COLOURS[0], alpha=0.12, fill=True)
    axes.step(edges, np.append(counts, counts[-1]), where="post", color=COLOURS[0], zorder=3)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, 1.35 * max(counts.max(), 1e-300)))
    unit = "" if target.unit == "1" else f" {literal(target.unit)}"
    axes.text(
        0.03,
        0.95,
        f"resolution\n{resolution:.3g}{unit}",
        transform=axes.transAxes,
        va="top",
        weight="bold",
    )
    power = _power(np.abs(edges[[0, -1]]).max())
    counted = "events" if np.all(weight == 1) else "sum of weights"
    axes.set(xlabel=_label("predicted − true", target, power), ylabel=f"{counted} a bin")
    _ticks(axes.xaxis, power)
    _ticks(axes.yaxis, 0)


def _bins(weight: np.ndarray, bounds: tuple[int, int]) -> int:
    return int(np.clip(np.sqrt(len(weight)), *bounds))


def _label(of: str, target: Target, power: int) -> str:
    parts = [f"$10^{{{power}}}$"] if power else []
    parts += [] if target.unit == "1" else [literal(target.unit)]
    return f"{of} {literal(target.name)}" + (f" [{' '.join(parts)}]" if parts else "")


def _power(largest: float) -> int:
    """Return the power of ten that an axis is labelled in; it is said beside the unit."""
    power = int(np.floor(np.log10(largest)))
    return 0 if -3 <= power < 4 else power


def _ticks(axis: Axis, power: int) -> None:
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value / 10.0**power)))


def _plain(value: float) -> str:
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
