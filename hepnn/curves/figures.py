"""What a run reaches on the events it was trained on, and on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hepnn import console, files, preparation
from hepnn import recipe as recipes
from hepnn.run import Events, Run
from hepnn.tasks import get
from hepnn.tasks import scaling as scalings

#: File of a run that has its figures, and the arrays beside it.
KEPT, ARRAYS = "errors.json", "errors.npz"

#: Test events whose answers are kept.
ANSWERS = 10_000

#: Pixels of a side of a decision map.
SIDE = 100


@dataclasses.dataclass(frozen=True)
class Reached:
    """The figures of one run's last stage.

    Attributes
    ----------
    errors : dict
        `metric_of` the recipe, by `train`, `validation` and `test`; of training events against
        the labels as they were learned.
    parameters, train_events : int
        Weights of the network; events it was trained on.
    answers, truth : np.ndarray or None
        Of test events `(events, outputs)`: probabilities and 0 or 1, or scaled numbers.
    weight : np.ndarray
        Of these events.
    """

    errors: dict[str, float]
    parameters: int
    train_events: int
    answers: np.ndarray | None
    truth: np.ndarray | None
    weight: np.ndarray


class Map(NamedTuple):
    """The decisions of a network of two inputs.

    Attributes
    ----------
    decisions : np.ndarray
        Classes `(SIDE, SIDE)`; rows rise with the second input.
    low, high : np.ndarray
        Corners `(2,)`.
    points : Events
        Training events, with the labels as they were learned.
    """

    decisions: np.ndarray
    low: np.ndarray
    high: np.ndarray
    points: Events


def metric_of(recipe: recipes.Recipe) -> str:
    """Return what the errors are: `error`, the share of wrong decisions, or the task's `loss`."""
    return "error" if recipe.task.name == "classify" else "loss"


def of(run: Run) -> Reached:
    """Return a finished run's figures, and keep them in its folder."""
    if not (run.path / KEPT).exists():
        _keep(run)
    known, arrays = files.read_json(run.path / KEPT), files.read_arrays(run.path / ARRAYS)
    return Reached(
        answers=arrays.get("answers"),
        truth=arrays.get("truth"),
        weight=arrays["weight"],
        **known,
    )


def maps(runs: Sequence[Run]) -> list[Map]:
    """Return the decision maps of runs; none where they are no classifiers of two inputs."""
    first = runs[0]
    if first.recipe.task.name != "classify" or list(first.manifest["data"]["shape"]) != [2]:
        return []
    console.import_tensorflow()
    from hepnn.training import network

    # The same corners for all: of the events that none was trained on.
    x = first.events("test").x
    margin = 0.1 * np.ptp(x, axis=0)
    low, high = x.min(axis=0) - margin, x.max(axis=0) + margin
    sides = [low[n] + (np.arange(SIDE) + 0.5) / SIDE * (high - low)[n] for n in range(2)]
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2).astype(np.float32)
    found = []
    for run in runs:
        outputs = network.predict(network.of_run(run, run.stages[-1]), grid)
        decisions = get(run.recipe.task).decisions(outputs)  # type: ignore[attr-defined]
        found.append(Map(decisions.reshape(SIDE, SIDE), low, high, _learned(run)))
    return found


def _keep(run: Run) -> None:
    console.import_tensorflow()
    from hepnn.training import network

    stage = run.stages[-1]
    model, task, scaling = network.of_run(run, stage), get(run.recipe.task), scalings.of(run)
    classifies = metric_of(run.recipe) == "error"
    errors, outputs = {}, np.zeros(0)
    for split in ("train", "validation", "test"):
        events = _learned(run) if split == "train" else run.events(split)
        outputs = network.predict(model, events.x)
        if classifies:
            wrong = task.decisions(outputs) != events.y  # type: ignore[attr-defined]
            errors[split] = float(np.average(wrong, weights=events.weight))
        else:
            errors[split] = task.evaluate(outputs, events, run.classes, 0, scaling)["loss"]
    known = {
        "errors": errors,
        "parameters": network.parameters(model),
        "train_events": run.manifest["data"]["events"]["train"],
    }
    some = slice(ANSWERS)
    arrays: dict[str, Any] = {"weight": events.weight[some]}
    if classifies:
        arrays["answers"] = task.scores(outputs[some])  # type: ignore[attr-defined]
        arrays["truth"] = np.eye(len(run.classes))[events.y[some]]
    elif run.recipe.task.name == "regress":
        arrays |= {"answers": outputs[some], "truth": task.encode(events, scaling)[some]}
    files.write_arrays(run.path / ARRAYS, **arrays)
    files.write_json(run.path / KEPT, known)


def _learned(run: Run) -> Events:
    """Return training events with the labels that they were learned with."""
    events, stage = run.events("calibration"), run.stages[-1]
    plan = recipes.fit_of(run.recipe, stage)
    labels = plan.noise.labels
    if labels is None or not labels.fixed:
        return events
    console.import_tensorflow()
    import tensorflow as tf

    from hepnn.training.alter import inputs
    from hepnn.training.alter.alteration import Alteration

    alone = {"noise": {"labels": labels.model_dump()}, "augment": {}}
    plan = recipes.Fit.model_validate({**plan.model_dump(), **alone})
    altered = Alteration(plan, inputs.of_run(run, preparation.scaling_of(run)))
    seed = recipes.seed_of(run.recipe, stage)
    _, y = altered(tf.constant(events.x), tf.constant(events.y), seed, 0)
    return dataclasses.replace(events, y=y.numpy())
