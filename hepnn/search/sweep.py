"""A sweep over compression: many settings, several seeds, the front of cost against physics.

The float stage is trained once a seed. Every setting goes on from it in a run of its own, which
can be deployed, resumed and evaluated as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepnn import console, files, pipeline, series
from hepnn.errors import RecipeError
from hepnn.search import figures, points, rehearsal
from hepnn.search.space import combinations

#: Where a sweep's result lies, beside its runs.
RESULT, PICTURE = "sweep.json", "front.svg"


def sweep(
    recipe: str | Path | dict[str, Any],
    settings: Mapping[str, Sequence[Any]],
    *,
    overrides: dict[str, Any] | None = None,
    seeds: Sequence[int] = (),
    metric: str | None = None,
    cost: str = "luts",
    folder: Path,
) -> dict[str, Any]:
    """Train every combination of settings, and return what each costs and reaches.

    A sweep that was killed goes on where it was.

    Parameters
    ----------
    recipe, overrides
        As of `pipeline.train`; the recipe has compression steps.
    settings
        Values by dotted key: `{"compress.prune.sparsity": [0.5, 0.75]}`.
    seeds
        Each is a training of its own; the recipe's by default.
    metric
        A figure of the task's `evaluate`, by dotted key (`efficiency_at_background.0.01.top`); of
        one that every class or target has, the mean. By default the first of `accuracy`, `auc`,
        `mean_iou`, `rmse` and `loss` that the task has.
    cost
        Of `hepnn.search.figures.COSTS`.
    folder
        Where the runs and the result go.

    Returns
    -------
    dict
        `metric`, `cost`, and `points`: of each setting its `set`, `stage`, mean and standard
        deviation of metric and cost over the seeds, `runs`, and whether it is on the `front`.

    Raises
    ------
    RecipeError
        If there is nothing to sweep over, or a key, the metric or the cost is unknown.
    HepnnError
        As `pipeline.train`.
    """
    if not settings or not all(settings.values()):
        raise RecipeError("nothing to sweep over: --sweep compress.prune.sparsity=[0.5,0.75]")
    chosen = combinations(settings)
    base = {**(overrides or {}), "targets": [], "search": {}}
    seeds = seeds or [pipeline.load(recipe, base).seed]
    series.insist_on_distinct("seed", seeds)
    for key, values in settings.items():
        series.insist_on_distinct(f"{key}: value", values)
    wanted = [pipeline.load(recipe, {**base, **setting}) for setting in chosen]
    for one in wanted:  # before anything is trained
        if not one.compress:
            raise RecipeError("the recipe has no compression steps to sweep over")
        figures.insist_on_costs([cost], one)
    pipeline.survey(wanted[0], folder)
    reached = rehearsal.metrics(wanted[0])
    metric = metric or figures.usual(reached)
    figures.insist_on_metrics([metric], reached)
    folder.mkdir(parents=True, exist_ok=True)
    with files.alone(folder):
        found = _trained(recipe, base, chosen, seeds, cost, folder)
        document = result(list(zip(chosen, found, strict=True)), metric, cost)
        files.write_json(folder / RESULT, document)
        from hepnn.plots import front

        front.draw(document, folder / PICTURE)
    return document


def _trained(
    recipe: str | Path | dict[str, Any],
    base: dict[str, Any],
    chosen: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    cost: str,
    folder: Path,
) -> list[list[dict[str, Any]]]:
    """Return the figures of each setting's runs, trained now or before."""
    starts = {
        seed: series.finish(series.of_float(recipe, {**base, "seed": seed}, folder))
        for seed in seeds
    }
    found = []
    for number, setting in enumerate(chosen, 1):
        console.say(f"setting {number} of {len(chosen)}: {points.words(setting)}")
        each = []
        for seed in seeds:
            wanted = pipeline.load(recipe, {**base, **setting, "seed": seed})
            run = series.begin(wanted, folder, f"setting{number}-seed{seed}", starts[seed])
            each.append(figures.of_run(series.finish(run), [cost]))
        found.append(each)
    return found


def result(
    found: Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]],
    metric: str,
    cost: str,
) -> dict[str, Any]:
    """Return the document of a sweep, from the figures of each setting's runs."""
    rows = [points.point(setting, each, (metric, cost)) for setting, each in found]
    return points.against(rows, metric, cost)
