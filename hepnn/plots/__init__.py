"""The pictures of a run; in `hepnn.plots.regression` those of one task, in `.data` a dataset's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator, NullFormatter

from hepnn.plots.style import (
    BAD,
    COLOURS,
    GOOD,
    INK,
    STYLE,
    colour_of,
    dash_of,
    literal,
    short,
    write,
)


def learning_curves(history: Mapping[str, Sequence[float]], path: Path) -> Path:
    """Draw what was followed in training over the epochs, a panel for each quantity.

    Parameters
    ----------
    history
        Columns by name: `loss`, `accuracy`, `iou` and `mae`, of the validation events with `val_`
        before them, `sparsity`, `ebops`, `beta`, `learning_rate`, `gradient_norm`, as far as
        they exist; `epoch` numbers the rows.
    path
        The SVG file to write.
    """
    columns = {name: np.asarray(values, np.float64) for name, values in history.items()}
    panels = [
        ("loss", [("loss", "training"), ("val_loss", "validation")], "linear"),
        ("accuracy", [("accuracy", "training"), ("val_accuracy", "validation")], "linear"),
        ("IoU", [("iou", "training"), ("val_iou", "validation")], "linear"),
        (
            "discriminator's loss",
            [("discriminator_loss", "training"), ("val_discriminator_loss", "validation")],
            "linear",
        ),
        ("distance to real events", [("val_distance", "")], "log"),
        ("coverage", [("val_coverage", "")], "linear"),
        ("mean absolute error", [("mae", "training"), ("val_mae", "validation")], "linear"),
        (
            "reconstruction error",
            [("reconstruction", "training"), ("val_reconstruction", "validation")],
            "linear",
        ),
        ("KL divergence a feature", [("kl", "training"), ("val_kl", "validation")], "linear"),
        ("sparsity", [("sparsity", "")], "linear"),
        ("EBOPs", [("ebops", "")], "log"),
        ("EBOPs' weight $\\beta$", [("beta", "")], "log"),
        ("learning rate", [("learning_rate", "")], "log"),
        ("gradient norm before clipping", [("gradient_norm", "")], "log"),
    ]
    drawn = [p for p in panels if any(_has(columns, name) for name, _ in p[1])] or panels[:1]
    length = max((len(values) for values in columns.values()), default=0)
    epochs = columns.get("epoch", np.arange(1, length + 1))
    with rc_context(STYLE):
        columns_of_panels = min(len(drawn), 3)
        rows = -(-len(drawn) // columns_of_panels)
        figure = Figure((3.1 * columns_of_panels, 2.3 * rows), layout="constrained")
        grid = figure.subplots(rows, columns_of_panels, squeeze=False)
        for axes in grid.flat[len(drawn) :]:
            axes.remove()
        for axes, (label, series, scale) in zip(grid.flat, drawn, strict=False):
            _panel(axes, epochs, columns, series, scale)
            axes.set_ylabel(label)
            axes.set_xlabel("epoch")
        return write(figure, path, "Learning curves: " + ", ".join(p[0] for p in drawn))


def confusion(matrix: np.ndarray, classes: Sequence[str], path: Path) -> Path:
    """Draw which class is taken for which, as percentages of the true class.

    Parameters
    ----------
    matrix
        Events `(classes, classes)`, or sums of weights: true class in rows, decision in columns.
    classes
        Names of the classes.
    path
        The SVG file to write.
    """
    counts = np.asarray(matrix, np.float64)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    number = len(classes)
    with rc_context(STYLE):
        side = 1.0 + max(0.52 * number, 3.1)
        figure = Figure((side + 0.3, side), layout="constrained")
        axes = figure.subplots()
        axes.set(xlim=(-0.5, number - 0.5), ylim=(number - 0.5, -0.5), aspect="equal")
        for row, column in np.ndindex(counts.shape):
            _cell(axes, row, column, float(share[row, column]))
        names = [literal(name) for name in classes]
        axes.set_xticks(range(number), names, rotation=0 if short(classes, 4) else 40)
        axes.set_yticks(range(number), names)
        axes.tick_params(which="both", length=0)
        axes.set(xlabel="decided as, % of the true class", ylabel="true class")
        return write(figure, path, f"Confusion of {', '.join(classes)}, % of the true class")


def roc(
    curves: Mapping[str, Mapping[str, Any]],
    path: Path,
    working_points: Sequence[float] = (0.1, 0.01, 0.001),
) -> Path:
    """Draw background efficiency over signal efficiency, each class against all others.

    Parameters
    ----------
    curves
        By class: `signal` and `background`, efficiencies `(points,)` from tight to loose, and
        `auc`.
    path
        The SVG file to write.
    working_points
        Background efficiencies that are marked.
    """
    floor = min((*working_points, 1e-3)) / 3
    with rc_context(STYLE):
        figure = Figure((5.2, 4.6), layout="constrained")
        axes = figure.subplots()
        for point in working_points:
            axes.axhline(point, color=INK, alpha=0.35, linewidth=0.8, linestyle=(0, (1, 2)))
        for number, (name, curve) in enumerate(curves.items()):
            signal = np.asarray(curve["signal"], np.float64)
            background = np.asarray(curve["background"], np.float64)
            style: Any = {"color": colour_of(number), "zorder": 3}
            label = f"{literal(name)}   {curve['auc']:.4f}"
            thinned = _thin(signal, background, floor)
            axes.plot(*thinned, label=label, linestyle=dash_of(number), **style)
            for point in working_points:
                index = int(np.searchsorted(background, point + 1e-12, side="right")) - 1
                if index > 0:
                    axes.plot(signal[index], point, "o", markersize=4, **style)
        axes.set(xlim=(0, 1), ylim=(floor, 1), yscale="log")
        axes.set(xlabel="signal efficiency", ylabel="background efficiency")
        if curves:
            columns = 1 if len(curves) <= 6 else 2
            legend = axes.legend(title="AUC", loc="upper left", ncols=columns, handlelength=2)
            legend.get_title().set_fontweight("bold")
        return write(figure, path, f"ROC curves of {', '.join(curves)}, each against the others")


def overview(run_summary: Mapping[str, Any], path: Path) -> Path:
    """Draw the whole run in one picture: the stages, and below them what ships the same bits.

    Parameters
    ----------
    run_summary
        As `hepnn.report.summary` makes it. `stages`: list of `name`, `accuracy` (or None),
        `headline`, said where there is no accuracy, and `detail`. `stage`: the one shipped.
        `events`: how many were compared. `reference`: lines under the reference. `artefacts`:
        list of `title`, `events`, `mismatches`, `result` (one line), `exact` (equal bits are
        owed), `good` and `cost` (short lines).
    path
        The SVG file to write.
    """
    width, height = 675.0, 232.0
    with rc_context(STYLE):
        figure = Figure((width / 72, height / 72))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.axis("off")
        stages = list(run_summary["stages"])
        shipped = run_summary.get("stage")
        for left, wide, stage in _columns(stages, width, 26):
            _stage_box(axes, left, height - 56, wide, stage, stage["name"] == shipped)
            if stage is not stages[-1]:
                _arrow(axes, (left + wide + 4, height - 29), (left + wide + 22, height - 29))
        artefacts = list(run_summary["artefacts"])
        reference = {"title": "Keras", "cost": run_summary.get("reference", [])}
        boxes = list(_columns([reference, *artefacts], width, 14))
        bus = 146.0
        for left, wide, box in boxes:
            _artefact_box(axes, left, wide, box, reference=box is reference)
            middle = left + wide / 2
            axes.plot([middle, middle], [bus, 124], color=INK, linewidth=1.1, alpha=0.6)
            if box is not reference:
                _badge(axes, middle, (bus + 124) / 2, box)
        if artefacts:
            ends = [left + wide / 2 for left, wide, _ in (boxes[0], boxes[-1])]
            axes.plot(ends, [bus, bus], color=INK, linewidth=1.1, alpha=0.6)
            text = f"{shipped} stage, the same {run_summary['events']:,} events through each"
        else:
            text = "nothing shipped and compared yet"
        axes.text(width / 2, bus + 7, text, size=9.5, ha="center", va="bottom")
        told = "; ".join(f"{box['title']}: {box['result']}" for box in artefacts)
        return write(figure, path, f"From training to firmware. {told or text}")


def _has(columns: Mapping[str, np.ndarray], name: str) -> bool:
    return name in columns and bool(np.isfinite(columns[name]).any())


def _panel(
    axes: Axes,
    epochs: np.ndarray,
    columns: Mapping[str, np.ndarray],
    series: Sequence[tuple[str, str]],
    scale: str,
) -> None:
    known = [(name, label) for name, label in series if _has(columns, name)]
    marker = "o" if len(epochs) == 1 else ""
    lowest, highest = np.inf, 0.0
    for number, (name, label) in enumerate(known):
        values = columns[name]
        axes.plot(
            epochs[: len(values)], values, marker=marker, color=colour_of(number), label=label
        )
        finite = values[np.isfinite(values)]
        lowest, highest = min(lowest, finite.min()), max(highest, finite.max())
    # Within a decade or so, a logarithmic axis has too few labels to be read.
    if scale == "log" and 0 < 30 * lowest < highest:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.ticklabel_format(axis="y", scilimits=(-3, 4), useMathText=True)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if len(known) > 1:
        axes.legend(fontsize=9)


def _cell(axes: Axes, row: int, column: int, share: float) -> None:
    colour = "#1f5fbf"
    # Anchored at the edges, so that no seam shows between the cells of a dark page.
    corner = (column - 0.47, row - 0.47)
    axes.add_patch(FancyBboxPatch(corner, 0.94, 0.94, boxstyle="square,pad=0", fc=colour, lw=0,
                                  alpha=max(share, 0.03)))  # fmt: skip
    percent = 100 * share
    text = f"{percent:.0f}" if percent >= 9.95 or percent == 0 else f"{percent:.1f}"
    ink = "white" if share > 0.8 else INK
    weight = "bold" if row == column else "normal"
    axes.text(column, row, text, ha="center", va="center", size=9.5, color=ink, weight=weight)


def _thin(signal: np.ndarray, background: np.ndarray, floor: float) -> tuple[Any, Any]:
    """Keep the points that are apart on the page; a curve of a million events has few."""
    visible = np.log10(np.maximum(background, floor / 10))
    cells = np.stack([np.round(signal * 400), np.round(visible * 120)])
    moved = np.any(np.diff(cells, axis=1) != 0, axis=0)
    keep = np.concatenate([[True], moved]) | (np.arange(len(signal)) == len(signal) - 1)
    return signal[keep], np.maximum(background, floor / 10)[keep]


def _columns(items: Sequence[Any], width: float, gap: float) -> list[tuple[float, float, Any]]:
    """Divide the width, a third at most to each item: its left edge and its width."""
    wide = min((width - 4 - gap * (len(items) - 1)) / max(len(items), 1), width / 3)
    left = (width - len(items) * (wide + gap) + gap) / 2
    return [(left + number * (wide + gap), wide, item) for number, item in enumerate(items)]


def _box(
    axes: Axes, left: float, low: float, wide: float, high: float, colour: str, fill: float
) -> None:
    for face, edge, line in ((colour, "none", 0.0), ("none", colour, 1.2)):
        axes.add_patch(
            FancyBboxPatch(
                (left + 1, low + 1),
                wide - 2,
                high - 2,
                boxstyle="round,pad=0,rounding_size=6",
                facecolor=face,
                edgecolor=edge,
                linewidth=line,
                alpha=fill if line == 0 else 1,
            )
        )


def _fitted(
    axes: Axes, where: tuple[float, float], text: str, size: float, room: float, **how: Any
) -> None:
    """Write a line, smaller where it would leave its box."""
    shown = literal(text)
    wide = TextPath((0, 0), shown, size=size).get_extents().width if text.strip() else 0
    axes.text(*where, shown, size=size * min(1, room / max(wide * 1.04, 1)), **how)


def _stage_box(
    axes: Axes, left: float, low: float, wide: float, stage: Mapping[str, Any], shipped: bool
) -> None:
    _box(axes, left, low, wide, 54, COLOURS[0] if shipped else INK, 0.14 if shipped else 0.05)
    room = wide - 24
    bold: Any = {"weight": "bold", "va": "center"}
    accuracy, headline = stage.get("accuracy"), stage.get("headline")
    first, last = (41, 11) if accuracy is None and headline else (34, 14)
    _fitted(axes, (left + 12, low + first), stage["name"], 12, room * 0.55, **bold)
    if accuracy is not None:
        right = (left + wide - 12, low + first)
        _fitted(axes, right, f"{100 * accuracy:.1f} %", 13, room * 0.45, ha="right", **bold)
    elif headline:  # as long as a line
        _fitted(axes, (left + 12, low + 25.5), headline, 10, room, **bold)
    detail = (left + 12, low + last)
    _fitted(axes, detail, stage.get("detail", ""), 9, room, va="center", alpha=0.85)


def _artefact_box(
    axes: Axes, left: float, wide: float, box: Mapping[str, Any], reference: bool
) -> None:
    low, high = 2.0, 122.0
    state = COLOURS[0] if reference else GOOD if box["good"] else BAD
    _box(axes, left, low, wide, high, state, 0.1)
    middle, room = left + wide / 2, wide - 14
    style: Any = {"ha": "center", "va": "center"}
    _fitted(axes, (middle, low + high - 18), box["title"], 12, room, weight="bold", **style)
    first, second = (middle, low + high - 38), (middle, low + high - 52)
    if reference:
        _fitted(axes, first, "the reference", 9.5, room, **style)
    else:
        agreeing = f"{box['events'] - box['mismatches']:,} of {box['events']:,} events:"
        _fitted(axes, first, agreeing, 9.5, room, **style)
        _fitted(axes, second, box["result"], 9.5, room, weight="bold", color=state, **style)
    for number, line in enumerate(box["cost"][:3]):
        _fitted(axes, (middle, low + 43 - 14 * number), line, 9.5, room, alpha=0.85, **style)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=arrow)


def _badge(axes: Axes, x: float, y: float, box: Mapping[str, Any]) -> None:
    colour = GOOD if box["good"] else BAD
    sign = "≠" if not box["good"] else "=" if box.get("exact", True) else "≈"
    axes.add_patch(Circle((x, y), 7.5, facecolor=colour, linewidth=0, zorder=4))
    style: dict[str, Any] = {"family": "DejaVu Sans", "weight": "bold", "color": "white"}
    axes.text(x, y, sign, size=11, ha="center", va="center_baseline", zorder=5, **style)
