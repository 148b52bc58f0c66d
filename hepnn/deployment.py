"""Shipping: which target takes what, and a run's stages sent to them."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import agreement, console, declarations, files, handover, targets
from hepnn.data import scaling as scalings
from hepnn.errors import AgreementBroken, TargetError
from hepnn.recipe import Recipe, TargetRequest
from hepnn.run import Run
from hepnn.targets import kit as kits
from hepnn.targets import tools
from hepnn.tasks import get as get_task

#: Written beside every artefact: the quantities that go in and come out, and what is done to
#: them outside the network.
QUANTITIES = "quantities.json"


def refuse_unsupported(recipe: Recipe, shape: tuple[int, ...], names: Sequence[str]) -> None:
    """Check every wanted target against the network on random weights.

    Raises
    ------
    TargetError
        Naming the first layer that a target refuses, and why.
    """
    for row in preflight(recipe, shape, names):
        if row["verdict"] == "refused":
            raise TargetError(
                f"target {row['target']} refuses layer {row['layer']!r} ({row['kind']}) of stage "
                f"{row['stage']}: {row['reason']}"
            )


def preflight(recipe: Recipe, shape: tuple[int, ...], names: Sequence[str]) -> list[dict[str, str]]:
    """Return what each wanted target makes of each layer, on random weights.

    Parameters
    ----------
    recipe
        With its targets.
    shape
        Of one event of the data.
    names
        Of the classes or targets.
    """
    for request in recipe.targets:
        targets.get(request.name)
        _kit(request)
    console.import_tensorflow()
    import keras

    from hepnn.training import network

    rows = []
    models: dict[str, Any] = {}
    for request in recipe.targets:
        stage = _stage_of(request, recipe.stages)
        vocabulary, options = _vocabulary(recipe, stage)
        if vocabulary not in models:
            keras.utils.set_random_seed(recipe.seed)
            sample = np.random.default_rng(recipe.seed).normal(size=(256, *shape)) * 4
            grid = scalings.standard(sample.astype(np.float32))
            task = get_task(recipe.task)
            shapes, scaling = task.shapes(shape, names), None if task.FROM_NOISE else grid
            model = network.assemble(recipe.architecture, *shapes, vocabulary, scaling, options)
            models[vocabulary] = model
        part = network.up_to(models[vocabulary], request.part)
        verdicts = targets.get(request.name).check(part, _kit(request))
        owes_bits = vocabulary != "float"
        rows += [
            {"target": request.name, "stage": stage, **_row(verdict, owes_bits)}
            for verdict in verdicts
        ]
    return rows


def _row(verdict: targets.Verdict, owes_bits: bool) -> dict[str, str]:
    outcome, reason = verdict.verdict, verdict.reason
    if owes_bits and outcome == "approximate":
        outcome, reason = "refused", f"not exact: {reason}"
    return {"layer": verdict.layer, "kind": verdict.kind, "verdict": outcome, "reason": reason}


def _vocabulary(recipe: Recipe, stage: str) -> tuple[str, dict[str, Any]]:
    """Return the vocabulary of a stage, as it is before anything is measured."""
    for step in recipe.compress[: recipe.stages.index(stage)]:
        if step.step == "quantize":
            return step.method, {"bits": step.bits} if step.method == "qkeras" else {}
    return "float", {}


def deploy(
    run: Run,
    to: list[str] | None = None,
    *,
    stage: str | None = None,
    kit: str | None = None,
) -> dict[str, Any]:
    """Ship a run's stages to targets, compare all artefacts, and write the report.

    Parameters
    ----------
    run
        With a finished stage.
    to
        Targets; those of the recipe by default.
    stage
        Stage to ship; by default what the recipe says, and else the last.
    kit
        Kit for all of them; by default what the recipe says, and else the target's usual one.
        Without `to`, the recipe's targets that it is not for are left out.

    Returns
    -------
    dict
        The agreement, as in `agreement.json`.

    Raises
    ------
    AgreementBroken
        If an artefact breaks its promise. It is written and marked nevertheless.
    TargetError
        If a kit does not serve a target, or a target refuses the network.
    """
    requests = _requests(run, to, stage, kit)
    for request in requests:
        targets.get(request.name)
        _kit(request)
        run.model_file(_stage_of(request, run.stages))
    for request in requests:
        _ship(run, request)
    from hepnn import report

    document = agreement.agree(run)
    report.write(run)
    agreement.insist(document)
    _insist_on_vectors(run, requests)
    return document


def _requests(
    run: Run, to: list[str] | None, stage: str | None, kit: str | None
) -> list[TargetRequest]:
    """Return what is to be shipped; with a kit and no targets, of the recipe's what it serves."""
    if to is not None:
        return [TargetRequest(name=name, stage=stage, kit=kit) for name in to]
    changed = {key: value for key, value in (("stage", stage), ("kit", kit)) if value}
    wanted = run.recipe.targets or [TargetRequest(name=name) for name in targets.TARGETS]
    if kit is not None:
        served = kits.load(kit).targets
        mine = [request for request in wanted if request.name in served]
        wanted = mine or [TargetRequest(name=name) for name in served]
    return [request.model_copy(update=changed) for request in wanted]


