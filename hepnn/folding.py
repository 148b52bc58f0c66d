"""Cross-validation: a run for each fold, what they reached, and one network made of them.

A fold's run is an ordinary one, whose test events are what its fold holds out: scaling, weights
and precisions come from the part that it is trained on. Out-of-fold figures are of those events,
each judged by the one network that has not seen it. The run's own test events are looked at
once, by what it ships.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files, preparation
from hepnn import recipe as recipes
from hepnn import run as runs_module
from hepnn.data import dataset as datasets
from hepnn.data import division, reading
from hepnn.data.division import Divided, Whole
from hepnn.errors import RecipeError
from hepnn.recipe import Recipe
from hepnn.run import FOLDS, Events, Run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings

#: Networks that are made into one, at most.
MEMBERS = 32


def check(recipe: Recipe, data: datasets.Dataset, streamed: bool) -> Whole | None:
    """See that a recipe's folds can be made; return the data that were read for that.

    Raises
    ------
    HepnnError
        If there are fewer events than folds, the data are streamed, or the networks of the
        folds cannot become one.
    """
    wanted = recipe.validation
    if wanted.by == "holdout":
        return None
    if streamed:
        raise RecipeError("validation: folds are of data in memory: set stream: never, or limit")
    known = reading.whole(data)
    count = _count(recipe, data, known)
    if wanted.fold is not None and wanted.fold > count:
        raise RecipeError(f"validation.fold: fold {wanted.fold} of {count}")
    if wanted.several and wanted.final == "ensemble":
        _insist_on_ensemble(recipe, count)
    return known


def _insist_on_ensemble(recipe: Recipe, count: int) -> None:
    instead = "set validation.final: retrained"
    if count > MEMBERS:
        raise RecipeError(f"validation: an ensemble of {count} networks; {instead}")
    task = get_task(recipe.task)
    if task.FROM_NOISE:
        raise RecipeError(
            f"validation: task {recipe.task.name} has no ensemble, the mean of made events is no "
            f"event; {instead}"
        )
    fixed_point = "quantized" in recipe.stages
    if fixed_point and task.SCALED is not None and count & (count - 1):
        raise RecipeError(
            f"validation.folds: the mean of {count} fixed-point outputs is not exact, and task "
            f"{recipe.task.name} needs more than their order; take 2, 4, 8, ... folds, or "
            f"{instead}"
        )


def _count(recipe: Recipe, data: datasets.Dataset, known: Whole) -> int:
    return division.folds_of(
        data, recipe.limit, recipe.train_limit, recipe.seed, recipe.validation, known
    )


def members(run: Run, data: datasets.Dataset, known: Whole | None) -> Iterator[tuple[Run, Divided]]:
    """Return the run of each fold, made now or before, and what it is trained on."""
    recipe = run.recipe
    if not recipe.validation.several:
        return
    known = known or reading.whole(data)
    count = _count(recipe, data, known)
    for number in range(1, count + 1):
        fold = recipe.validation.model_copy(update={"fold": number})
        wanted = recipe.model_copy(update={"validation": fold, "targets": []})
        name = f"fold{number}"
        if (run.path / FOLDS / name / "manifest.json").is_file():
            member = runs_module.open_run(run.path / FOLDS / name)
            if member.manifest["status"] != "trained":  # a resumed run may have other rates
                files.write_text(member.path / "recipe.yaml", recipes.dump(wanted))
        else:
            member = runs_module.create(wanted, run.path / FOLDS, name)
        console.say(f"fold {number} of {count}")
        yield member, preparation.divided_in_memory(wanted, data, known)


def judge(run: Run, folds: Sequence[Run]) -> dict[str, Any]:
    """Return, and write, what the folds' networks reached on what they had not seen.

    Returns
    -------
    dict
        `by`, `folds`, and of each stage `pooled`, the figures of all held-out events together
        with their bootstrap intervals; `mean` and `spread` (standard deviation) of the folds'
        own figures; and those figures, under `each`. Of folds of one event there is `pooled`
        alone.
    """
    wanted = run.recipe.validation
    document: dict[str, Any] = {
        "by": wanted.by,
        "folds": len(folds),
        "seed": wanted.seed,
        "runs": [f"{FOLDS}/{fold.name}" for fold in folds],
        "stages": {},
    }
    for stage in run.recipe.stages:
        pooled = _pooled(run, folds, stage)
        found: dict[str, Any] = {"pooled": pooled}
        if wanted.by != "leave-one-out":
            kept = [files.read_json(fold.stage(stage) / "metrics.json") for fold in folds]
            each = [figures(one, pooled) for one in kept]
            found |= {"mean": _over(each, np.mean), "spread": _over(each, _deviation)}
            found["each"] = each
        document["stages"][stage] = found
        headline = get_task(run.recipe.task).headline(pooled)
        console.say(f"{stage}, out of fold: {headline}")
    files.write_json(run.path / f"{FOLDS}.json", document)
    return document


def figures(metrics: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of metrics that a task's `evaluate` gives: no intervals, no lists."""
    found: dict[str, Any] = {}
    for key, value in metrics.items():
        if key not in known or key.endswith("_interval"):
            continue
        if isinstance(value, Mapping):
            if inner := figures(value, known[key]):
                found[key] = inner
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[key] = value
    return found


