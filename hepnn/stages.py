"""One stage of a run: assembled, started from the one before, trained, written."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import compress, console, evaluation, files, preparation, teaching
from hepnn import recipe as recipes
from hepnn import run as runs_module
from hepnn.data import division
from hepnn.data.division import Divided
from hepnn.errors import RecipeError
from hepnn.run import Events, Run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as task_scaling
from hepnn.training.devices import Devices

#: Called after each epoch with the stage, the epoch's number and its logs. What it raises ends the
#: training; the run can be resumed from that epoch.
Watch = Callable[[str, int, dict[str, float]], None]


@dataclasses.dataclass(frozen=True)
class How:
    """What a process is told beside the recipe.

    Attributes
    ----------
    devices : Devices
        That it trains on.
    tensorboard : Path or None
        Folder of TensorBoard's logs.
    watch : Callable or None
        Sees every epoch, and may end the training.
    """

    devices: Devices
    tensorboard: Path | None = None
    watch: Watch | None = None


def make(run: Run, stage: str, parts: Divided, how: How) -> None:
    """Train a stage, starting from the one before, and write what it is and what it reached.

    Parameters
    ----------
    run
        With the stages before.
    stage
        Of the recipe's.
    parts
        The divided data.
    how
        What the process was told beside the recipe.

    Raises
    ------
    HepnnError
        If recipe and data do not go together, or the training is not finite.
    """
    console.import_tensorflow()
    import keras

    from hepnn.training import dropout, finite, fit, network
    from hepnn.training.alter import inputs as altered_inputs
    from hepnn.training.alter import picture
    from hepnn.training.alter.alteration import Alteration
    from hepnn.training.tensorboard import TensorBoard

    recipe = run.recipe
    task, of_targets = get_task(recipe.task), task_scaling.of(run)
    number = recipe.stages.index(stage)
    plan_of_fit = recipes.fit_of(recipe, stage)
    seed = recipes.seed_of(recipe, stage)
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)

    before, plan = None, None
    vocabulary, options = "float", {}
    if number:
        earlier = recipe.stages[number - 1]
        before = network.of_run(run, earlier)
        calibration = run.events("calibration").x
        plan = compress.plan(recipe.compress[number - 1], before, calibration)
        vocabulary = plan.vocabulary or run.manifest["stages"][earlier]["vocabulary"]
        options = plan.options
    shapes = task.shapes(tuple(run.manifest["data"]["shape"]), run.classes)
    model = network.assemble(
        recipe.architecture,
        *shapes,
        vocabulary,
        None if task.FROM_NOISE else preparation.scaling_of(run),
        options,
    )
    bare, model = model, dropout.inserted(model, plan_of_fit.dropout)
    callbacks: list[Any] = []
    if not number and recipe.start:
        _start(run, model)
    if plan is not None:
        network.warm_start(model, before)
        plan.prepare(model)
        callbacks = plan.callbacks(plan_of_fit.epochs)

    teacher = teaching.of(run, stage)

    def encode(events: Events) -> np.ndarray:
        labels = task.encode(events, of_targets)
        return labels if teacher is None else teacher.beside(labels, events, task, of_targets)

    steering = parts.validation
    chosen = task.learns_from(steering, run.classes)
    if chosen is not None:
        steering = division.take(steering, np.flatnonzero(chosen))
    monitor = "val_loss"
    if task.FROM_NOISE:  # a generator's loss is the discriminator's opinion, and no measure
        callbacks.append(_watch(task, steering, of_targets, plan_of_fit.epochs))
        monitor = "val_distance"
    altered = Alteration(plan_of_fit, altered_inputs.of_run(run, preparation.scaling_of(run)))
    folder = run.path / "stages" / stage
    checkpoint = folder / "checkpoint.npz"
    logs = how.tensorboard or (run.path / "tensorboard" if plan_of_fit.tensorboard else None)
    if logs is not None and how.devices.chief:
        callbacks.append(TensorBoard(logs / stage, len(parts.train)))
    key = "fit" if not number else f"compress.{recipe.compress[number - 1].step}.fit"
    slower = f"--resume {run} --set {key}.learning_rate={plan_of_fit.learning_rate / 10:g}"
    with (
        finite.kept(stage, folder, lambda path: save_model(path, model), slower),
        console.epochs(stage, plan_of_fit.epochs, len(parts.train)) as shown,
    ):

        def progress(epoch: int, logs: dict[str, float]) -> None:
            shown(epoch, logs)
            if how.watch is not None:
                how.watch(stage, epoch, logs)

        outcome = fit.fit(
            model,
            parts.train.encoded(encode),
            dataclasses.replace(steering, y=encode(steering)),
            plan_of_fit,
            loss=task.loss(run.manifest["data"]["events_by_class"].get("train", ())),
            metrics=task.metrics(),
            callbacks=callbacks,
            seed=seed,
            ready=plan.ready if plan else 0.0,
            latent=getattr(task, "latent", 0),
            monitor=monitor,
            altered=altered,
            checkpoint=checkpoint,
            progress=progress if how.devices.chief else None,
            devices=how.devices,
        )
    if plan is not None:
        plan.finish(model, parts.train.in_order())
    model = dropout.taken_out(model, bare)
    if altered:
        picture.draw(altered, parts.calibration, seed, folder / "altered.svg")
    keep(
        run,
        stage,
        model,
        outcome.history,
        vocabulary=vocabulary,
        engine=outcome.engine,
        engine_reason=outcome.reason,
        seconds=outcome.seconds,
        epochs=len(outcome.history["loss"]),
    )
    checkpoint.unlink(missing_ok=True)
    (folder / "last_good.keras").unlink(missing_ok=True)


def keep(run: Run, stage: str, model: Any, history: dict[str, list[float]], **entry: Any) -> None:
    """Write a stage's model, history and metrics, record it, and say what it reached."""
    from hepnn import plots

    folder = run.path / "stages" / stage
    save_model(folder / "model.keras", model)
    _write_history(folder / "history.csv", history)
    plots.learning_curves(history, folder / "curves.svg")
    metrics = evaluation.write(model, run, folder)
    run.record_stage(stage, **entry)
    line = f"{stage}: {get_task(run.recipe.task).headline(metrics)}, {entry['seconds']:.1f} s"
    if metrics["sparsity"]["total"]:
        line += f", sparsity {metrics['sparsity']['total']:.1%}"
    if metrics.get("ebops"):
        line += f", {metrics['ebops']:.0f} EBOPs"
    console.say(line)


