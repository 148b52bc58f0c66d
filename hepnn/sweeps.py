"""A sweep over compression: many settings, several seeds, the front of cost against physics.

The float stage is trained once a seed. Every setting goes on from it in a run of its own, which
can be deployed, resumed and evaluated as any other. Settings are compared on the validation
events; the test events are left to whoever chose one.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files, pipeline
from hepnn.errors import RecipeError, nearest
from hepnn.recipe import Recipe
from hepnn.run import Run, create, open_run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings

#: What a setting costs, and what that is.
COSTS = {
    "luts": "LUTs, alkaid's model",
    "ebops": "effective bit operations",
    "clocks": "clocks of the pipeline",
    "weights": "weights that are not zero",
}

#: Figures of which less is better.
LESS = ("loss", "rmse", "mae", "error", "distance", "resolution")

#: Where a sweep's result lies, beside its runs.
RESULT, PICTURE = "sweep.json", "front.svg"


def sweep(
    recipe: str | Path | dict[str, Any],
    settings: Mapping[str, Sequence[Any]],
    *,
    overrides: dict[str, Any] | None = None,
    seeds: Sequence[int] = (1,),
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
        Each is a training of its own.
    metric
        A figure of the task's `evaluate`, by dotted key (`efficiency_at_background.0.01.top`); of
        one that every class or target has, the mean. By default the first of `accuracy`, `auc`,
        `mean_iou`, `rmse` and `loss` that the task has.
    cost
        Of `COSTS`.
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
    if cost not in COSTS:
        raise RecipeError(f"unknown cost {cost!r}; {nearest(cost, COSTS)}")
    if not settings or not all(settings.values()):
        raise RecipeError("nothing to sweep over: --sweep compress.prune.sparsity=[0.5,0.75]")
    chosen = [
        dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())
    ]
    base = {**(overrides or {}), "targets": []}
    for setting in chosen:  # before anything is trained
        if not pipeline.load(recipe, {**base, **setting}).compress:
            raise RecipeError("the recipe has no compression steps to sweep over")
    points = []
    starts = {seed: _float(recipe, {**base, "seed": seed}, folder) for seed in seeds}
    for number, setting in enumerate(chosen):
        console.say(f"setting {number + 1} of {len(chosen)}: {_words(setting)}")
        found = [
            _point(pipeline.load(recipe, {**base, **setting, "seed": seed}), starts[seed], number)
            for seed in seeds
        ]
        points.append((setting, found))
    document = _document(points, metric, cost)
    files.write_json(folder / RESULT, document)
    from hepnn.plots import front

    front.draw(document, folder / PICTURE)
    return document


def _float(recipe: Any, overrides: dict[str, Any], folder: Path) -> Run:
    """Return the run that has a seed's float stage, trained now or before."""
    name = f"float-seed{overrides['seed']}"
    wanted = pipeline.load(recipe, {**overrides, "compress": []})
    if (folder / name / "manifest.json").exists():
        run = open_run(folder / name)
        _insist_on_same(run, wanted)
        return run if "float" in run.stages else pipeline.resume(run)
    return pipeline.train(wanted, runs=folder, name=name)


def _point(wanted: Recipe, start: Run, number: int) -> dict[str, Any]:
    """Train one setting with one seed, and return its figures."""
    name = f"setting{number + 1}-seed{wanted.seed}"
    folder = start.path.parent
    if (folder / name / "manifest.json").exists():
        run = open_run(folder / name)
        _insist_on_same(run, wanted)
    else:
        run = create(wanted, folder, name)
    if not run.stages:
        for part in ("data", "stages"):
            shutil.copytree(start.path / part, run.path / part, dirs_exist_ok=True)
        kept = start.manifest["stages"]["float"]
        run.record(data=start.manifest["data"], stages={"float": kept})
    if set(run.stages) != set(wanted.stages):
        run = pipeline.resume(run)
    path = run.path / "sweep.json"
    if not path.exists():
        files.write_json(path, {"stage": run.stages[-1], **_figures(run), "run": run.name})
    return dict(files.read_json(path))


def _insist_on_same(run: Run, wanted: Recipe) -> None:
    if run.recipe != wanted:
        raise RecipeError(f"{run} is of another sweep: give another --out")


