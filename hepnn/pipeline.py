"""From a recipe to a run, and from a run to its artefacts.

TensorFlow is imported when the first network is built, so that a mistake in recipe or data is
told at once.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import (
    architectures,
    compress,
    console,
    declarations,
    deployment,
    evaluation,
    files,
    folding,
    preflight,
    preparation,
    teaching,
)
from hepnn import recipe as recipes
from hepnn import run as runs_module
from hepnn.data import dataset as datasets
from hepnn.data import division
from hepnn.data.division import Divided
from hepnn.errors import HepnnError, RecipeError, RunError
from hepnn.recipe import Recipe
from hepnn.run import Events, Run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as task_scaling
from hepnn.training.alter import refuse
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


def train(
    recipe: str | Path | dict[str, Any] | Recipe,
    overrides: dict[str, Any] | None = None,
    *,
    runs: Path = Path("runs"),
    name: str | None = None,
    deploy: bool = False,
    devices: Devices | None = None,
    tensorboard: Path | None = None,
) -> Run:
    """Train every stage of a recipe, and ship them if asked to.

    Parameters
    ----------
    recipe
        Short name, path, mapping or recipe.
    overrides
        Values by dotted key, as `--set` gives them.
    runs
        Folder that the run folder is made in.
    name
        Of the run; the recipe's name and the time by default.
    deploy
        Also ship to the recipe's targets, compare, and write the report.
    devices
        What is trained on; one device by default. Of several workers the chief writes the
        run; the others work in a folder that is gone when they end.
    tensorboard
        Folder for TensorBoard's logs.

    Raises
    ------
    HepnnError
        If recipe, data or a target are refused, or if a promise of agreement is broken. The
        run folder stays readable and names the failed step.
    """
    loaded = recipe if isinstance(recipe, Recipe) else load(recipe, overrides)
    devices = devices or Devices()
    devices.meet(recipe=recipes.dump(loaded), versions=json.dumps(runs_module.versions()))
    data = preparation.open_data(loaded)  # before anything is made on disk
    if loaded.start:
        runs_module.open_stage(loaded.start, runs)
    teaching.check(loaded, data, runs)
    refuse.check(loaded, data)
    streamed = preparation.streams(loaded, data)
    known = folding.check(loaded, data, streamed)
    if loaded.validation.several and devices.member is not None:
        raise RecipeError("validation: workers train one fold a time: set validation.fold")
    parts = None if streamed else preparation.divided_in_memory(loaded, data, known)
    devices.open()
    run = runs_module.create(loaded, devices.folder(runs), name)
    if isinstance(recipe, str | Path):
        changes = [f"{key}={json.dumps(value)}" for key, value in (overrides or {}).items()]
        run.record(command={"recipe": str(recipe), "set": changes})
    return _go_on(run, data, parts, deploy, How(devices, tensorboard), known)


def load(source: str | Path | dict[str, Any], overrides: dict[str, Any] | None = None) -> Recipe:
    """Load a recipe and check the hyper-parameters of its architecture.

    Raises
    ------
    RecipeError
        If the recipe, the architecture or a hyper-parameter is unknown.
    """
    loaded = recipes.load(source, overrides)
    architectures.check_hyper(loaded.architecture.name, loaded.architecture.hyper)
    return loaded


def resume(
    run: Run,
    overrides: dict[str, Any] | None = None,
    *,
    deploy: bool = False,
    devices: Devices | None = None,
    tensorboard: Path | None = None,
    watch: Watch | None = None,
) -> Run:
    """Go on with a run that was killed or that failed, from its last epoch or stage.

    Parameters
    ----------
    run
        It may also be one that was created and never begun.
    overrides
        New learning rates, by dotted key: nothing else of a run's recipe can change.
    deploy, devices, tensorboard, watch
        As of `train`.

    Raises
    ------
    HepnnError
        As `train`, and if the data are not those that the run was started on.
    """
    if "adopted" in run.manifest:
        raise RunError(f"run {run.name} was adopted: it has no training to go on with")
    devices = devices or Devices()
    changed = recipes.with_rates(run.recipe, overrides or {})
    devices.meet(recipe=recipes.dump(changed), versions=json.dumps(runs_module.versions()))
    devices.open()
    run = devices.take(run)
    if overrides:
        files.write_text(run.path / "recipe.yaml", recipes.dump(changed))
        run.record(changed=[*run.manifest.get("changed", []), overrides])
    data = preparation.open_data(run.recipe)
    return _go_on(run, data, None, deploy, How(devices, tensorboard, watch))


def check(
    what: str | Path | dict[str, Any],
    overrides: dict[str, Any] | None = None,
    *,
    to: Sequence[str] | None = None,
    stage: str | None = None,
    kit: str | None = None,
    imports: Sequence[str] = (),
    runs: Path = Path("runs"),
) -> list[preflight.Row]:
    """Return what each target makes of each layer, before anything is trained or shipped.

    Parameters
    ----------
    what
        A recipe, by short name, path or mapping; a run; or a `.keras` file.
    overrides
        Of a recipe.
    to
        Targets; those of the recipe by default, else all.
    stage
        Of a recipe or run.
    kit
        For all targets; the usual ones by default.
    imports
        Packages that the layers of a `.keras` file come from.
    runs
        Folder of the runs.

    Raises
    ------
    HepnnError
        If there is no such recipe, run or file, or if it is damaged.
    """
    requests = deployment.requests_of([], to, stage=stage, kit=kit)
    if not isinstance(what, dict):
        if Path(what).suffix == ".keras":
            return preflight.of_file(Path(what), requests, imports)
        try:
            declarations.find("models", what)
        except RecipeError as unknown:
            try:
                opened = runs_module.open_run(what, runs)
            except RunError:
                raise unknown from None
            return preflight.of_run(opened, requests)
    loaded = load(what, overrides)
    requests = deployment.requests_of(loaded.targets, to, stage=stage, kit=kit)
    data = preparation.open_data(loaded)
    chosen = loaded.model_copy(update={"targets": requests})
    return preflight.of_recipe(chosen, data.shape, data.classes)


def _go_on(
    run: Run,
    data: datasets.Dataset,
    parts: Divided | None,
    ship: bool,
    how: How,
    known: division.Whole | None = None,
) -> Run:
    began = time.perf_counter()
    step = "data"
    try:
        parts = preparation.prepare(run, data, parts)
        how.devices.meet(data=parts.fingerprint)
        step = "preflight"
        if not run.stages:
            with console.working("preflight: every layer against every target"):
                preflight.refuse_unsupported(run.recipe, data.shape, run.classes)
        folds = []
        for member, of_fold in folding.members(run, data, known):
            step = member.name
            if member.manifest["status"] != "trained":
                logs = how.tensorboard and how.tensorboard / member.name
                _go_on(member, data, of_fold, False, How(how.devices, logs))
            folds.append(member)
        if folds:
            step = "folds"
            folding.judge(run, folds)
        for stage in run.recipe.stages:
            step = f"stage {stage}"
            if stage in run.stages:
                continue
            if folds and run.recipe.validation.final == "ensemble":
                model, history, entry = folding.join(run, stage, folds)
                _keep(run, stage, model, history, **entry)
            else:
                _make_stage(run, stage, parts, how)
        run.record(status="trained")
        run.manifest.pop("failed", None)
        run.record(wall_seconds=_add_up(run, began), peak_memory_bytes=_peak_memory())
        shutil.rmtree(run.path / "data" / "stream", ignore_errors=True)
        if ship and how.devices.chief:
            step = "deploy"
            deployment.deploy(run)
    except BaseException as error:
        interrupted = KeyboardInterrupt in map(type, (error, error.__cause__))
        message = "interrupted" if interrupted else str(error)
        run.record(status="failed", failed={"step": step, "message": message})
        if interrupted:
            raise HepnnError(f"interrupted; go on with: hepnn train --resume {run}") from error
        raise
    return run


def _make_stage(run: Run, stage: str, parts: Divided, how: How) -> None:
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
    seed = recipe.seed * 1000 + number
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
        steps = -(-len(parts.train) // plan_of_fit.batch_of(len(parts.train)))
        callbacks = plan.callbacks(plan_of_fit.epochs, steps)

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
    _keep(
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


def _keep(run: Run, stage: str, model: Any, history: dict[str, list[float]], **entry: Any) -> None:
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


def _add_up(run: Run, began: float) -> float:
    return run.manifest.get("wall_seconds", 0.0) + time.perf_counter() - began


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