def join(
    run: Run, stage: str, folds: Sequence[Run]
) -> tuple[Any, dict[str, list[float]], dict[str, Any]]:
    """Return a stage's networks of all folds as one.

    Returns
    -------
    tuple
        The network; the history, the mean over the folds of the epochs that all of them have;
        and what the manifest says of the stage.
    """
    console.import_tensorflow()
    import keras

    from hepnn.compress import quantize
    from hepnn.training import ensemble, network

    keras.backend.clear_session()
    own, networks = scalings.of(run), [network.of_run(fold, stage) for fold in folds]
    shifts = [scalings.between(scalings.of(fold), own) for fold in folds]
    calibration = run.events("calibration").x
    model = ensemble.ensemble(networks, shifts, calibration, run.recipe.architecture.name)
    what = "logits" if get_task(run.recipe.task).SCALED is None else "outputs"
    over = ensemble.divisor(len(folds), exact=bool(quantize.bits(model)))
    of_folds = [fold.manifest["stages"][stage] for fold in folds]
    histories = [_history(fold.stage(stage) / "history.csv") for fold in folds]
    length = min(len(one["loss"]) for one in histories)
    common = {
        name: np.mean([one[name][:length] for one in histories], axis=0).tolist()
        for name in histories[0]
        if all(name in one for one in histories)
    }
    entry = {
        "vocabulary": of_folds[0]["vocabulary"],
        "engine": "ensemble",
        "engine_reason": f"{what} of {len(folds)} folds, summed and divided by {over:g}",
        "seconds": sum(one["seconds"] for one in of_folds),
        "epochs": length,
        "ensemble": {"members": len(folds), "of": what, "divided_by": over},
    }
    return model, common, entry


def _history(path: Path) -> dict[str, list[float]]:
    """Return the columns of a stage's history."""
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}


def _pooled(run: Run, folds: Sequence[Run], stage: str) -> dict[str, Any]:
    """Return the figures of all held-out events, in the run's own scaling."""
    from hepnn.training import network

    own, task = scalings.of(run), get_task(run.recipe.task)
    outputs, held = [], []
    for fold in folds:
        events = fold.events("test")
        answer = network.predict(network.of_run(fold, stage), events.x)
        shift = scalings.between(scalings.of(fold), own)
        if shift is not None:
            answer = (answer - shift["offset"]) * 2.0 ** -shift["exponent"]
        outputs.append(answer)
        held.append(events)
    together = Events(
        *(np.concatenate([getattr(one, name) for one in held]) for name in ("x", "y", "weight"))
    )
    joined = np.concatenate(outputs)
    return task.evaluate(joined, together, run.classes, run.recipe.seed, own)


def _over(each: Sequence[Mapping[str, Any]], measure: Any) -> dict[str, Any]:
    """Return a measure of every figure that all folds have."""
    found: dict[str, Any] = {}
    for key in each[0]:
        values = [one[key] for one in each if key in one]
        if len(values) < len(each) or key == "events":
            continue
        if isinstance(values[0], Mapping):
            found[key] = _over(values, measure)
        else:
            found[key] = float(measure(values))
    return found


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1))
