"""Shipping: a run's stages sent to their targets."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hepnn import agreement, console, files, handover, targets
from hepnn.errors import AgreementBroken, HepnnError, TargetError
from hepnn.recipe import TargetRequest
from hepnn.run import Run
from hepnn.targets import kit as kits
from hepnn.targets import tools
from hepnn.tasks import get as get_task

#: Written beside every artefact: the quantities that go in and come out, and what is done to
#: them outside the network.
QUANTITIES = "quantities.json"

#: In a run, by stage and export: what decisions are cut at, and the file that it was chosen for.
THRESHOLDS = "trigger.json"


def deploy(
    run: Run,
    to: list[str] | None = None,
    *,
    stage: str | None = None,
    kit: str | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
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
    options
        By target, what is changed in the kit's section of it.

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
    requests = requests_of(run.recipe.targets, to, stage=stage, kit=kit)
    for name in set(options or {}) - {request.name for request in requests}:
        raise TargetError(f"options of target {name}, which is not shipped to")
    requests = [
        request.model_copy(update={"options": {**request.options, **(options or {})[request.name]}})
        if request.name in (options or {})
        else request
        for request in requests
    ]
    requests = one_a_folder(requests, run.stages, merging=kit is not None)
    for request in requests:
        targets.get(request.name)
        kits.of(request.name, request.kit, request.options)
        run.model_file(kits.stage_of(request, run.stages))
    for request in requests:
        ship(run, request)
    from hepnn import report

    document = agreement.agree(run)
    report.write(run)
    agreement.insist(document)
    _insist_on_vectors(run, requests)
    return document


def requests_of(
    wanted: Sequence[TargetRequest],
    to: Sequence[str] | None = None,
    *,
    stage: str | None = None,
    kit: str | None = None,
) -> list[TargetRequest]:
    """Return what is asked for: of what is wanted, or else of all targets.

    Parameters
    ----------
    wanted
        By a recipe; with a kit and without `to`, those of them that it serves.
    to
        Targets instead of those.
    stage, kit
        For all of them.
    """
    if to is not None:
        return [TargetRequest(name=name, stage=stage, kit=kit) for name in to]
    changed = {key: value for key, value in (("stage", stage), ("kit", kit)) if value}
    wanted = wanted or [TargetRequest(name=name) for name in targets.TARGETS]
    if kit is not None:
        served = kits.load(kit).targets
        mine = [request for request in wanted if request.name in served]
        wanted = mine or [TargetRequest(name=name) for name in served]
    return [request.model_copy(update=changed) for request in wanted]


def one_a_folder(
    requests: Sequence[TargetRequest], stages: Sequence[str], merging: bool = False
) -> list[TargetRequest]:
    """Return requests, one for each folder that is written.

    Parameters
    ----------
    requests
        What is shipped where.
    stages
        Of the run or recipe, in order.
    merging
        Whether they are for one kit: of two that mean the same stage to it the first is taken.

    Raises
    ------
    TargetError
        If the second would take the place of what the first has written.
    """
    found: dict[Path, TargetRequest] = {}
    for request in requests:
        own = request.model_copy(update={"stage": kits.stage_of(request, stages)})
        label = agreement.label(request.name, request.part)
        first = found.setdefault(Path(str(own.stage), label), own)
        if first != own and not merging:
            raise TargetError(
                f"two targets are both {label} of stage {own.stage}, and have one folder: make"
                " one of them, or say `stage` of one"
            )
    return list(found.values())


def ship(run: Run, request: TargetRequest) -> None:
    """Write one target's export of a run, and what belongs to it.

    Raises
    ------
    TargetError
        If the target refuses the network, or a program fails.
    """
    console.import_tensorflow()
    from hepnn.compress import quantize
    from hepnn.training import network

    target = targets.get(request.name)
    kit = kits.of(request.name, request.kit, request.options)
    stage = kits.stage_of(request, run.stages)
    whole = network.of_run(run, stage)
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
            costs = {name: artefact.cost() for name, artefact in made.items()}
            described = {
                "target": request.name,
                "run": run.name,
                "kit": kit.name,
                "kit_part": kit.part,
                "options": request.options,
                "stage": stage,
                "sha256": run.manifest["stages"][stage]["sha256"],
                "part": request.part,
                "artefacts": list(made),
                "cost": costs,
                "seconds": time.perf_counter() - began,
            }
            files.write_json(folder / "target.json", described)
            handover.write(
                folder,
                target=described,
                quantities=quantities,
                threshold=_threshold(run, f"{stage}/{label}", folder),
            )
    console.say(f"{request.name}: {final} ({time.perf_counter() - began:.1f} s)")
    if not made:
        console.say(f"{request.name}: written only; nothing here can run it")
    for name, cost in costs.items():
        if "fits" in cost:
            console.say(f"{name}: {cost['fits']['text']}")


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
        stage = kits.stage_of(request, run.stages)
        label = agreement.label(request.name, request.part)
        vectors = handover.interface(run.exports(stage) / label).get("vectors") or {}
        if vectors.get("differing"):
            raise AgreementBroken(
                f"the promise is broken: {label} of stage {stage}: {vectors['differing']} of its"
                f" {vectors['events']} test vectors differ from Keras"
            )


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
            "options": run.recipe.task.model_dump(mode="json", exclude={"name"}),
            "names": data["classes"],
            "targets": data["targets"],
            "after": after if data["targets"] else "none",
        },
    }


def _threshold(run: Run, label: str, folder: Path) -> dict[str, Any] | None:
    """Return the threshold that a run keeps for an export, if it was chosen for this very file."""
    path = run.path / THRESHOLDS
    kept = files.read_json(path).get(label) if path.is_file() else None
    if kept is None:
        return None
    if kept.get("sha256") not in {files.sha256(file) for file in folder.glob("*.tflite")}:
        console.say(f"{label}: its threshold in {THRESHOLDS} was chosen for another file: left out")
        return None
    return {**kept, "outputs": getattr(get_task(run.recipe.task), "outputs", None)}
