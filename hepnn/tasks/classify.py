"""Classification: one logit a class, the softmax outside the network.

Leaving the softmax out keeps the network exact in fixed point; the decision, the largest
logit, needs none. Networks that were made elsewhere may end in probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.special import betaincinv

from hepnn.errors import RecipeError
from hepnn.run import Events
from hepnn.tasks import Figure, Words, bootstrap, calibration, roc
from hepnn.tasks.bootstrap import COVERAGE, central
from hepnn.tasks.scaling import Scaling

#: What a network puts out: see `Classify`.
Outputs = Literal["logits", "probabilities"]


class Classify:
    """The task.

    Parameters
    ----------
    outputs
        `logits`, or `probabilities` of a network that ends in a softmax or a sigmoid. A network
        with one output for two classes gives that of the second.
    loss
        As declared in `hepnn.recipe.losses`, by key.
    class_weights
        Of each class in the loss, in their order; `balanced` by their frequency.
    """

    LABELS = "classes"
    SCALED = None
    FROM_NOISE = False
    FIGURES = {
        "auc": Figure("AUC"),
        "efficiency_at_background": Figure("signal efficiency at {} % background", percent=True),
        "rejection_at_efficiency": Figure("background rejection at {} % efficiency"),
    }
    PICTURES = {"confusion": "Confusion", "roc": "ROC, each class against the others"}
    WORDS = Words("decision", "flip", "efficiency")

    def __init__(
        self,
        outputs: Outputs = "logits",
        loss: Mapping[str, Any] | None = None,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
    ) -> None:
        self.outputs = outputs
        self._loss = loss or {"name": "sparse_categorical_crossentropy"}
        self._class_weights = class_weights
        self._one_logit = self._loss["name"] == "binary_crossentropy"

    def shapes(
        self, shape: tuple[int, ...], names: Sequence[Any]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the event's shape, and one logit a class; one of two for a binary loss.

        Raises
        ------
        RecipeError
            If the task is that of a network which puts out probabilities, or its loss or its
            weights are for another number of classes.
        """
        if self.outputs != "logits":
            raise RecipeError("task.outputs: a network that is trained here puts out logits")
        weights = self._class_weights
        if self._one_logit and len(names) != 2:
            raise RecipeError(
                f"task.loss: binary_crossentropy is for two classes, and these are {len(names)} "
                f"({', '.join(names)}): use categorical_crossentropy"
            )
        if isinstance(weights, Sequence) and weights != "balanced" and len(weights) != len(names):
            raise RecipeError(
                f"task.class_weights: {len(weights)} weights of {len(names)} classes "
                f"({', '.join(names)})"
            )
        return shape, (1 if self._one_logit else len(names),)

    def view(
        self, events: Events, names: Sequence[str], scaling: Scaling | None, seed: int
    ) -> Events:
        """Return the events as they are."""
        return events

    def learns_from(self, events: Events, names: Sequence[str]) -> np.ndarray | None:
        """Return None: all events are trained on."""
        return None

    def loss(self, counts: Sequence[int] = ()) -> Any:
        """Return the loss of the logits: the cross-entropy of their softmax by default."""
        from hepnn.tasks import losses

        weights = self._class_weights
        if weights == "balanced":
            weights = [sum(counts) / (len(counts) * count) if count else 0.0 for count in counts]
        return losses.of_classes(self._loss, weights)

    def metrics(self) -> list[Any]:
        """Return what is followed in training."""
        import keras

        if self._one_logit:
            return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def encode(self, events: Events, scaling: Scaling | None = None) -> np.ndarray:
        """Return class numbers as they are."""
        return events.y

    def decode(self, outputs: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
        """Return logits as they are: what is decided is left to `decisions`."""
        return outputs

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities `(events, classes)` in double precision."""
        outputs = outputs.astype(np.float64)
        if self.outputs == "probabilities":
            return outputs if outputs.shape[-1] > 1 else np.hstack([1 - outputs, outputs])
        logits = outputs if outputs.shape[-1] > 1 else np.hstack([0 * outputs, outputs])
        exponential = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return exponential / exponential.sum(axis=-1, keepdims=True)

    def decisions(self, outputs: np.ndarray) -> np.ndarray:
        """Return the class of the largest output, the first one of equals."""
        if outputs.shape[-1] > 1:
            return outputs.argmax(axis=-1)
        return (outputs[:, 0] > (0.5 if self.outputs == "probabilities" else 0.0)).astype(np.int64)

    def evaluate(
        self,
        logits: np.ndarray,
        events: Events,
        classes: Sequence[str],
        seed: int = 0,
        scaling: Scaling | None = None,
    ) -> dict[str, Any]:
        """Return every metric with its interval.

        The accuracy's interval is binomial (Clopper-Pearson) for unweighted events; all others are
        the central 68.27 % of a Poisson bootstrap of the events. Each class is signal against all
        others; one without events on both sides has no figures. The calibration error is a sum of
        absolute values, which resampling makes larger: its interval is the bootstrap's standard
        deviation to both sides.

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
        probability = self.scores(logits)
        decided = self.decisions(logits)
        right = decided == events.y
        weight = events.weight.astype(np.float64)
        confusion = np.zeros((len(classes), len(classes)))
        np.add.at(confusion, (events.y, decided), weight)
        picked = probability[np.arange(len(events)), events.y]
        report: dict[str, Any] = {
            "events": len(events),
            "loss": float(np.average(-np.log(np.maximum(picked, 1e-300)), weights=weight)),
            "accuracy": float(np.average(right, weights=weight)),
            "confusion": confusion.tolist(),
            "calibration_error": calibration.error(probability, decided, events.y, weight),
        }
        drawn = bootstrap.draws(len(events), seed)
        gaps = calibration.gaps(probability, decided, events.y)
        losses = -np.log(np.maximum(picked, 1e-300))
        looked_at = [right] if gaps is None else [right, losses, gaps]
        replicas = bootstrap.means(np.column_stack(looked_at), weight, drawn)[1:]
        report["accuracy_interval"] = central(replicas[:, 0])
        if gaps is not None:
            report["loss_interval"] = central(replicas[:, 1])
            spread = float(np.nanstd(np.abs(replicas[:, 2:]).sum(axis=1)))
            error = report["calibration_error"]
            report["calibration_error_interval"] = [max(error - spread, 0.0), error + spread]
        if np.all(weight == weight[0]):
            report["accuracy_interval"] = binomial(int(right.sum()), len(right))
        for number, name in enumerate(classes):
            signal = events.y == number
            if signal.any() and not signal.all():
                roc.report_into(report, name, probability[:, number], signal, weight, drawn)
        return report

    def headline(self, metrics: Mapping[str, Any]) -> str:
        """Return the accuracy.

        >>> headline({"accuracy": 0.71642})
        'accuracy 0.7164'
        """
        return f"accuracy {metrics['accuracy']:.4f}"

    def rows(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Return every figure with its interval; of each class AUC, efficiency and rejection."""
        found = {"events": str(metrics["events"])}
        for figure in ("accuracy", "loss", "calibration_error"):
            label = figure.replace("_", " ")
            found[label] = roc.said(metrics[figure], metrics.get(f"{figure}_interval"))
        return found | roc.rows(metrics)

    def pictures(
        self,
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
        score = self.scores(logits)
        curves = {}
        for number, name in enumerate(classes):
            if name not in metrics.get("auc", {}):
                continue
            _, signal, fakes = roc.curve(score[:, number], events.y == number, events.weight)
            curves[name] = {"signal": signal, "background": fakes, "auc": metrics["auc"][name]}
        plots.roc(curves, folder / "roc.svg")

    def changes(
        self,
        reference: np.ndarray,
        answer: np.ndarray,
        events: Events,
        scaling: Scaling | None = None,
        names: Sequence[str] = (),
    ) -> dict[str, float]:
        """Return what other logits change.

        `decision_flips` is the fraction of events decided otherwise, `max_efficiency_shift` the
        largest change, over classes and background rates, of the signal efficiency;
        `calibration_error` is that of the answer, `reference_calibration_error` that of the
        reference (`hepnn.tasks.calibration`).

        Parameters
        ----------
        reference, answer
            Logits `(events, classes)`.
        events
            Labels and weights.
        scaling, names
            Of no meaning here.
        """
        both = (reference, answer)
        scores, decided = [self.scores(one) for one in both], [self.decisions(one) for one in both]
        weight = events.weight.astype(np.float64)
        errors = [
            calibration.error(score, given, events.y, weight)
            for score, given in zip(scores, decided, strict=True)
        ]
        return {
            "decision_flips": float(np.mean(decided[0] != decided[1])),
            "max_efficiency_shift": _efficiency_shift(scores[0], scores[1], events),
            "calibration_error": errors[1],
            "reference_calibration_error": errors[0],
        }


def binomial(successes: int, trials: int) -> list[float]:
    """Return the Clopper-Pearson interval of 68.27 % coverage.

    >>> [round(x, 3) for x in binomial(0, 10)]
    [0.0, 0.168]
    """
    tail = (1 - COVERAGE) / 2
    low = 0.0 if successes == 0 else betaincinv(successes, trials - successes + 1, tail)
    high = 1.0 if successes == trials else betaincinv(successes + 1, trials - successes, 1 - tail)
    return [float(low), float(high)]


def _efficiency_shift(before: np.ndarray, after: np.ndarray, events: Events) -> float:
    shift = 0.0
    for number in range(before.shape[-1]):
        signal = events.y == number
        if not signal.any() or signal.all():
            continue
        shares = [
            roc.efficiencies(score[:, number], signal, events.weight, roc.resolved(signal))
            for score in (before, after)
        ]
        shift = max(shift, float(np.abs(shares[0] - shares[1]).max(initial=0.0)))
    return shift
