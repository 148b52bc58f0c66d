"""Settings as points: what each reaches and costs over its seeds, and which none beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hepnn.errors import RecipeError, nearest
from hepnn.search import figures


def point(
    setting: Mapping[str, Any], found: Sequence[Mapping[str, Any]], objectives: Sequence[str]
) -> dict[str, Any]:
    """Return a setting as a point.

    Parameters
    ----------
    setting
        Values by dotted key.
    found
        Figures of its runs, one a seed (`hepnn.search.figures.of_run`).
    objectives
        Names of figures and costs.

    Returns
    -------
    dict
        `set`, `stage`, `runs`; `values` and `spreads`: of each objective the mean and, of several
        seeds, the standard deviation.

    Raises
    ------
    RecipeError
        If a figure or a cost is not known of it.
    """
    values: dict[str, float] = {}
    spreads: dict[str, float | None] = {}
    for name in objectives:
        each = [_value(one, name, setting) for one in found]
        values[name] = float(np.mean(each))
        spreads[name] = float(np.std(each, ddof=1)) if len(each) > 1 else None
    return {
        "set": dict(setting),
        "stage": found[0]["stage"],
        "values": values,
        "spreads": spreads,
        "runs": [one["run"] for one in found],
    }


def _value(found: Mapping[str, Any], name: str, setting: Mapping[str, Any]) -> float:
    if name not in figures.COSTS:
        return figures.figure(found["metrics"], name)
    if (cost := found["costs"].get(name)) is None:
        known = [key for key, value in found["costs"].items() if value is not None]
        raise RecipeError(f"cost {name} is not known of {words(setting)}; {nearest('', known)}")
    return float(cost)


def mark_front(rows: Sequence[dict[str, Any]], objectives: Sequence[str]) -> None:
    """Set `front` of each point: whether no other is as good in everything and better in one."""
    signs = [-1.0 if figures.less_is_better(name) else 1.0 for name in objectives]

    def good(row: Mapping[str, Any]) -> np.ndarray:
        return np.array([row["values"][name] for name in objectives]) * signs

    all_good = [good(row) for row in rows]
    for row, mine in zip(rows, all_good, strict=True):
        row["front"] = not any((its >= mine).all() and (its > mine).any() for its in all_good)


def against(rows: Sequence[Mapping[str, Any]], metric: str, cost: str) -> dict[str, Any]:
    """Return points as one figure against another: what `hepnn.plots.front` draws.

    Returns
    -------
    dict
        `metric`, `less_is_better`, `cost`, `cost_is`, `less_cost_is_better`, and `points`: of each
        its `metric` and `cost`, their spreads, and whether it is on the `front` of the two.
    """
    marked = [dict(row) for row in rows]
    mark_front(marked, (metric, cost))
    drawn = [
        {
            **{key: row[key] for key in ("trial", "set", "stage") if key in row},
            "metric": row["values"][metric],
            "metric_spread": row["spreads"][metric],
            "cost": row["values"][cost],
            "cost_spread": row["spreads"][cost],
            "runs": row["runs"],
            "front": row["front"],
        }
        for row in marked
    ]
    return {
        "metric": metric,
        "less_is_better": figures.less_is_better(metric),
        "cost": cost,
        "cost_is": figures.COSTS.get(cost, cost),
        "less_cost_is_better": figures.less_is_better(cost),
        "on": "validation",
        "points": drawn,
    }


def words(setting: Mapping[str, Any]) -> str:
    """Say a setting in one line."""
    return ", ".join(f"{key}={_short(value)}" for key, value in setting.items())


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
