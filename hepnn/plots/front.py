"""What settings cost and reach: a point a setting, the front of those that none beats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from hepnn.plots.style import COLOURS, INK, STYLE, literal, write


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """Draw the points of a sweep or a search, each with its number.

    Parameters
    ----------
    document
        Of `hepnn.search.points.against`.
    path
        The SVG file to write.
    """
    points = sorted(document["points"], key=lambda point: point["cost"])
    with rc_context(STYLE):
        figure = Figure((6.0, 4.2), layout="constrained")
        axes = figure.subplots()
        for front, colour, label in ((False, INK, "beaten"), (True, COLOURS[0], "front")):
            chosen = [point for point in points if point["front"] == front]
            if not chosen:
                continue
            x, y = (np.array([point[key] for point in chosen]) for key in ("cost", "metric"))
            spreads = (
                np.array([point[f"{key}_spread"] or 0.0 for point in chosen])
                for key in ("cost", "metric")
            )
            style: dict[str, Any] = {"color": colour, "alpha": 1.0 if front else 0.45}
            x_error, y_error = spreads
            axes.errorbar(
                x, y, xerr=x_error, yerr=y_error, fmt="o", markersize=5, label=label, **style
            )
            if front:
                where: Any = "post" if document["less_cost_is_better"] else "pre"
                axes.step(x, y, where=where, linewidth=1.2, color=colour, alpha=0.6)
        for number, point in enumerate(document["points"], 1):
            axes.annotate(
                str(point.get("trial", number)),
                (point["cost"], point["metric"]),
                xytext=(5, 4),
                textcoords="offset points",
                fontsize=8,
            )
        costs = [point["cost"] for point in points]
        if min(costs) > 0 and max(costs) / min(costs) > 5:
            axes.set_xscale("log")
        axes.set_xlabel(document["cost_is"])
        axes.set_ylabel(literal(f"{document['metric']}, {document['on']} events"))
        if document["less_is_better"]:
            axes.invert_yaxis()
        if not document["less_cost_is_better"]:
            axes.invert_xaxis()
        axes.legend(loc="lower right")
        return write(figure, path, f"{document['metric']} against {document['cost_is']}")
