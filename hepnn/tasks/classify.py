"""Classification: one logit a class, the softmax outside the network.

Leaving the softmax out keeps the network exact in fixed point; the decision, the largest
logit, needs none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from hepnn.run import Events
from hepnn.tasks import Figure, Words, bootstrap
from hepnn.tasks.bootstrap import COVERAGE, central
from hepnn.tasks.scaling import Scaling

#: The kind of labels that is predicted.
LABELS = "classes"

FIGURES = {
    "auc": Figure("AUC"),
    "efficiency_at_background": Figure("signal efficiency at {} % background", percent=True),
    "rejection_at_efficiency": Figure("background rejection at {} % efficiency"),
}

PICTURES = {"confusion": "Confusion", "roc": "ROC, each class against the others"}

WORDS = Words("decision", "flip", "efficiency")

#: Background efficiencies at which the signal efficiency is given.
BACKGROUNDS = (0.1, 0.01, 0.001)

#: Signal efficiencies at which the background rejection is given.
SIGNALS = (0.3, 0.5)


def output_shape(classes: Sequence[Any]) -> tuple[int, ...]:
    """Return the shape of the outputs: one logit a class."""
    return (len(classes),)


def loss() -> Any:
    """Return the cross-entropy of the softmax of the logits."""
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def metrics() -> list[Any]:
    """Return what is followed in training."""
    import keras

    return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]


def encode(y: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
    """Return class numbers as they are."""
    return y


def decode(outputs: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
    """Return logits as they are: what is decided is left to `decisions`."""
    return outputs


def scores(logits: np.ndarray) -> np.ndarray:
    """Return the softmax `(events, classes)` in double precision."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponential = np.exp(shifted)
    return exponential / exponential.sum(axis=-1, keepdims=True)


def decisions(logits: np.ndarray) -> np.ndarray:
    """Return the class of the largest logit, the first one of equals."""
    return logits.argmax(axis=-1)


def efficiencies(
    score: np.ndarray, signal: np.ndarray, weight: np.ndarray, backgrounds: Sequence[float]
) -> np.ndarray:
    """Return the signal efficiency at background efficiencies.

    Events of equal score are kept or left together; between two thresholds the efficiency is
    that of the tighter one, so that the background is never above what is asked for.

    Parameters
    ----------
    score
        `(events,)`, larger for signal.
    signal
        `(events,)` bool.
    weight
        `(events,)`.
    backgrounds
        Background efficiencies.
    """
    _, signals, fakes = roc(score, signal, weight)
    index = np.searchsorted(fakes, np.asarray(backgrounds) + 1e-12, side="right") - 1
    return signals[index]


