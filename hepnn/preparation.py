"""What a run trains on: a dataset opened, divided, scaled, seen as the task sees it, and kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn import run as runs_module
from hepnn.data import dataset as datasets
from hepnn.data import division, groups, on_disk, reading, statistics
from hepnn.data import scaling as scalings
from hepnn.data.card import Values
from hepnn.data.division import Divided
from hepnn.data.feed import Memory, Stream
from hepnn.errors import DataError, HepnnError, RecipeError, nearest
from hepnn.recipe import Recipe
from hepnn.run import Events, Run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as task_scaling

#: File of a run that has the scaling of its inputs.
SCALING = Path("data", "scaling.npz")


def open_data(recipe: Recipe) -> datasets.Dataset:
    """Open a recipe's dataset, and see that its labels are what the task predicts.

    Raises
    ------
    HepnnError
        If the dataset, a feature or an expression is unknown, or a file is missing or damaged.
    """
    data = datasets.open_dataset(recipe.dataset, recipe.inputs, recipe.splits)
    wanted = get_task(recipe.task).LABELS
    if wanted is not None and data.card.labels.kind != wanted:
        raise RecipeError(
            f"task {recipe.task.name} predicts {wanted}; dataset {data.name} has labels of kind "
            f"{data.card.labels.kind}"
        )
    for name in getattr(recipe.task, "background", None) or ():
        if name not in data.classes:
            raise RecipeError(f"task.background: no class {name!r}; {nearest(name, data.classes)}")
    return data


def streams(recipe: Recipe, data: datasets.Dataset) -> bool:
    """Say whether a recipe trains from disk: where it says so, or its data are large.

    Raises
    ------
    RecipeError
        If it does, and wants a part of the training events alone.
    """
    large = data.nbytes > datasets.MEMORY_LIMIT
    streamed = recipe.stream == "always" or recipe.stream == "auto" and large
    if streamed and recipe.train_limit is not None:
        raise RecipeError("train_limit: events are drawn in memory: set stream: never")
    return streamed


def prepare(run: Run, data: datasets.Dataset, parts: Divided | None) -> Divided:
    """Divide and scale a run's data, keep what later commands need, and return what it trains on.

    Parameters
    ----------
    parts
        The data, where they are divided already.

    Raises
    ------
    HepnnError
        If the data are not those that the run was started on, or the task cannot be learned
        from them.
    """
    parts = parts or _divided(run, data)
    if get_task(run.recipe.task).LABELS == "classes":
        _insist_on_two_classes(data, parts)
    _keep_scaling(run, data, parts)
    parts = _viewed(run, data, parts)
    _keep_data(run, parts)
    return parts


def scaling_of(run: Run) -> dict[str, np.ndarray]:
    """Return the scaling of a prepared run's inputs: one array per constant, one value per input.

    Raises
    ------
    HepnnError
        If the run is not prepared yet.
    """
    return files.read_arrays(run.path / SCALING)


def _insist_on_two_classes(data: datasets.Dataset, parts: Divided) -> None:
    counts = parts.classes["train"]
    if np.count_nonzero(counts) < 2:
        only = data.classes[int(np.argmax(counts))]
        raise DataError(
            f"dataset {data.name}: the train split is all of class {only!r}; a classifier needs two"
        )


def _divided(run: Run, data: datasets.Dataset) -> Divided:
    """Divide a run's data, in memory or into its folder."""
    if streams(run.recipe, data):
        return on_disk.divide(data, run.path / "data" / "stream", run.recipe.limit)
    return divided_in_memory(run.recipe, data)


def divided_in_memory(
    recipe: Recipe, data: datasets.Dataset, known: reading.Whole | None = None
) -> Divided:
    """Divide a recipe's data in memory; they need not be read again where they are known."""
    return division.divide(
        data, recipe.limit, recipe.train_limit, recipe.seed, recipe.validation, known
    )


