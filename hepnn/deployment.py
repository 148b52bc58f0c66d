"""Shipping: which target takes what, and a run's stages sent to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn import agreement, console, files, targets
from hepnn.data import scaling as scalings
from hepnn.errors import HepnnError, TargetError
from hepnn.recipe import Recipe, TargetRequest
from hepnn.run import Run
from hepnn.targets import kit as kits
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

    Returns
    -------
    dict
        The agreement, as in `agreement.json`.

    Raises
    ------
    AgreementBroken
        If an artefact breaks its promise. It is written and marked nevertheless.
    """
    if to is not None:
        requests = [TargetRequest(name=name, stage=stage, kit=kit) for name in to]
    else:
        changed = {key: value for key, value in (("stage", stage), ("kit", kit)) if value}
        wanted = run.recipe.targets or [TargetRequest(name=name) for name in targets.TARGETS]
        requests = [request.model_copy(update=changed) for request in wanted]
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
    return document


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
    with console.working(f"{request.name}: {stage} for {kit.name}"):
        with files.replacing_folder(final) as folder:
            calibration = run.events("calibration").x
            target.write(model, folder, kit=kit, calibration=calibration, exact=exact, **formats)
            files.write_json(folder / QUANTITIES, _quantities(run, request.part))
        made = {agreement.label(one.name, request.part): one for one in target.load(final)}
        costs = {name: artefact.cost() for name, artefact in made.items()}
        files.write_json(
            final / "target.json",
            {
                "target": request.name,
                "kit": kit.name,
                "stage": stage,
                "part": request.part,
                "artefacts": list(made),
                "cost": costs,
                "seconds": time.perf_counter() - began,
            },
        )
    console.say(f"{request.name}: {final} ({time.perf_counter() - began:.1f} s)")
    for name, cost in costs.items():
        if "fits" in cost:
            console.say(f"{name}: {cost['fits']['text']}")


def recount(run: Run) -> None:
    """Read the costs of a run's firmware again, with the vendor's reports that came since.

    What cannot be opened any more keeps the costs that it was written with.
    """
    for path in sorted(run.path.glob("exports/*/*/target.json")):
        try:
            written = files.read_json(path)
            before = written.get("cost") or {}
            if not any("fits" in cost for cost in before.values()):
                continue
            opened = targets.get(written["target"]).load(path.parent)
            costs = {agreement.label(one.name, written.get("part")): one.cost() for one in opened}
        except (HepnnError, AttributeError, KeyError, TypeError) as error:
            # The page says what is damaged.
            console.say(f"{path.parent.name}: costs as written; {error}")
            continue
        if costs != before:
            files.write_json(path, {**written, "cost": costs})


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
    return kits.load(request.kit or kits.USUAL.get(request.name, "litert-cpu"))
