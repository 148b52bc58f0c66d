"""A recipe trained with many values of one key, several seeds each.

Every training is a run of its own, which can be deployed, resumed and evaluated as any other. A
curve that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files, pipeline, series
from hepnn.curves import decomposition, figures
from hepnn.curves.figures import Reached
from hepnn.errors import RecipeError
from hepnn.recipe import Curve, Recipe
from hepnn.run import Run, open_run

#: Where the result lies, beside the runs; and its pictures.
RESULT, PICTURE, BOUNDARIES = "curve.json", "curve.svg", "boundaries.svg"


def curve(
    recipe: str | Path | dict[str, Any],
    wanted: Curve | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    folder: Path,
) -> dict[str, Any]:
    """Train a recipe along a curve, draw it, and return its points.

    Parameters
    ----------
    recipe
        Short name, path or mapping.
    wanted
        Key, values and seeds; the recipe's `curve` by default.
    overrides
        As of `pipeline.train`.
    folder
        Where the runs and the result go.

    Returns
    -------
    dict
        `over`, `metric`, and `points`: of each value `parameters`, `train_events`, the mean and
        standard deviation over the seeds of `train`, `validation` and `test`, `bias2`,
        `variance` where the task has them, and `runs`.

    Raises
    ------
    RecipeError
        If the recipe has no curve, its key or a value is refused, or the folder is of another.
    HepnnError
        As `pipeline.train`.
    """
    base = {**(overrides or {}), "targets": [], "curve": None}
    wanted = wanted or pipeline.load(recipe, dict(overrides or {})).curve
    if wanted is None:
        raise RecipeError("the recipe has no curve: give --over train_limit=[100,300,1000]")
    if wanted.over in ("seed", "curve") or wanted.over.startswith("curve."):
        raise RecipeError(f"a curve over {wanted.over} is none: its seeds are `seeds`")
    series.insist_on_distinct(f"{wanted.over}: value", wanted.values)
    series.insist_on_distinct("seed", wanted.seeds)
    chosen = [
        [pipeline.load(recipe, {**base, wanted.over: value, "seed": seed}) for seed in wanted.seeds]
        for value in wanted.values
    ]
    for recipes in chosen:  # all of them before anything is trained
        pipeline.survey(recipes[0], folder)
    folder.mkdir(parents=True, exist_ok=True)
    with files.alone(folder):
        return _drawn(wanted, chosen, folder)


def _drawn(wanted: Curve, chosen: Sequence[Sequence[Recipe]], folder: Path) -> dict[str, Any]:
    """Train the recipes of each value, now or before, and draw what they reach."""
    points = []
    for number, (value, recipes) in enumerate(zip(wanted.values, chosen, strict=True), 1):
        console.say(f"{wanted.over} {value}, {number} of {len(wanted.values)}")
        runs = [
            series.finish(series.begin(one, folder, f"value{number}-seed{one.seed}"))
            for one in recipes
        ]
        points.append(_point(value, [figures.of(run) for run in runs], runs))
    document = {
        "recipe": chosen[0][0].name,
        "over": wanted.over,
        "axis": wanted.axis,
        "metric": figures.metric_of(chosen[0][0]),
        "seeds": list(wanted.seeds),
        "points": points,
    }
    files.write_json(folder / RESULT, document)
    from hepnn.plots import boundaries, curve

    curve.draw(document, folder / PICTURE)
    maps = figures.maps([open_run(folder / point["runs"][0]) for point in points])
    if maps:
        titles = [f"{_short(value)}" for value in wanted.values]
        boundaries.draw(maps, titles, folder / BOUNDARIES)
    return document


def _point(value: Any, found: Sequence[Reached], runs: Sequence[Run]) -> dict[str, Any]:
    point: dict[str, Any] = {
        "value": value,
        "parameters": found[0].parameters,
        "train_events": found[0].train_events,
    }
    for split in ("train", "validation", "test"):
        values = [one.errors[split] for one in found]
        point[split] = float(np.mean(values))
        point[f"{split}_spread"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    answers = [one.answers for one in found if one.answers is not None]
    if len(answers) > 1 and found[0].truth is not None:
        parts = decomposition.of_squares(np.stack(answers), found[0].truth, found[0].weight)
        point |= {"squared_error": parts.error, "bias2": parts.bias2, "variance": parts.variance}
    return {**point, "runs": [run.name for run in runs]}


def _short(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
