"""Segmentation: one logit a class and pixel, the softmax outside the network.

A pixel is given the class of its largest logit. Where most pixels are of one class, the first,
accuracy says little; what counts is the intersection over union of each class (IoU, P. Jaccard,
1901): the pixels rightly given to a class, over those that are of it or are given to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp

from hepnn.errors import DataError, HepnnError, RecipeError
from hepnn.run import Events
from hepnn.tasks import Figure, Words, bootstrap
from hepnn.tasks.bootstrap import central
from hepnn.tasks.scaling import Scaling

#: Logits that are looked at together, in double precision.
AT_ONCE = 8_000_000

#: A mask has changed if more of its pixels are decided otherwise than this part of the pixels
#: that the reference decides wrongly in an event.
CHANGED = 0.1

#: Events that are drawn.
DRAWN = 3


class Segment:
    """The task.

    Parameters
    ----------
    class_weights
        Weight of each class in the cross-entropy of the training, in the order of the classes;
        ones by default. Against rare classes, roughly one over their share of the pixels, or
        its root.
    dice
        Share of the soft Dice loss in the training, 0 to 1.
    """

    LABELS = "mask"
    SCALED = None
    FROM_NOISE = False
    FIGURES = {
        "iou": Figure("IoU: intersection of decision and truth over their union"),
        "precision": Figure("pixels given the class that have it", percent=True),
        "recall": Figure("pixels of the class that are given it", percent=True),
    }
    PICTURES = {"masks": "Input, truth and decision", "confusion": "Confusion of pixels"}
    WORDS = Words("mask", "change", "IoU")

    def __init__(self, class_weights: Sequence[float] | None = None, dice: float = 0.0) -> None:
        self.class_weights = class_weights
        self.dice = dice

    def shapes(
        self, shape: tuple[int, ...], names: Sequence[Any]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the image's shape, and one logit a class for each of its pixels.

        Raises
        ------
        RecipeError
            If the events are no images, or another number of classes has weights.
        """
        if len(shape) != 3:
            raise RecipeError(
                f"task segment takes images (height, width, channels), not events of shape {shape}"
            )
        if self.class_weights is not None and len(self.class_weights) != len(names):
            raise RecipeError(
                f"task.class_weights: {len(self.class_weights)} weights of {len(names)} classes "
                f"({', '.join(names)})"
            )
        return shape, (*shape[:2], len(names))

    def view(
        self, events: Events, names: Sequence[str], scaling: Scaling | None, seed: int
    ) -> Events:
        """Return the events as they are.

        Raises
        ------
        DataError
            If the masks are not as large as the images.
        """
        if events.y.shape[1:] != events.x.shape[1:3]:
            sizes = ["x".join(map(str, part.shape[1:3])) for part in (events.y, events.x)]
            raise DataError(f"task segment: masks of {sizes[0]} pixels, images of {sizes[1]}")
        return events

    def learns_from(self, events: Events, names: Sequence[str]) -> np.ndarray | None:
        """Return None: all events are trained on."""
        return None

    def loss(self, counts: Sequence[int] = ()) -> Any:
        """Return the pixels' cross-entropy, weighted and with its share of Dice."""
        from hepnn.tasks.pixels import PixelLoss

        return PixelLoss(self.class_weights, self.dice)

    def metrics(self) -> list[Any]:
        """Return the accuracy of the pixels, and the IoU of all classes but the first."""
        import keras

        from hepnn.tasks.pixels import ForegroundIoU

        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy"), ForegroundIoU()]

    def encode(self, events: Events, scaling: Scaling | None = None) -> np.ndarray:
        """Return the masks as they are."""
        return events.y

    def decode(self, outputs: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
        """Return logits as they are: what is decided is left to `decisions`."""
        return outputs

    def evaluate(
        self,
        outputs: np.ndarray,
        events: Events,
        names: Sequence[str],
        seed: int = 0,
        scaling: Scaling | None = None,
    ) -> dict[str, Any]:
        """Return every metric, with the central 68.27 % of a Poisson bootstrap of the events.

        Of each class `iou`, `precision` and `recall`, over all pixels of all events: a class
        that is neither there nor given has none. `mean_iou` is over the classes that have one,
        `pixel_accuracy` that of all, `confusion` counts them, and `loss` is their cross-entropy
        without weights or Dice.

        Parameters
        ----------
        outputs
            Logits `(events, height, width, classes)`.
        events
            The events, with masks and weights.
        names
            Of the classes.
        seed
            Of the bootstrap.
        scaling
            Of no meaning here.

        Raises
        ------
        HepnnError
            If an output is not finite.
        """
        wild = ~np.isfinite(outputs).reshape(len(outputs), -1).all(axis=1)
        if wild.any():
            raise HepnnError(
                f"the network's outputs are not finite on {int(wild.sum())} of {len(events)} "
                "events: the training diverged; try a smaller fit.learning_rate"
            )
        weight = events.weight.astype(np.float64)
        found = confusions(decisions(outputs), events.y, len(names))
        drawn = bootstrap.draws(len(events), seed)
        losses = bootstrap.means(_cross_entropy(outputs, events.y)[:, None], weight, drawn)[:, 0]
        drawn = drawn * weight
        totals = np.tensordot(np.concatenate([weight[None], drawn]), found, axes=1)
        report: dict[str, Any] = {
            "events": len(events),
            "loss": float(losses[0]),
            "loss_interval": central(losses[1:]),
            "confusion": totals[0, :, :-1].tolist(),
        }
        for figure, values in _figures(totals).items():
            if values.ndim == 1:
                report[figure] = float(values[0])
                report[f"{figure}_interval"] = central(values[1:])
                continue
            known = [number for number in range(len(names)) if np.isfinite(values[0, number])]
            report[figure] = {names[number]: float(values[0, number]) for number in known}
            report[f"{figure}_interval"] = {
                names[number]: central(values[1:, number]) for number in known
            }
        return report

    def headline(self, metrics: Mapping[str, Any]) -> str:
        """Return the mean IoU.

        >>> Segment().headline({"mean_iou": 0.71642})
        'mean IoU 0.7164'
        """
        return f"mean IoU {metrics['mean_iou']:.4f}"

    def rows(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Return mean IoU and accuracy, and of each class IoU, precision and recall."""
        found = {"events": str(metrics["events"])}
        if "loss_interval" in metrics:
            found["loss"] = _measured(metrics["loss"], metrics["loss_interval"])
        for figure, label in (("mean_iou", "mean IoU"), ("pixel_accuracy", "pixel accuracy")):
            found[label] = _measured(metrics[figure], metrics[f"{figure}_interval"])
        for figure, label in (("iou", "IoU"), ("precision", "precision"), ("recall", "recall")):
            for name, value in metrics[figure].items():
                interval = metrics[f"{figure}_interval"][name]
                found[f"{label} {name}"] = _measured(value, interval)
        return found

    def pictures(
        self,
        outputs: np.ndarray,
        events: Events,
        names: Sequence[str],
        metrics: Mapping[str, Any],
        folder: Path,
        scaling: Scaling | None = None,
    ) -> None:
        """Draw the first events with truth and decision, and which class is taken for which."""
        from hepnn import plots
        from hepnn.plots import segmentation

        first = slice(DRAWN)
        decided = decisions(outputs[first])
        segmentation.masks(events.x[first], events.y[first], decided, names, folder / "masks.svg")
        plots.confusion(np.array(metrics["confusion"]), names, folder / "confusion.svg")

    def changes(
        self,
        reference: np.ndarray,
        answer: np.ndarray,
        events: Events,
        scaling: Scaling | None = None,
        names: Sequence[str] = (),
    ) -> dict[str, float]:
        """Return what other logits change.

        `decision_flips` is the fraction of events in which more pixels are decided otherwise
        than a tenth of those that the reference decides wrongly in the mean event: less is lost
        in what the network does not know anyway. `max_efficiency_shift` is the largest change of
        a class's IoU. A pixel with a logit that is not finite is given no class.

        Parameters
        ----------
        reference, answer
            Logits `(events, height, width, classes)`.
        events
            Masks and weights.
        scaling
            Of no meaning here.
        """
        before, after = decisions(reference), decisions(answer)
        classes, weight = reference.shape[-1], events.weight.astype(np.float64)
        shares = []
        for decided in (before, after):
            total = np.tensordot(weight, confusions(decided, events.y, classes), axes=1)
            shares.append(np.nan_to_num(_figures(total)["iou"]))
        otherwise, wrong = (
            np.count_nonzero(before != other, axis=(1, 2)) for other in (after, events.y)
        )
        changed = otherwise > CHANGED * np.average(wrong, weights=weight)
        return {
            "decision_flips": float(changed.mean()),
            "max_efficiency_shift": float(np.abs(shares[0] - shares[1]).max()),
        }


def decisions(logits: np.ndarray) -> np.ndarray:
    """Return the class of each pixel's largest logit, the first of equals; -1 if not finite."""
    return np.where(np.isfinite(logits).all(axis=-1), logits.argmax(axis=-1), -1)


def confusions(decided: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Return how many pixels of each class an event has, by what they are decided to be.

    Parameters
    ----------
    decided, truth
        Classes `(events, height, width)`.
    classes
        How many there are.

    Returns
    -------
    np.ndarray
        `(events, classes, classes + 1)`: true class, decision; the last column has the pixels
        that are given no class.
    """
    events, cells = len(truth), classes * (classes + 1)
    place = truth.astype(np.int64) * (classes + 1) + np.where(decided < 0, classes, decided)
    place += cells * np.arange(events).reshape(-1, 1, 1)
    counts = np.bincount(place.ravel(), minlength=events * cells)
    return counts.reshape(events, classes, classes + 1)


def _figures(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Return every figure of confusions `(..., classes, classes + 1)`; not a number where none."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    true, given = confusion.sum(axis=-1), confusion[..., :-1].sum(axis=-2)
    shares = {
        "iou": _share(right, true + given - right),
        "precision": _share(right, given),
        "recall": _share(right, true),
    }
    known = np.isfinite(shares["iou"])
    total = np.where(known, shares["iou"], 0.0).sum(axis=-1)
    return {
        "pixel_accuracy": _share(right.sum(axis=-1), true.sum(axis=-1)),
        "mean_iou": _share(total, known.sum(axis=-1)),
        **shares,
    }


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _cross_entropy(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean cross-entropy of each event's pixels `(events,)`."""
    step = max(AT_ONCE // max(int(np.prod(logits.shape[1:])), 1), 1)
    found = np.empty(len(logits))
    for start in range(0, len(logits), step):
        block = slice(start, start + step)
        entropy = logsumexp(logits[block].astype(np.float64), axis=-1)
        picked = np.take_along_axis(logits[block], truth[block, ..., None], axis=-1)[..., 0]
        found[block] = (entropy - picked).mean(axis=(1, 2))
    return found


def _measured(value: float, interval: Sequence[float]) -> str:
    return f"{value:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"
