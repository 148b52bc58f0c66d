"""Agreement: all artefacts of a stage on the same events.

For an artefact that owes equal bits, one differing output on one event breaks the promise, and
the first layer that differs is looked for. For a lossy one, what counts are decisions: the
fraction of events decided otherwise, and the shift of the signal efficiency at fixed
background rates, or what the task has in their place.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files, targets
from hepnn.data import division, reading
from hepnn.errors import AgreementBroken, RunError, TargetError
from hepnn.recipe import Bounds
from hepnn.run import Events, Run
from hepnn.targets import Artefact
from hepnn.targets import kit as kits
from hepnn.tasks import Task
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings
from hepnn.tasks.scaling import Scaling

#: Stands for the distance to an answer that is not finite; JSON has no infinity.
NOT_FINITE = float(np.finfo(np.float32).max)


def agree(
    run: Run, *, dataset: str | None = None, events: int | None = None, stage: str | None = None
) -> dict[str, Any]:
    """Compare every artefact of a run with the Keras model of its stage.

    Parameters
    ----------
    run
        A run with exports.
    dataset
        Other events than the run's test events, by short name or path of a card.
    events
        Only so many of them.
    stage
        Only this stage; all that were shipped by default.

    Returns
    -------
    dict
        `reference`, `task`, `events`, `artefacts` of the last stage compared, `holds`, and the
        same by stage under `stages`. Over all test events and stages it is kept as
        `agreement.json`.

    Raises
    ------
    RunError
        If nothing was shipped yet.
    """
    shipped = [name for name in run.stages if any(run.exports(name).glob("*/target.json"))]
    if stage is not None:
        run.stage(stage)
        shipped = [name for name in shipped if name == stage]
    if not shipped:
        raise RunError(f"run {run.name} has no exports to compare: hepnn deploy {run}")
    if dataset is None:
        chosen = run.events("test")
    else:
        task, scaling = get_task(run.recipe.task), scalings.of(run)
        other = reading.read_for(run, dataset)
        chosen = task.view(other, run.classes, scaling, run.recipe.seed)
    chosen = division.take(chosen, np.arange(min(events or len(chosen), len(chosen))))
    stages = {name: _agree_stage(run, name, chosen) for name in shipped}
    last = stages[shipped[-1]]
    document = {
        "reference": "keras",
        "task": run.recipe.task.name,
        "stage": shipped[-1],
        "events": len(chosen),
        "artefacts": last["artefacts"],
        "holds": all(found["holds"] for found in stages.values()),
        "stages": stages,
    }
    if dataset is None and events is None and stage is None:
        files.write_json(run.path / "agreement.json", document)
    return document


def insist(document: dict[str, Any]) -> None:
    """Raise if a promise is broken.

    Raises
    ------
    AgreementBroken
        One line naming the artefacts, and the first layer that differs where it is known.
    """
    if said := broken(document):
        raise AgreementBroken("the promise is broken: " + "; ".join(said))


def broken(document: dict[str, Any]) -> list[str]:
    """Return each artefact whose promise is broken, and by how much, in words."""
    said = []
    words = get_task(document.get("task", "classify")).WORDS
    for stage, found in document["stages"].items():
        for name, figures in found["artefacts"].items():
            if figures["holds"]:
                continue
            if figures["promise"] == "exact":
                text = f"{figures['mismatches']} of {found['events']} events differ"
                if figures["first_difference"]:
                    text += f", first in layer {figures['first_difference']!r}"
            else:
                text = (
                    f"refused: {figures['decision_flips']:.2%} of {found['events']}"
                    f" {words.decision}s {words.flip}, {words.efficiency} shifts by "
                    f"{figures['max_efficiency_shift']:.2%}"
                )
            said.append(f"{name} of stage {stage}: {text}")
    return said


def compare(
    reference: np.ndarray,
    answer: np.ndarray,
    events: Events,
    task: Task,
    scaling: Scaling | None = None,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Compare two sets of outputs on the same events.

    Parameters
    ----------
    reference, answer
        `(events, outputs)`.
    events
        Labels and weights.
    task, scaling
        The task, and what lies between outputs and labels.
    names
        Of the classes or targets.

    Returns
    -------
    dict
        `bit_exact`; `mismatches`, events with any output that differs; `max_abs_diff`;
        `decision_flips` and `max_efficiency_shift`, as the task's `changes` defines them.
    """
    answer = np.asarray(answer, np.float32).reshape(reference.shape)
    changes = task.changes(reference, answer, events, scaling, names)
    return {**_differences(reference, answer), **changes}


def label(name: str, part: str | None) -> str:
    """Return what an artefact of a part of the network is called.

    >>> label("rtl", None), label("rtl", "z_mean")
    ('rtl', 'rtl-z_mean')
    """
    return name if part is None else f"{name}-{part}"


