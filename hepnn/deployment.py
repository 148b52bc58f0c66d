"""Shipping: a run's stages sent to their targets."""

from __future__ import annotations

import time
from typing import Any

from hepnn import agreement, console, files, targets
from hepnn.recipe import TargetRequest
from hepnn.run import Run
from hepnn.targets import kit as kits
from hepnn.tasks import get as get_task

#: Written beside every artefact: the quantities that go in and come out, and what is done to
#: them outside the network.
QUANTITIES = "quantities.json"


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
        kits.of(request.name, request.kit)
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
    kit = kits.of(request.name, request.kit)
    stage = _stage_of(request, run.stages)
    whole = network.of_run(run, stage)
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
        files.write_json(
            final / "target.json",
            {
                "target": request.name,
                "kit": kit.name,
                "stage": stage,
                "part": request.part,
                "artefacts": list(made),
                "cost": {name: artefact.cost() for name, artefact in made.items()},
                "seconds": time.perf_counter() - began,
            },
        )
    console.say(f"{request.name}: {final} ({time.perf_counter() - began:.1f} s)")


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