def _start(run: Run, model: Any) -> None:
    """Take weights over from the run that the recipe names, and record which.

    Raises
    ------
    RecipeError
        If none of its layers is in the network.
    """
    from hepnn.training import network

    origin, stage = runs_module.open_stage(run.recipe.start or "", run.runs)
    before = network.of_run(origin, stage)
    taken = network.warm_start(model, before, leaving=("input_scaling",))
    taken = [name for name in taken if model.get_layer(name).weights]
    if not taken:
        own, other = (
            ", ".join(layer.name for layer in one.layers if layer.weights)
            for one in (model, before)
        )
        raise RecipeError(
            f"start: no layer of {run.recipe.start} has name and shape of one of this network; it "
            f"has {other}, this one {own}"
        )
    known = {
        "run": str(origin),
        "stage": stage,
        "sha256": files.sha256(origin.model_file(stage)),
        "layers": taken,
    }
    run.record(start=known)


def _watch(task: Any, events: Events, scaling: task_scaling.Scaling | None, epochs: int) -> Any:
    from hepnn.tasks.generate import WATCHED
    from hepnn.training.watch import Watch

    seen = division.take(events, np.arange(min(WATCHED, len(events))))
    return Watch(seen.x, lambda outputs: task.watch(outputs, seen, scaling), epochs)


def save_model(path: Path, model: Any) -> None:
    """Save a Keras model, whole or not at all."""
    with files.replacing(path) as temporary:
        model.save(temporary)


def _write_history(path: Path, history: dict[str, list[float]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history])
    for epoch, values in enumerate(zip(*history.values(), strict=True)):
        writer.writerow([epoch, *(f"{value:.9g}" for value in values)])
    files.write_text(path, text.getvalue())
