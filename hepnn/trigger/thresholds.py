"""Thresholds: by score, background efficiency or output rate, chosen on validation events.

What is stored is midway between the scores of two neighbouring events, so that the last bits of
an exponential decide about no event. Its uncertainty is twofold: that of the efficiencies it
gives (Clopper-Pearson, or a Poisson bootstrap of weighted events), and that of the threshold
itself, found anew on every replica of the bootstrap.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hepnn import files
from hepnn.errors import DataError, RecipeError, RunError
from hepnn.tasks import bootstrap, roc
from hepnn.tasks.bootstrap import central
from hepnn.tasks.classify import binomial
from hepnn.trigger.export import Export

if TYPE_CHECKING:
    from hepnn.trigger.inference import Trigger

#: File in a run: by stage and form, the threshold and what it gives.
FILE = "trigger.json"

#: Events kept with a threshold, whose outputs a file must repeat before it is taken.
VECTORS = 32

_KINDS = ("score", "background", "rate")


def parse(text: str) -> tuple[str, float]:
    """Return kind and value of `score=0.9`, `background=0.01` or `rate=1000` (Hz).

    Raises
    ------
    RecipeError
        If it says something else.

    >>> parse("background=0.01")
    ('background', 0.01)
    >>> parse("rate=1e5Hz")
    ('rate', 100000.0)
    """
    kind, _, value = text.partition("=")
    try:
        number = float(value.removesuffix("Hz"))
    except ValueError:
        number = np.nan
    if kind not in _KINDS or not np.isfinite(number):
        raise RecipeError(
            f"threshold {text!r}: expected score=0.9, background=0.01 or rate=1000 (Hz)"
        )
    if kind == "background" and not 0 < number < 1:
        raise RecipeError(f"threshold {text!r}: a background efficiency lies between 0 and 1")
    if kind == "rate" and number <= 0:
        raise RecipeError(f"threshold {text!r}: a rate is above 0")
    return kind, number


def choose(
    trigger: Trigger, wanted: str, *, input_rate: float | None = None, seed: int = 0
) -> dict[str, Any]:
    """Choose the threshold on the run's validation events.

    Parameters
    ----------
    trigger
        Its threshold is not looked at.
    wanted
        As `parse` takes it. A rate is that of background alone: signal is rare. Where truth does
        not say what is signal, as of predicted quantities, all events are background.
    input_rate
        Events a second that come in, in Hz; for a rate.
    seed
        Of the bootstrap.

    Returns
    -------
    dict
        `threshold` with its `interval`; `background` and `signal_efficiency`, each with an
        interval; how it was chosen; the file that it is for; and test vectors.

    Raises
    ------
    RecipeError
        If a rate is wanted and no input rate above 0 is given.
    DataError
        If the validation events cannot resolve what is wanted.
    """
    kind, value = parse(wanted)
    target = value
    if kind == "rate":
        if input_rate is None or not 0 < input_rate < np.inf:
            raise RecipeError("a threshold by rate needs the rate that comes in: --rate HZ")
        target = value / input_rate
    events = trigger.export.opened_run().events("validation")
    score = trigger.score(events.x)
    truth = trigger.score_of.signal(events.y)
    truth = np.zeros(len(score), bool) if truth is None else truth
    if truth.all():
        raise DataError("all validation events are signal: a threshold needs background")
    weight = events.weight.astype(np.float64)
    drawn = bootstrap.draws(len(score), seed)
    fakes, scores = weight * ~truth, np.sort(score)
    if kind == "score":
        threshold, interval = float(value), None
    else:
        if target * np.count_nonzero(~truth) < 1:
            raise DataError(
                f"{np.count_nonzero(~truth)} validation events of background cannot resolve an"
                f" efficiency of {target:.3g}"
            )
        threshold = _at(score, fakes, min(target, 1.0))
        replicas = [_at(score, fakes * one, min(target, 1.0)) for one in drawn]
        interval = central(np.array(replicas))
    kept = score >= threshold
    said = {
        "chosen": {"by": kind, "value": value},
        "input_rate_hz": input_rate,
        "signal": [trigger.export.names[place] for place in trigger.score_of.chosen],
        "score": trigger.score_of.title,
        "threshold": threshold,
        "threshold_interval": interval,
        "background": _share(kept, ~truth, weight, drawn),
        "signal_efficiency": _share(kept, truth, weight, drawn) if truth.any() else None,
        "events": {"signal": int(truth.sum()), "background": int((~truth).sum())},
        "split": "validation",
        "neighbours": _neighbours(scores, threshold),
    }
    vectors = events.x[:VECTORS]
    return {
        **said,
        "sha256": trigger.export.sha256,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "vectors": {"x": vectors.tolist(), "outputs": trigger.run(vectors).tolist()},
    }


def store(trigger: Trigger, chosen: dict[str, Any]) -> Path:
    """Keep a threshold in the run of its export; return the file."""
    run = trigger.export.opened_run()
    path = run.path / FILE
    known = files.read_json(path) if path.exists() else {}
    files.write_json(path, {**known, trigger.export.label: chosen})
    return path


def stored(read: Export) -> dict[str, Any] | None:
    """Return the threshold that the export's run keeps for it; None where there is none.

    Raises
    ------
    RunError
        If it was chosen for another file than the export, or is damaged.
    """
    if read.run is None or not (path := read.run / FILE).is_file():
        return None
    try:
        kept = files.read_json(path).get(read.label)
        if kept is None:
            return None
        if kept["sha256"] != read.sha256:
            raise RunError(
                f"{path}: the threshold of {read.label} was chosen for another file:"
                f" hepnn trigger {read.run} --threshold background=0.01"
            )
        return {**kept, "threshold": float(kept["threshold"]), "signal": list(kept["signal"])}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is damaged: {error}") from error


def insist_on_vectors(trigger: Trigger) -> None:
    """Raise if a network does not repeat the outputs that are kept with its threshold.

    Raises
    ------
    RunError
        Saying how many differ.
    """
    kept = stored(trigger.export)
    if kept is None:
        return
    vectors = kept["vectors"]
    found = trigger.run(np.array(vectors["x"], np.float32))
    differing = int((found != np.array(vectors["outputs"], np.float32)).sum())
    if differing:
        raise RunError(f"{trigger.export.path}: {differing} outputs differ on its test vectors")


def _at(score: np.ndarray, fakes: np.ndarray, target: float) -> float:
    """Return the loosest threshold at which the background is not above the target."""
    ones = np.ones(len(score), bool)
    thresholds, _, efficiency = roc.curve(score, ~ones, fakes)
    index = int(np.searchsorted(efficiency, target + 1e-12, side="right")) - 1
    following = index + 1
    if following == len(thresholds):
        return float(thresholds[-1])
    if index == 0:
        return float(np.nextafter(thresholds[1], np.inf))
    return _midway(thresholds[following], thresholds[index])


def _midway(low: float, high: float) -> float:
    middle = float(low) + (float(high) - float(low)) / 2
    return middle if middle > low else float(high)


def _share(
    kept: np.ndarray, among: np.ndarray, weight: np.ndarray, drawn: np.ndarray
) -> dict[str, Any]:
    """Return the efficiency among events, with its interval."""
    weights = weight * among
    value = float(weights @ kept / weights.sum())
    if np.all(weight == weight[0]):
        return {"value": value, "interval": binomial(int((kept & among).sum()), int(among.sum()))}
    replicas = [(one * weights) @ kept / max((one * weights).sum(), 1e-300) for one in drawn]
    return {"value": value, "interval": central(np.array(replicas))}


def _neighbours(scores: np.ndarray, threshold: float) -> list[float | None]:
    """Return the scores next below and next above a threshold."""
    place = int(np.searchsorted(scores, threshold, side="left"))
    low = float(scores[place - 1]) if place else None
    return [low, float(scores[place]) if place < len(scores) else None]
