"""Whether every target repeats a network's bits, refuses it with a reason, or is wrong."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import vhdl
from fuzz.draw import Drawn
from fuzz.events import CALIBRATION
from hepnn import targets
from hepnn.errors import TargetError
from hepnn.targets import kit as kits
from hepnn.targets import preflight
from hepnn.targets.tools import ToolFailed

#: What each target is compared as; the integer interpreter comes with `rtl`.
FORMS = {
    "tflite": ("tflite",),
    "hls4ml": ("hls4ml",),
    "rtl": ("rtl-interpreter", "rtl", "rtl-vhdl"),
    "cpp": ("cpp",),
}

EXACT, REFUSED, WRONG, CRASHED, NOT_SIMULATED = (
    "exact",
    "refused",
    "wrong",
    "crashed",
    "not simulated",
)

#: What becomes of a form: a verdict, and why.
Found = dict[str, dict[str, str]]


def network(
    drawn: Drawn, folder: Path, forms: Sequence[str] = (), timing: dict[str, float] | None = None
) -> Found:
    """Ship a network to every target and compare it with Keras on all its events.

    Parameters
    ----------
    drawn
        The network.
    folder
        Where targets write; one folder a target, removed afterwards.
    forms
        Of `FORMS`; all when not given.
    timing
        Where the seconds of every target go.
    """
    found: Found = {}
    for target, known in FORMS.items():
        wanted = [form for form in known if not forms or form in forms]
        if not wanted:
            continue
        start = time.perf_counter()
        inside = folder / target
        inside.mkdir(parents=True)
        try:
            found.update(_shipped(drawn, target, inside, wanted))
        except Exception as error:  # whatever a library raises is a fault to be found
            found.update(_all(wanted, CRASHED, _place(error)))
        finally:
            shutil.rmtree(inside)
        if timing is not None:
            timing[target] = round(time.perf_counter() - start, 2)
    return found


def _shipped(drawn: Drawn, target: str, folder: Path, forms: list[str]) -> Found:
    inexact = [row for row in preflight.verdicts(drawn.model) if row.verdict != EXACT]
    if inexact:
        return _all(forms, REFUSED, f"{inexact[0].verdict}, {inexact[0].kind}: {inexact[0].reason}")
    module = targets.get(target)
    kit = kits.load(kits.USUAL[target]).unsynthesized()
    languages = {"rtl": "verilog", "rtl-vhdl": "vhdl"}
    wanted = [languages[form] for form in forms if form in languages]
    try:
        artefacts = module.write(
            drawn.model,
            folder,
            kit=kit,
            calibration=drawn.x[:CALIBRATION],
            exact=True,
            # The interpreter alone needs one of them to be written.
            formats=(wanted or ["vhdl"]) if target == "rtl" else None,
        )
    except TargetError as error:
        if isinstance(error, ToolFailed):  # a tool that stopped is no reason to refuse a network
            return _all(forms, CRASHED, str(error))
        refused = [row for row in module.check(drawn.model, kit) if row.verdict == REFUSED]
        # A check that had promised equal bits is told apart.
        early = f"refused, {refused[0].kind}: {refused[0].reason}" if refused else None
        return _all(forms, REFUSED, early or f"in writing alone: {error}")
    answers = {artefact.name: artefact.predict for artefact in artefacts}
    # TFLite takes every event; the others say of which float32 itself is not sure.
    takes = getattr(artefacts[0], "takes", lambda x: np.ones(len(x), bool))
    if "rtl-vhdl" in forms and vhdl.available():
        answers["rtl-vhdl"] = lambda x: vhdl.predict(folder, x)
    taken = takes(drawn.x)
    found = {form: _compared(answers[form], drawn, taken) for form in forms if form in answers}
    missing = [form for form in forms if form not in answers]
    return {**found, **_all(missing, NOT_SIMULATED, "no ghdl on the path")}


def _compared(
    predict: Callable[[np.ndarray], np.ndarray], drawn: Drawn, taken: np.ndarray
) -> dict[str, str]:
    x = drawn.x[taken]
    events = len(x)
    try:
        given = predict(x).reshape(events, -1)
    except Exception as error:  # as above
        return {"verdict": CRASHED, "reason": _place(error)}
    wanted = drawn.outputs[taken].reshape(events, -1)
    differ = (given != wanted).any(axis=1)
    if not differ.any():
        refused = int((~taken).sum())
        return {"verdict": EXACT, **({"refused_events": str(refused)} if refused else {})}
    usual = int((differ & (np.flatnonzero(taken) < CALIBRATION)).sum())
    reason = f"{int(differ.sum())} of {events} events differ, {usual} of them in range"
    return {"verdict": WRONG, "reason": reason}


def _place(error: Exception) -> str:
    """Say in a line what stopped, and where."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    return f"{type(error).__name__} at {place}: {error}".splitlines()[0]


def _all(forms: Iterable[str], verdict: str, reason: str) -> Found:
    return {form: {"verdict": verdict, "reason": reason} for form in forms}


def figures(entries: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Count pairs of network and form by verdict."""
    counted = {name: 0 for name in ("bit_exact", "refused", "silently_wrong", "crashed")}
    counted["not_simulated"] = 0
    names = {EXACT: "bit_exact", REFUSED: "refused", WRONG: "silently_wrong"}
    names |= {CRASHED: "crashed", NOT_SIMULATED: "not_simulated"}
    for entry in entries:
        for form in entry["forms"].values():
            counted[names[form["verdict"]]] += 1
    return counted