def _ship(run: Run, request: TargetRequest) -> None:
    console.import_tensorflow()
    from hepnn.compress import quantize
    from hepnn.training import network

    target = targets.get(request.name)
    kit = _kit(request)
    stage = _stage_of(request, run.stages)
    whole = network.load_model(run.model_file(stage))
    model, exact = network.up_to(whole, request.part), bool(quantize.bits(whole))
    began = time.perf_counter()
    final = run.exports(stage) / agreement.label(request.name, request.part)
    formats = {} if request.formats is None else {"formats": tuple(request.formats)}
    label = agreement.label(request.name, request.part)
    quantities = _quantities(run, request.part)
    with console.working(f"{request.name}: {stage} for {kit.name}"):
        kept = run.exports(stage) / f"{label}-failed.log"
        with files.replacing_folder(final) as folder, _keeping_log(kept):
            calibration = run.events("calibration").x
            target.write(model, folder, kit=kit, calibration=calibration, exact=exact, **formats)
            files.write_json(folder / QUANTITIES, quantities)
            made = {agreement.label(one.name, request.part): one for one in target.load(folder)}
            described = {
                "target": request.name,
                "run": run.name,
                "kit": kit.name,
                "kit_part": kit.part,
                "stage": stage,
                "sha256": run.manifest["stages"][stage]["sha256"],
                "part": request.part,
                "artefacts": list(made),
                "cost": {name: artefact.cost() for name, artefact in made.items()},
                "seconds": time.perf_counter() - began,
            }
            files.write_json(folder / "target.json", described)
            handover.write(folder, target=described, quantities=quantities)
    console.say(f"{request.name}: {final} ({time.perf_counter() - began:.1f} s)")
    if not made:
        console.say(f"{request.name}: written only; nothing here can run it")


@contextlib.contextmanager
def _keeping_log(kept: Path) -> Iterator[None]:
    """Keep the log of a program that failed, where the export itself is not kept."""
    kept.unlink(missing_ok=True)
    try:
        yield
    except tools.ToolFailed as error:
        shutil.copyfile(error.log, kept)
        raise tools.ToolFailed(error.reason, kept) from error


def _insist_on_vectors(run: Run, requests: Sequence[TargetRequest]) -> None:
    """Raise if a project that owes equal bits differs from Keras on its own test vectors."""
    for request in requests:
        stage = _stage_of(request, run.stages)
        label = agreement.label(request.name, request.part)
        vectors = handover.interface(run.exports(stage) / label).get("vectors") or {}
        if vectors.get("differing"):
            raise AgreementBroken(
                f"the promise is broken: {label} of stage {stage}: {vectors['differing']} of its"
                f" {vectors['events']} test vectors differ from Keras"
            )


def _quantities(run: Run, part: str | None) -> dict[str, Any]:
    """Return what an artefact's numbers are, and what is done to them outside the network."""
    data = run.manifest["data"]
    steps = "missing values are filled, then clipped, then log or asinh taken where scaling says so"
    inputs = {"group": data["group"], "features": data["features"], "before": steps}
    task, after = get_task(run.recipe.task), "z * 2**exponent + offset, target by target"
    if task.FROM_NOISE:
        inputs = task.inputs(run.classes)  # type: ignore[attr-defined]
        after += ", then exp or sinh of targets whose scaling is log or asinh"
    if part is not None:
        return {"inputs": inputs, "outputs": {"part": part, "after": "none"}}
    return {
        "inputs": inputs,
        "outputs": {
            "task": run.recipe.task.name,
            "names": data["classes"],
            "targets": data["targets"],
            "after": after if data["targets"] else "none",
        },
    }


def _stage_of(request: TargetRequest, stages: list[str]) -> str:
    return request.stage or stages[-1]


def _kit(request: TargetRequest) -> kits.Kit:
    kit = kits.load(request.kit or kits.USUAL.get(request.name, "litert-cpu"))
    if request.kit is not None and request.name not in kit.targets:
        serving = [n for n in declarations.names("deploy") if request.name in kits.load(n).targets]
        hint = f"; kits for it: {', '.join(serving)}" if serving else ""
        raise TargetError(
            f"kit {kit.name} is for {' and '.join(kit.targets)}, not for {request.name}{hint}"
        )
    return kit
