"""Numbers that are not judged by labels: an embedding, or a network adopted without labels.

Nothing is trained for this task. What other outputs change is still told: for an event, which
of several outputs is the largest, or on which side of the median a single one lies; and for
thresholds that the reference accepts a given part of the events at, the part accepted instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import RecipeError
from hepnn.run import Events
from hepnn.tasks import Figure, Words, bootstrap
from hepnn.tasks.bootstrap import central
from hepnn.tasks.scaling import Scaling

LABELS = None
SCALED = None
FROM_NOISE = False

FIGURES = {
    "mean": Figure("mean of the output"),
    "spread": Figure("standard deviation of the output"),
}

PICTURES = {"outputs": "Distribution of each output"}

WORDS = Words("decision", "flip", "accepted part")

#: Parts of the events that a threshold on an output accepts.
ACCEPTED = (0.5, 0.1, 0.01)

#: Events that a part needs to be looked at.
_FEWEST = 10

#: Outputs that are drawn.
_DRAWN = 16


def shapes(shape: tuple[int, ...], names: Sequence[Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Refuse: there is nothing to train for.

    Raises
    ------
    RecipeError
        Always.
    """
    raise RecipeError("task embed has nothing to train for; it is for networks that are adopted")


def view(events: Events, names: Sequence[str], scaling: Scaling | None, seed: int) -> Events:
    """Return the events as they are."""
    return events


def learns_from(events: Events, names: Sequence[str]) -> np.ndarray | None:
    """Return None: no event is trained on."""
    return None


def loss(counts: Sequence[int] = ()) -> Any:
    """Refuse, as `shapes`."""
    return shapes((), ())


def metrics() -> list[Any]:
    """Return nothing to follow."""
    return []


def encode(events: Events, scaling: Scaling | None = None) -> np.ndarray:
    """Return the labels as they are; none are looked at."""
    return events.y


def decode(outputs: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
    """Return outputs as they are."""
    return outputs


def evaluate(
    outputs: np.ndarray,
    events: Events,
    names: Sequence[str],
    seed: int = 0,
    scaling: Scaling | None = None,
) -> dict[str, Any]:
    """Return mean and standard deviation of every output, each with its interval.

    The intervals are the central 68.27 % of a Poisson bootstrap of the events.

    Parameters
    ----------
    outputs
        `(events, ...)`.
    events
        Weights.
    names
        Of the outputs.
    seed
        Of the bootstrap.
    scaling
        Of no meaning here.
    """
    flat, weight = _flat(outputs), events.weight.astype(np.float64)
    centre = np.average(flat, axis=0, weights=weight)
    moments = np.hstack([flat - centre, (flat - centre) ** 2])
    found = bootstrap.means(moments, weight, bootstrap.draws(len(events), seed))
    first, second = np.split(found, 2, axis=1)
    values = {"mean": centre + first, "spread": np.sqrt(np.maximum(second - first**2, 0.0))}
    report: dict[str, Any] = {"events": len(events), "loss": None, "outputs": flat.shape[1]}
    for figure, replicas in values.items():
        report[figure] = dict(zip(names, replicas[0].tolist(), strict=True))
        report[f"{figure}_interval"] = dict(zip(names, central(replicas[1:]), strict=True))
    return report


def headline(metrics: Mapping[str, Any]) -> str:
    """Return how many outputs there are.

    >>> headline({"outputs": 3})
    '3 outputs'
    """
    return f"{metrics['outputs']} output{'s' if metrics['outputs'] > 1 else ''}"


def rows(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return mean and spread of each output."""
    found = {"events": str(metrics["events"])}
    for figure in ("mean", "spread"):
        for name, value in metrics[figure].items():
            interval = metrics.get(f"{figure}_interval", {}).get(name)
            around = "" if interval is None else " [{:.4g}, {:.4g}]".format(*interval)
            found[f"{figure} {name}"] = f"{value:.4g}{around}"
    return found


def pictures(
    outputs: np.ndarray,
    events: Events,
    names: Sequence[str],
    metrics: Mapping[str, Any],
    folder: Path,
    scaling: Scaling | None = None,
) -> None:
    """Draw the distribution of the first outputs."""
    from hepnn.plots import data

    flat = _flat(outputs)[:, :_DRAWN]
    columns = {name: [flat[:, number]] for number, name in enumerate(names[:_DRAWN])}
    data.histograms(columns, {}, [""], folder / "outputs.svg", "Outputs")


def changes(
    reference: np.ndarray,
    answer: np.ndarray,
    events: Events,
    scaling: Scaling | None = None,
    names: Sequence[str] = (),
) -> dict[str, float]:
    """Return what other outputs change.

    `decision_flips` is the fraction of events of which another output is the largest, or whose
    only one is on the other side of the reference's median; `max_efficiency_shift` the largest
    change, over outputs and thresholds, of the part of the events above a threshold.

    Parameters
    ----------
    reference, answer
        `(events, ...)`.
    events, scaling, names
        Of no meaning here.
    """
    before, after = _flat(reference), _flat(answer)
    if before.shape[1] > 1:
        flips = before.argmax(axis=1) != after.argmax(axis=1)
    else:
        median = np.median(before)
        flips = ((before > median) != (after > median))[:, 0]
    shift = 0.0
    for part in ACCEPTED:
        if part * len(before) < _FEWEST:
            continue
        threshold = np.quantile(before, 1 - part, axis=0)
        moved = (after > threshold).mean(axis=0) - (before > threshold).mean(axis=0)
        shift = max(shift, float(np.abs(moved).max()))
    return {"decision_flips": float(np.mean(flips)), "max_efficiency_shift": shift}


def _flat(outputs: np.ndarray) -> np.ndarray:
    return outputs.reshape(len(outputs), -1).astype(np.float64)