def first_difference(
    model: Any,
    target: Any,
    artefact: str,
    events: np.ndarray,
    *,
    kit: kits.Kit,
    calibration: np.ndarray,
) -> str | None:
    """Return the first layer of a fixed-point model that a target does not repeat.

    The network is cut behind one layer after another and the part before the cut is shipped
    anew. Between a cut that agrees and one that does not the interval is halved, so that the
    layer found has equal inputs and unequal outputs.

    Parameters
    ----------
    model
        The stage's Keras model.
    target
        Module of the target.
    artefact
        Name of the artefact that differs.
    events
        Events on which it differs.
    kit, calibration
        As in the shipping.

    Returns
    -------
    str or None
        The layer; None if even the whole network, shipped anew, agrees: then what differs are
        the files of the export.
    """
    import keras

    from hepnn.training import network

    cuts = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]

    def differs(position: int) -> bool:
        part = keras.Model(model.inputs, cuts[position].output)
        reference = network.predict(part, events)
        with tempfile.TemporaryDirectory() as folder:
            options = {"kit": kit.unsynthesized(), "calibration": calibration, "exact": True}
            try:
                made = target.write(part, Path(folder), **options)
            except TargetError:  # a target that compares by itself refuses what differs
                return True
            chosen = next((one for one in made if one.name == artefact), made[0])
            answer = np.asarray(chosen.predict(events)).reshape(reference.shape)
        return not np.array_equal(reference, answer)

    if not differs(len(cuts) - 1):
        return None
    agrees, breaks = -1, len(cuts) - 1
    while breaks - agrees > 1:
        middle = (agrees + breaks) // 2
        if differs(middle):
            breaks = middle
        else:
            agrees = middle
    return str(cuts[breaks].name)


def _agree_stage(run: Run, stage: str, events: Events) -> dict[str, Any]:
    console.import_tensorflow()
    from hepnn.training import network

    task, scaling = get_task(run.recipe.task), scalings.of(run)
    whole = network.of_run(run, stage)
    references: dict[str | None, np.ndarray] = {}
    found: dict[str, Any] = {}
    for folder in sorted(path.parent for path in run.exports(stage).glob("*/target.json")):
        written = files.read_json(folder / "target.json")
        target, part = targets.get(written["target"]), written.get("part")
        model = network.up_to(whole, part)
        if part not in references:
            references[part] = network.predict(model, events.x)
        reference = references[part]
        with console.working(f"agreement: {stage}, {written['target']}, {len(events)} events"):
            for artefact in target.load(folder):
                answer, name = artefact.predict(events.x), label(artefact.name, part)
                if part is None:
                    figures = compare(reference, answer, events, task, scaling, run.classes)
                else:
                    figures = _of_part(reference, answer)
                bounds = run.recipe.agreement.get(name, Bounds())
                figures.update(verdict(artefact, figures, bounds))
                if artefact.promise == "exact" and not figures["holds"]:
                    unequal = reference != np.asarray(answer).reshape(reference.shape)
                    unequal = unequal.reshape(len(reference), -1).any(axis=1)
                    figures["first_difference"] = first_difference(
                        model,
                        target,
                        artefact.name,
                        events.x[unequal][:256],
                        kit=kits.load(written["kit"]),
                        calibration=run.events("calibration").x,
                    )
                found[name] = figures
    holds = all(figures["holds"] for figures in found.values())
    return {"events": len(events), "artefacts": found, "holds": holds}


def _of_part(reference: np.ndarray, answer: np.ndarray) -> dict[str, Any]:
    """Compare outputs of a part of the network, which decide nothing by themselves."""
    answer = np.asarray(answer, np.float32).reshape(reference.shape)
    changes = dict.fromkeys(("decision_flips", "max_efficiency_shift"))
    return {**_differences(reference, answer), **changes}


def _differences(reference: np.ndarray, answer: np.ndarray) -> dict[str, Any]:
    equal = reference == answer
    finite = np.isfinite(answer)
    difference = np.abs(reference.astype(np.float64) - np.where(finite, answer, 0.0))
    return {
        "bit_exact": bool(equal.all()),
        "mismatches": int((~equal.reshape(len(equal), -1).all(axis=1)).sum()),
        "max_abs_diff": float(difference.max()) if finite.all() else NOT_FINITE,
    }


def verdict(artefact: Artefact, figures: dict[str, Any], bounds: Bounds) -> dict[str, Any]:
    """Say whether an artefact keeps its promise.

    Parameters
    ----------
    artefact
        With its promise.
    figures
        Of `compare`.
    bounds
        For an artefact that owes decisions, not bits.
    """
    promise = artefact.promise
    if promise == "bounded" and figures["decision_flips"] is None:
        promise = "measured"
    kept = True
    if promise == "exact":
        kept = figures["bit_exact"]
    elif promise == "bounded":
        kept = figures["decision_flips"] <= bounds.flips
        kept = kept and figures["max_efficiency_shift"] <= bounds.efficiency_shift
    bad = "broken" if promise == "exact" else "refused"
    # What promises nothing is never called good: its flips are there to be read.
    good = "measured" if promise == "measured" else "good"
    return {
        "promise": promise,
        "holds": kept,
        "verdict": good if kept else bad,
        "first_difference": None,
    }