def _keep_scaling(run: Run, data: datasets.Dataset, parts: Divided) -> None:
    """Fit the scaling of the inputs, and of what is predicted."""
    known = run.manifest.get("data", {}).get("fingerprint")
    if known not in (None, parts.fingerprint):
        raise HepnnError(f"dataset {data.name} is not what run {run.name} was started on")
    path = run.path / SCALING
    if path.exists():
        return
    features = [feature.model_dump(mode="json") for feature in data.features]
    seen = _statistics(run, data, parts)
    wanted = [run.recipe.scaling or feature.scaling for feature in data.features]
    scaling = _scaling_of_start(run, features) or scalings.fit(seen, wanted)
    run.record(
        data={
            "name": data.name,
            "title": data.card.title,
            "fingerprint": parts.fingerprint,
            "group": data.group.model_dump(mode="json", exclude={"features", "pixels"}),
            "features": features,
            "observers": [feature.model_dump(mode="json") for feature in data.card.observers],
            "classes": data.classes,
            "targets": _keep_targets(run, data, parts, scaling, seen.mean),
            "shape": list(data.shape),
            "events": parts.events,
            "events_by_class": parts.classes,
            "read": dict(parts.counts),
            "skipped_files": data.assembler.survey.skipped,
            "streamed": isinstance(parts.train, Stream),
        }
    )
    files.write_arrays(path, **scaling)


def _statistics(run: Run, data: datasets.Dataset, parts: Divided) -> statistics.Statistics:
    """Return the statistics of the inputs that are trained on."""
    if isinstance(parts.train, Memory):
        events = parts.train.events
        chosen = get_task(run.recipe.task).learns_from(events, data.classes)
        if chosen is not None:
            inputs = groups.for_statistics(data.group, events.x[chosen])
            return statistics.of(inputs, events.weight[chosen])
    return parts.statistics


def _scaling_of_start(run: Run, features: list[dict[str, Any]]) -> dict[str, np.ndarray] | None:
    """Return the scaling of the run that the recipe starts from, where its inputs are the same.

    Weights that are taken over expect the numbers that they were trained on.
    """
    if not run.recipe.start:
        return None
    origin, _ = runs_module.open_stage(run.recipe.start, run.runs)
    if origin.manifest["data"]["features"] != features:
        return None
    return scaling_of(origin)


def _keep_targets(
    run: Run,
    data: datasets.Dataset,
    parts: Divided,
    inputs: dict[str, np.ndarray],
    mean: np.ndarray,
) -> list[dict[str, Any]]:
    """Scale the numbers that are to be predicted; return what the network's outputs are."""
    scaled = get_task(run.recipe.task).SCALED
    if scaled == "labels":
        assert isinstance(data.card.labels, Values)
        targets = list(data.card.labels.targets)
        known = statistics.empty(len(targets))
        for y, weight in parts.train.labels():
            known = known + statistics.of(y, weight)
        fitted, mean = scalings.fit(known, [target.scaling for target in targets]), known.mean
    elif scaled == "inputs":
        targets, fitted = list(data.features), inputs
    else:
        return []
    scaling = {"offset": fitted["offset"], "exponent": fitted["exponent"]}
    files.write_arrays(run.path / "data" / task_scaling.FILE, **scaling, mean=mean)
    return [
        {
            **target.model_dump(mode="json", include={"name", "unit", "description", "scaling"}),
            **{name: values[number].item() for name, values in scaling.items()},
        }
        for number, target in enumerate(targets)
    ]


def _viewed(run: Run, data: datasets.Dataset, parts: Divided) -> Divided:
    """Return the events as the task sees them, and of the training events those it learns from."""
    task, scaling = get_task(run.recipe.task), task_scaling.of(run)

    def view(events: Events, number: int) -> Events:
        return task.view(events, data.classes, scaling, 10 * run.recipe.seed + number)

    def learned(events: Events) -> Events:
        chosen = task.learns_from(events, data.classes)
        return events if chosen is None else division.take(events, np.flatnonzero(chosen))

    train = parts.train
    if isinstance(train, Memory):
        train = Memory(learned(view(train.events, 0)))
    elif task.FROM_NOISE or task.learns_from(train.first(), data.classes) is not None:
        raise RecipeError(f"this task {run.recipe.task.name} trains in memory: set stream: never")
    return dataclasses.replace(
        parts,
        train=train,
        validation=view(parts.validation, 1),
        test=view(parts.test, 2),
        calibration=learned(view(parts.calibration, 3)),
    )


def _keep_data(run: Run, parts: Divided) -> None:
    if (run.path / "data" / "test.npz").exists():
        return
    run.keep_events("calibration", parts.calibration)
    run.keep_events("validation", parts.validation)
    run.keep_events("test", parts.test)
