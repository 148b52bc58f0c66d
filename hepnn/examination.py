"""Why an export answers otherwise than its stage, and the least change that mends it.

A float stage's firmware is looked at layer by layer (`hepnn.targets.hls4ml.doctor`); what is worst
is mended first, one type at a time, until on validation and calibration events the decisions are
within the recipe's bounds and nothing wraps. A fixed-point export owes its bits: there the first
layer that differs is named, and nothing is mended.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn import agreement, console, deployment, files
from hepnn.data import beyond, division
from hepnn.errors import RunError
from hepnn.recipe import Bounds, TargetRequest
from hepnn.run import Events, Run
from hepnn.targets import kit as kits
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings

#: Events that both sides are run on, and changes that are tried.
EVENTS, MOST = 2000, 12


def doctor(run: Run, *, stage: str | None = None, fix: bool = False) -> dict[str, Any]:
    """Examine a run's exports, and mend them if asked to.

    Parameters
    ----------
    run
        With exports.
    stage
        Whose exports; all by default.
    fix
        Ship what can be mended anew, with the changes in its options, and compare everything.

    Returns
    -------
    dict
        `exports`: by stage and artefact what was found. Of firmware of a float stage `before` and
        `after`, its decision flips, efficiency shift and bits without and with the changes;
        `findings` at the start; `mend`, the changes; `mended`; `ranges`, with the changes, what
        types hold against how far numbers can go. `inputs`: the events of validation
        and test with quantities outside of the range of those that types come from, by feature.
        `holds`: whether all promises do in the end, on the test events; `broken`: which do not.

    Raises
    ------
    RunError
        If nothing was shipped, or the stage is unknown.
    """
    shipped = sorted(run.path.glob("exports/*/*/target.json"))
    if stage is not None:
        run.stage(stage)
        shipped = [path for path in shipped if path.parent.parent.name == stage]
    if not shipped:
        raise RunError(f"run {run.name} has no exports to examine: hepnn deploy {run}")
    document = agreement.agree(run)
    found: dict[str, Any] = {}
    for path in shipped:
        written = files.read_json(path)
        figures = document["stages"][written["stage"]]["artefacts"]
        for name in written["artefacts"]:
            entry = {"stage": written["stage"], "holds": figures[name]["holds"]}
            if name == "hls4ml" and figures[name]["promise"] != "exact":
                entry |= _examine(run, written)
                if fix and entry["mend"] and entry["mended"]:
                    deployment.ship(run, _mended(written, entry["mend"]))
            elif not entry["holds"]:
                entry["first_difference"] = figures[name]["first_difference"]
            found[f"{written['stage']}/{name}"] = entry
    if fix:
        document = agreement.agree(run)
        from hepnn import report

        report.write(run)
    return {
        "run": str(run),
        "inputs": _inputs(run),
        "exports": found,
        "holds": document["holds"],
        "broken": agreement.broken(document),
        "fixed": fix,
    }


def _inputs(run: Run) -> dict[str, Any]:
    """Count the inputs outside of the range seen in training."""
    x = np.concatenate([run.events(split).x for split in ("validation", "test")])
    names = [feature["name"] for feature in run.manifest["data"]["features"]]
    return beyond.counted(run.events("calibration").x, x, names)


def _examine(run: Run, written: dict[str, Any]) -> dict[str, Any]:
    """Look at firmware of a float stage, and try changes until its decisions are within bounds."""
    console.import_tensorflow()
    from hepnn.targets.hls4ml import doctor as hls
    from hepnn.training import network

    model = network.up_to(network.of_run(run, written["stage"]), written.get("part"))
    bounds = run.recipe.agreement.get("hls4ml", Bounds())
    task, scaling = get_task(run.recipe.task), scalings.of(run)
    known = [run.events(split) for split in ("validation", "calibration")]
    calibration = known[1].x
    events = _first(known, EVENTS)
    reference = network.predict(model, events.x)
    options = dict(written.get("options") or {})
    given = dict(options.get("precision", {}))
    mend: dict[str, str] = {}
    states: list[dict[str, Any]] = []
    findings: list[hls.Finding] = []
    for _ in range(MOST):
        kit = kits.of("hls4ml", written["kit"], {**options, "precision": {**given, **mend}})
        with console.working(f"doctor: hls4ml layer by layer, {len(mend)} changes"):
            seen = hls.examine(model, kit, calibration, events.x)
        answer = seen.outputs.reshape(reference.shape).astype(np.float32)
        changes = task.changes(reference, answer, events, scaling, run.classes)
        within = (
            changes["decision_flips"] <= bounds.flips
            and changes["max_efficiency_shift"] <= bounds.efficiency_shift
        )
        states.append({**changes, "bits": seen.bits, "within": within})
        findings = findings or seen.findings
        worth = [one for one in seen.findings if any(mend.get(k) != v for k, v in one.mend.items())]
        # What wraps in one event of these wraps in others.
        if not worth or (within and not any(one.wraps for one in seen.findings)):
            break
        mend |= max(worth, key=lambda one: one.added).mend
    return {
        "events": len(events),
        "before": states[0],
        "after": states[-1],
        "findings": [one.plain() for one in findings],
        "ranges": seen.ranges,
        "mend": mend,
        "mended": states[-1]["within"],
    }


def _first(parts: list[Events], count: int) -> Events:
    """Return the first events of several splits together."""
    joined = Events(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "weight"))
    )
    return division.take(joined, np.arange(min(count, len(joined))))


def _mended(written: dict[str, Any], mend: dict[str, str]) -> TargetRequest:
    options = dict(written.get("options") or {})
    options["precision"] = {**options.get("precision", {}), **mend}
    return TargetRequest(
        name=written["target"],
        stage=written["stage"],
        part=written.get("part"),
        kit=written["kit"],
        options=options,
    )
