"""The teachers of a recipe's fits: runs whose answers a network is trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files
from hepnn import recipe as recipes
from hepnn import run as runs_module
from hepnn.data import dataset as datasets
from hepnn.data.card import Values
from hepnn.errors import RecipeError
from hepnn.recipe import Recipe
from hepnn.run import Events, Run
from hepnn.tasks import Task, get
from hepnn.tasks import scaling as scalings
from hepnn.tasks.scaling import Scaling

#: Tasks that have a loss for a teacher's answers (`hepnn.training.distillation`).
TAUGHT = ("classify", "regress")

#: Scalings of a feature that are done before the network, and not inside.
_TRANSFORMS = ("log", "asinh")


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A trained network, and what its answers mean.

    Attributes
    ----------
    model
        Keras model.
    task, scaling
        Of its run.
    """

    model: Any
    task: Task
    scaling: Scaling | None

    def beside(
        self, labels: np.ndarray, events: Events, task: Task, scaling: Scaling | None
    ) -> np.ndarray:
        """Return encoded labels with the teacher's answers beside them.

        Parameters
        ----------
        labels
            What the student is trained to put out.
        events
            Physical quantities.
        task, scaling
            Of the student; numbers are brought from the teacher's scaling to this one.
        """
        from hepnn.training import distillation, network

        outputs = network.predict(self.model, events.x)
        known = dataclasses.replace(events, y=self.task.decode(outputs, self.scaling))
        return distillation.beside(labels, task.encode(known, scaling))


def check(recipe: Recipe, data: datasets.Dataset, runs: Path) -> None:
    """See that every teacher of a recipe has learned the same as its student shall.

    Raises
    ------
    RecipeError
        If inputs, classes or targets are others, or the task has no teachers.
    RunError
        If there is no such run or stage.
    """
    labels = data.card.labels
    entry = {
        "features": [feature.model_dump(mode="json") for feature in data.features],
        "shape": list(data.shape),
        "classes": data.classes,
        "targets": [one.model_dump(mode="json") for one in labels.targets]
        if isinstance(labels, Values)
        else [],
    }
    for stage in recipe.stages:
        where = recipes.fit_of(recipe, stage).teacher
        if where is not None:
            _open(where, runs, recipe, entry)


def of(run: Run, stage: str) -> Teacher | None:
    """Open the teacher of a stage and record it; None where there is none.

    Raises
    ------
    RecipeError
        As `check`, and if it is not the one that a killed training of the stage had.
    """
    where = recipes.fit_of(run.recipe, stage).teacher
    if where is None:
        return None
    opened, of_teacher = _open(where, run.runs, run.recipe, run.manifest["data"])
    digest = files.sha256(opened.model_file(of_teacher))
    known = {"run": str(opened), "stage": of_teacher, "sha256": digest}
    before = run.manifest.get("teachers", {})
    if before.get(stage, known)["sha256"] != digest:
        raise RecipeError(
            f"fit.teacher: {where} is not what stage {stage} was started with; its model differs"
        )
    run.record(teachers={**before, stage: known})
    console.import_tensorflow()
    from hepnn.training import network

    return Teacher(network.of_run(opened, of_teacher), get(opened.recipe.task), scalings.of(opened))


def _open(where: str, runs: Path, recipe: Recipe, student: Mapping[str, Any]) -> tuple[Run, str]:
    """Open a teacher's run, and insist on its being one for a student's data."""
    opened, stage = runs_module.open_stage(where, runs)
    task = opened.recipe.task
    if recipe.task.name not in TAUGHT or task.name != recipe.task.name:
        raise RecipeError(
            f"fit.teacher: {where} is of task {task.name}, this is {recipe.task.name}; both are "
            f"{' or both '.join(TAUGHT)}"
        )
    if getattr(task, "outputs", "logits") != "logits":
        raise RecipeError(
            f"fit.teacher: {where} puts out probabilities, logits are needed: adopt it with "
            "--rewrite softmax-to-logits"
        )
    known = opened.manifest["data"]
    for noun, ours, theirs in (
        ("inputs", _inputs(student), _inputs(known)),
        ("shape", list(student["shape"]), list(known["shape"])),
        ("classes", list(student["classes"]), list(known["classes"])),
        ("targets", _targets(student), _targets(known)),
    ):
        if ours != theirs:
            raise RecipeError(f"fit.teacher: {where} has other {noun}: {_difference(ours, theirs)}")
    return opened, stage


def _inputs(entry: Mapping[str, Any]) -> list[str]:
    return [_said(one) for one in entry["features"]]


def _targets(entry: Mapping[str, Any]) -> list[str]:
    keys = ("name", "unit", "scaling")
    return [_said({key: one[key] for key in keys}) for one in entry.get("targets") or []]


def _said(quantity: Mapping[str, Any]) -> str:
    """Return what a quantity is before it enters a network: name, unit, transform, cuts."""
    parts = [quantity["name"], f"in {quantity.get('unit', '1')}"]
    if quantity.get("scaling") in _TRANSFORMS:
        parts.append(f"as {quantity['scaling']}")
    parts += [f"{key} {quantity[key]}" for key in ("clip", "missing") if quantity.get(key)]
    return " ".join(parts)


def _difference(ours: list[Any], theirs: list[Any]) -> str:
    if len(ours) != len(theirs):
        return f"{len(theirs)}, this network has {len(ours)}"
    place = next(n for n, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    return f"number {place + 1} is {theirs[place]}, here it is {ours[place]}"