def roc(
    score: np.ndarray, signal: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return thresholds, signal efficiencies and background efficiencies, from tight to loose.

    The first point keeps nothing; one more follows for each distinct score.
    """
    order = np.argsort(-score, kind="stable")
    ranked, is_signal, weights = score[order], signal[order], weight[order].astype(np.float64)
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    signals = np.cumsum(weights * is_signal)[last_of_equals]
    fakes = np.cumsum(weights * ~is_signal)[last_of_equals]
    zero = [0.0]
    return (
        np.append(np.inf, ranked[last_of_equals]),
        np.concatenate([zero, signals / max(signals[-1], 1e-300)]),
        np.concatenate([zero, fakes / max(fakes[-1], 1e-300)]),
    )


def auc(score: np.ndarray, signal: np.ndarray, weight: np.ndarray) -> float:
    """Return the area under the ROC curve, equal scores counted as a half."""
    _, signals, fakes = roc(score, signal, weight)
    return float(np.trapezoid(signals, fakes))


def evaluate(
    logits: np.ndarray,
    events: Events,
    classes: Sequence[str],
    seed: int = 0,
    scaling: Scaling | None = None,
) -> dict[str, Any]:
    """Return every metric with its interval.

    The accuracy's interval is binomial (Clopper-Pearson) for unweighted events; all others are
    the central 68.27 % of a Poisson bootstrap of the events. Each class is signal against all
    others.

    Parameters
    ----------
    logits
        `(events, classes)`.
    events
        The events, with labels and weights.
    classes
        Names of the classes.
    seed
        Seed of the bootstrap.
    scaling
        Of no meaning here.
    """
    probability = scores(logits)
    right = decisions(logits) == events.y
    weight = events.weight.astype(np.float64)
    confusion = np.zeros((len(classes), len(classes)))
    np.add.at(confusion, (events.y, decisions(logits)), weight)
    picked = probability[np.arange(len(events)), events.y]
    report: dict[str, Any] = {
        "events": len(events),
        "loss": float(np.average(-np.log(np.maximum(picked, 1e-300)), weights=weight)),
        "accuracy": float(np.average(right, weights=weight)),
        "confusion": confusion.tolist(),
    }
    drawn = bootstrap.draws(len(events), seed)
    if np.all(weight == weight[0]):
        report["accuracy_interval"] = binomial(int(right.sum()), len(right))
    else:
        replicas = [(one * weight) @ right / (one @ weight) for one in drawn]
        report["accuracy_interval"] = central(np.array(replicas))
    for number, name in enumerate(classes):
        signal = events.y == number
        value, interval = _one_against_all(probability[:, number], signal, weight, drawn)
        for figure, content in value.items():
            _file(report, figure, name, content)
            _file(report, f"{figure}_interval", name, interval[figure])
    return report


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the accuracy.

    >>> headline({"accuracy": 0.71642})
    'accuracy 0.7164'
    """
    return f"accuracy {metrics['accuracy']:.4f}"


def rows(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return accuracy, and of each class AUC and signal efficiency at 1 % background."""
    low, high = metrics["accuracy_interval"]
    at_one_percent = metrics["efficiency_at_background"]["0.01"]
    return {
        "events": str(metrics["events"]),
        "accuracy": f"{metrics['accuracy']:.4f} [{low:.4f}, {high:.4f}]",
        **{f"AUC {name}": f"{value:.4f}" for name, value in metrics["auc"].items()},
        **{f"eff@1% {name}": f"{value:.3f}" for name, value in at_one_percent.items()},
    }


def pictures(
    logits: np.ndarray,
    events: Events,
    classes: Sequence[str],
    metrics: Mapping[str, Any],
    folder: Path,
    scaling: Scaling | None = None,
) -> None:
    """Draw which class is taken for which, and the ROC curve of each class."""
    from hepnn import plots

    plots.confusion(np.asarray(metrics["confusion"]), classes, folder / "confusion.svg")
    score = scores(logits)
    curves = {}
    for number, name in enumerate(classes):
        _, signal, fakes = roc(score[:, number], events.y == number, events.weight)
        curves[name] = {"signal": signal, "background": fakes, "auc": metrics["auc"][name]}
    plots.roc(curves, folder / "roc.svg")


def changes(
    reference: np.ndarray,
    answer: np.ndarray,
    events: Events,
    scaling: Scaling | None = None,
) -> dict[str, float]:
    """Return what other logits change.

    `decision_flips` is the fraction of events decided otherwise, `max_efficiency_shift` the
    largest change, over classes and background rates, of the signal efficiency.

    Parameters
    ----------
    reference, answer
        Logits `(events, classes)`.
    events
        Labels and weights.
    scaling
        Of no meaning here.
    """
    return {
        "decision_flips": float(np.mean(decisions(reference) != decisions(answer))),
        "max_efficiency_shift": _efficiency_shift(reference, answer, events),
    }


def binomial(successes: int, trials: int) -> list[float]:
    """Return the Clopper-Pearson interval of 68.27 % coverage.

    >>> [round(x, 3) for x in binomial(0, 10)]
    [0.0, 0.168]
    """
    tail = (1 - COVERAGE) / 2
    low = 0.0 if successes == 0 else beta.ppf(tail, successes, trials - successes + 1)
    high = 1.0 if successes == trials else beta.ppf(1 - tail, successes + 1, trials - successes)
    return [float(low), float(high)]


def _one_against_all(
    score: np.ndarray, signal: np.ndarray, weight: np.ndarray, drawn: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return AUC, efficiencies and rejections, and the interval of each."""
    order = np.argsort(-score, kind="stable")
    ranked, is_signal = score[order], signal[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    every = np.ones((1, len(score)), np.uint8)
    areas, efficiencies, shares = [], [], []
    for counted in (every, *bootstrap.blocks(drawn)):
        weights = counted[:, order] * weight[order]
        signals = _cumulative(weights * is_signal, ends)
        fakes = _cumulative(weights * ~is_signal, ends)
        areas.append(np.trapezoid(signals, fakes, axis=1))
        efficiencies.append(_crossings(fakes, signals, BACKGROUNDS))
        shares.append(_first_above(signals, fakes, SIGNALS))
    area, found = np.concatenate(areas), np.concatenate(efficiencies)
    value: dict[str, Any] = {"auc": float(area[0])}
    interval: dict[str, Any] = {"auc": central(area[1:])}
    value["efficiency_at_background"] = _named(BACKGROUNDS, found[0])
    interval["efficiency_at_background"] = _named(BACKGROUNDS, central(found[1:]))
    rejections = 1 / np.maximum(np.concatenate(shares), 1 / len(score))
    value["rejection_at_efficiency"] = _named(SIGNALS, rejections[0])
    interval["rejection_at_efficiency"] = _named(SIGNALS, central(rejections[1:]))
    return value, interval


def _cumulative(weights: np.ndarray, ends: np.ndarray) -> np.ndarray:
    total = np.cumsum(weights, axis=1, dtype=np.float64)
    share = total[:, ends] / np.maximum(total[:, -1:], 1e-300)
    return np.concatenate([np.zeros((len(weights), 1)), share], axis=1)


def _crossings(axis: np.ndarray, along: np.ndarray, points: Sequence[float]) -> np.ndarray:
    """Return `along` at the last position where `axis` is not above each point."""
    index = [np.searchsorted(row, np.asarray(points) + 1e-12, side="right") - 1 for row in axis]
    return np.take_along_axis(along, np.array(index), axis=1)


def _first_above(axis: np.ndarray, along: np.ndarray, points: Sequence[float]) -> np.ndarray:
    """Return `along` at the first position where `axis` reaches each point."""
    index = [np.searchsorted(row, np.asarray(points) - 1e-12, side="left") for row in axis]
    last = axis.shape[1] - 1
    return np.take_along_axis(along, np.minimum(np.array(index), last), axis=1)


def _named(points: Sequence[float], values: Any) -> dict[str, Any]:
    plain = np.asarray(values).tolist()
    return {f"{point:g}": value for point, value in zip(points, plain, strict=True)}


def _file(report: dict[str, Any], figure: str, name: str, content: Any) -> None:
    """Put one class's figure into the report, by working point where it has one."""
    place = report.setdefault(figure, {})
    if isinstance(content, dict):
        for point, value in content.items():
            place.setdefault(point, {})[name] = value
    else:
        place[name] = content


def _efficiency_shift(reference: np.ndarray, answer: np.ndarray, events: Events) -> float:
    shift = 0.0
    before, after = scores(reference), scores(answer)
    for number in range(reference.shape[-1]):
        signal = events.y == number
        if not signal.any() or signal.all():
            continue
        shares = [
            efficiencies(score[:, number], signal, events.weight, _resolved(signal))
            for score in (before, after)
        ]
        shift = max(shift, float(np.abs(shares[0] - shares[1]).max(initial=0.0)))
    return shift


def _resolved(signal: np.ndarray) -> Sequence[float]:
    """Return the background rates that the events can resolve: ten events or more."""
    background = np.count_nonzero(~signal)
    return [rate for rate in BACKGROUNDS if rate * background >= 10]