def _figures(run: Run) -> dict[str, Any]:
    """Return the validation figures of a run's last stage, and what it costs."""
    console.import_tensorflow()
    from hepnn.compress import prune, quantize
    from hepnn.training import network

    stage = run.stages[-1]
    model = network.of_run(run, stage)
    events, task = run.events("validation"), get_task(run.recipe.task)
    outputs = network.predict(model, events.x)
    metrics = task.evaluate(outputs, events, run.classes, run.recipe.seed, scalings.of(run))
    zero = prune.sparsity(model)["total"]
    costs: dict[str, float | None] = {"weights": round(network.parameters(model) * (1 - zero))}
    if quantize.bits(model):
        costs["ebops"] = quantize.ebops(model)
        costs |= _firmware(model)
    return {"metrics": metrics, "costs": costs}


def _firmware(model: Any) -> dict[str, float | None]:
    """Return cells and clocks as alkaid estimates them; None where it does not take the model."""
    import tempfile

    from hepnn.errors import TargetError
    from hepnn.targets import kit as kits
    from hepnn.targets.rtl import project, trace

    try:
        traced = trace.trace_network(model)
    except TargetError as error:
        console.say(f"no estimate of LUTs: {error}")
        return {"luts": None, "clocks": None}
    with tempfile.TemporaryDirectory() as name:
        written = project.write(traced.comb, Path(name), "verilog", kits.of("rtl"))
    return {"luts": written["alkaid"]["lut"], "clocks": written["latency_clocks"]}


def _document(
    points: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], metric: str | None, cost: str
) -> dict[str, Any]:
    name = metric or _usual(points[0][1][0]["metrics"])
    rows: list[dict[str, Any]] = []
    for setting, found in points:
        reached = [_figure(one["metrics"], name) for one in found]
        spent = [one["costs"].get(cost) for one in found]
        if any(value is None for value in spent):
            known = [key for key, value in found[0]["costs"].items() if value is not None]
            raise RecipeError(
                f"cost {cost} is not known of {_words(setting)}; {nearest('', known)}"
            )
        rows.append(
            {
                "set": setting,
                "stage": found[0]["stage"],
                "metric": float(np.mean(reached)),
                "metric_spread": float(np.std(reached, ddof=1)) if len(reached) > 1 else None,
                "cost": float(np.mean(spent)),
                "cost_spread": float(np.std(spent, ddof=1)) if len(spent) > 1 else None,
                "runs": [one["run"] for one in found],
            }
        )
    less = name.split(".")[0] in LESS
    for row in rows:
        row["front"] = not any(_better(other, row, less) for other in rows)
    return {
        "metric": name,
        "less_is_better": less,
        "cost": cost,
        "cost_is": COSTS[cost],
        "on": "validation",
        "points": rows,
    }


def _better(one: Mapping[str, Any], other: Mapping[str, Any], less: bool) -> bool:
    """Say whether a point is nowhere worse than another, and somewhere better."""
    sign = -1 if less else 1
    reached = sign * (one["metric"] - other["metric"])
    saved = other["cost"] - one["cost"]
    return reached >= 0 and saved >= 0 and (reached > 0 or saved > 0)


def _usual(metrics: Mapping[str, Any]) -> str:
    known = ("accuracy", "auc", "mean_iou", "rmse", "loss")
    return next(name for name in known if metrics.get(name) is not None)


def _figure(metrics: Mapping[str, Any], name: str) -> float:
    """Return a figure by its dotted key; a key may itself have dots, as `0.01` has."""
    here: Any = metrics
    rest = name
    while rest:
        if not isinstance(here, Mapping):
            raise RecipeError(f"metric {name!r}: {rest!r} is of no figure")
        keys = [key for key in here if rest == key or rest.startswith(f"{key}.")]
        if not keys:
            raise RecipeError(f"unknown metric {name!r}; {nearest(rest, here)}")
        key = max(keys, key=len)
        here, rest = here[key], rest[len(key) + 1 :]
    values = list(here.values()) if isinstance(here, Mapping) else [here]
    if not all(isinstance(value, int | float) for value in values):
        raise RecipeError(f"metric {name!r} is no number")
    return float(np.mean(values))


def _words(setting: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in setting.items())
