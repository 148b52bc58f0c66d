"""From a recipe to a run, and from a run to its artefacts.

TensorFlow is imported when the first network is built, so that a mistake in recipe or data is
told at once.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepnn import (
    architectures,
    console,
    declarations,
    deployment,
    files,
    folding,
    preflight,
    preparation,
    stages,
    teaching,
)
from hepnn import recipe as recipes
from hepnn import run as runs_module
from hepnn.data import dataset as datasets
from hepnn.data import reading
from hepnn.data.division import Divided
from hepnn.errors import HepnnError, RecipeError, RunError
from hepnn.recipe import Recipe
from hepnn.run import Run
from hepnn.stages import How, Watch
from hepnn.training.alter import refuse
from hepnn.training.devices import Devices


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
    if loaded.validation.several and devices.member is not None:
        raise RecipeError("validation: workers train one fold a time: set validation.fold")
    data, parts, known = survey(loaded, runs)
    devices.open()
    run = runs_module.create(loaded, devices.folder(runs), name)
    if isinstance(recipe, str | Path):
        changes = [
            f"{key}={json.dumps(value, default=files.plain)}"
            for key, value in (overrides or {}).items()
        ]
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


def survey(
    loaded: Recipe, runs: Path
) -> tuple[datasets.Dataset, Divided | None, reading.Whole | None]:
    """Open a recipe's data, and see all that can be seen before anything is made on disk.

    Parameters
    ----------
    loaded
        The recipe.
    runs
        Folder that runs are looked up in by name.

    Returns
    -------
    tuple
        The dataset; its parts, unless they are streamed; and of folds its rows.

    Raises
    ------
    HepnnError
        If the targets, the data, the run to start from, a teacher, a change of the batches or
        the folds are refused.
    """
    deployment.one_a_folder(loaded.targets, loaded.stages)
    data = preparation.open_data(loaded)
    if loaded.start:
        runs_module.open_stage(loaded.start, runs)
    teaching.check(loaded, data, runs)
    refuse.check(loaded, data)
    streamed = preparation.streams(loaded, data)
    known = folding.check(loaded, data, streamed)
    parts = None if streamed else preparation.divided_in_memory(loaded, data, known)
    return data, parts, known


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
    devices.meet(state=run.state())  # and nobody writes before all have taken it
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
    known: reading.Whole | None = None,
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
                stages.keep(run, stage, model, history, **entry)
            else:
                stages.make(run, stage, parts, how)
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


def _add_up(run: Run, began: float) -> float:
    return run.manifest.get("wall_seconds", 0.0) + time.perf_counter() - began


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
