"""Reconstruction: the inputs again, behind a bottleneck; what it does badly is an anomaly.

The network puts out `z = (x - offset) * 2**-exponent`, the scaled inputs of
`hepnn.data.scaling`, so that features of any size weigh alike. The error of an event is the mean
of its squared differences, over all features (pixels, steps).

With background classes, only their events are trained on: the network reconstructs them well,
and an event unlike them badly (M. Farina, Y. Nakai, D. Shih, Phys. Rev. D 101 (2020) 075021,
arXiv:1808.08992; T. Heimel et al., SciPost Phys. 6 (2019) 030, arXiv:1808.08979). An event whose
error is above that of all but 1 % of the background is called an anomaly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import HepnnError
from hepnn.run import Events
from hepnn.tasks import Figure, Words, bootstrap, roc
from hepnn.tasks.bootstrap import central
from hepnn.tasks.scaling import Scaling

#: The part of the background that is called an anomaly.
FALSE_POSITIVES = 0.01

#: Numbers that are looked at together, in double precision.
AT_ONCE = 4_000_000

#: Events that are drawn, where they are images.
DRAWN = 6


class Reconstruct:
    """The task.

    Parameters
    ----------
    background
        Names of the classes that are trained on; all events without.
    """

    LABELS = None
    SCALED = "inputs"
    FROM_NOISE = False
    FIGURES = {
        "error": Figure("reconstruction error: mean squared difference a feature"),
        "auc": Figure("AUC of the reconstruction error, against the background"),
        "efficiency_at_background": Figure("efficiency at {} % false positives", percent=True),
        "rejection_at_efficiency": Figure("background rejection at {} % efficiency"),
    }
    PICTURES: Mapping[str, str] = {
        "reconstruction": "Inputs and their reconstruction",
        "errors": "Reconstruction error",
    }
    WORDS = Words("anomaly decision", "flip", "efficiency or error")

    def __init__(self, background: Sequence[str] | None = None) -> None:
        self.background = background
        if background:
            self.PICTURES = {**self.PICTURES, "roc": "ROC, each class against the background"}

    def shapes(
        self, shape: tuple[int, ...], names: Sequence[Any]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the event's shape, twice."""
        return shape, shape

    def view(
        self, events: Events, names: Sequence[str], scaling: Scaling | None, seed: int
    ) -> Events:
        """Return the events as they are."""
        return events

    def learns_from(self, events: Events, names: Sequence[str]) -> np.ndarray | None:
        """Return which events are background; None where all are."""
        if not self.background:
            return None
        return np.isin(events.y, [list(names).index(name) for name in self.background])

    def loss(self, counts: Sequence[int] = ()) -> Any:
        """Return the mean squared difference of an event, as a function `(events,)`."""
        return _squared

    def metrics(self) -> list[Any]:
        """Return what is followed in training: the error without what else the loss holds."""
        import keras

        return [keras.metrics.MeanMetricWrapper(_squared, name="reconstruction")]

    def encode(self, events: Events, scaling: Scaling | None = None) -> np.ndarray:
        """Return what the network is trained on: z `(events, *shape)` float32 of the inputs."""
        assert scaling is not None
        z = (events.x.astype(np.float64) - scaling.offset) * 2.0**-scaling.exponent
        return z.astype(np.float32)

    def decode(self, outputs: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
        """Return the quantities `(events, *shape)` float64 of z."""
        assert scaling is not None
        return outputs.astype(np.float64) * 2.0**scaling.exponent + scaling.offset

    def errors(
        self, outputs: np.ndarray, events: Events, scaling: Scaling | None = None
    ) -> np.ndarray:
        """Return the reconstruction error of each event `(events,)`: its anomaly score.

        An output that is not finite makes it infinite.
        """
        found = np.empty(len(events))
        step = max(AT_ONCE // max(int(np.prod(events.x.shape[1:])), 1), 1)
        for start in range(0, len(events), step):
            some = slice(start, start + step)
            z = self.encode(Events(events.x[some], events.y[some], events.weight[some]), scaling)
            difference = np.asarray(outputs[some], np.float64) - z
            found[some] = (difference.reshape(len(z), -1) ** 2).mean(axis=1)
        return np.where(np.isfinite(found), found, np.inf)

    def evaluate(
        self,
        outputs: np.ndarray,
        events: Events,
        names: Sequence[str],
        seed: int = 0,
        scaling: Scaling | None = None,
    ) -> dict[str, Any]:
        """Return every metric with its interval: the central 68.27 % of a Poisson bootstrap.

        `loss` is the mean error of the background, or of all events without one; `explained` the
        part of the variance of z, around the mean of the training split, that is not lost. Of
        each class `error`; of each that is not background, `auc`, `efficiency_at_background` and
        `rejection_at_efficiency` of the error against the background.

        Parameters
        ----------
        outputs
            z `(events, *shape)`.
        events
            The events, with weights.
        names
            Of the classes.
        seed
            Seed of the bootstrap.
        scaling
            Of the inputs.

        Raises
        ------
        HepnnError
            If an output is not finite.
        """
        assert scaling is not None
        score, weight = self.errors(outputs, events, scaling), events.weight.astype(np.float64)
        if wild := int(np.count_nonzero(~np.isfinite(score))):
            raise HepnnError(
                f"the network's outputs are not finite on {wild} of {len(events)} events: "
                "the training diverged; try a smaller fit.learning_rate"
            )
        background = self.learns_from(events, names)
        learned = np.full(len(events), True) if background is None else background
        drawn = bootstrap.draws(len(events), seed)
        mean = (scaling.mean - scaling.offset) * 2.0**-scaling.exponent
        constant = np.broadcast_to(mean, (len(events), *events.x.shape[1:]))
        spread = self.errors(constant, events, scaling)
        values = np.stack([score, spread], 1)[learned]
        lost, varied = bootstrap.means(values, weight[learned], drawn[:, learned]).T
        value = {"loss": lost, "explained": 1 - lost / np.maximum(varied, 1e-300)}
        report: dict[str, Any] = {"events": len(events)}
        for figure, replicas in value.items():
            report[figure] = float(replicas[0])
            report[f"{figure}_interval"] = central(replicas[1:])
        for number, name in enumerate(names) if _of_classes(events) else ():
            chosen = events.y == number
            if not chosen.any():
                continue
            found = bootstrap.means(score[chosen, None], weight[chosen], drawn[:, chosen])[:, 0]
            report.setdefault("error", {})[name] = float(found[0])
            report.setdefault("error_interval", {})[name] = central(found[1:])
            if background is None or name in (self.background or ()):
                continue
            both = background | chosen
            roc.report_into(report, name, score[both], chosen[both], weight[both], drawn[:, both])
        return report

    def headline(self, metrics: Mapping[str, Any]) -> str:
        """Return the AUC of each class that is not background, or what the network explains.

        >>> Reconstruct().headline({"loss": 0.01589, "explained": 0.9842})
        'error 0.0159, 98.4% of the variance explained'
        >>> Reconstruct(["gluon"]).headline({"auc": {"w": 0.7071, "top": 0.7644}})
        'AUC w 0.7071, top 0.7644'
        """
        if metrics.get("auc"):
            return "AUC " + ", ".join(f"{name} {area:.4f}" for name, area in metrics["auc"].items())
        return f"error {metrics['loss']:.3g}, {metrics['explained']:.1%} of the variance explained"

    def rows(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Return error and explained variance, AUC and efficiency at 1 % false positives."""
        found = {"events": str(metrics["events"])}
        for figure, label in (("loss", "error"), ("explained", "variance explained")):
            low, high = metrics[f"{figure}_interval"]
            found[label] = f"{metrics[figure]:.4g} [{low:.4g}, {high:.4g}]"
        for name, error in metrics.get("error", {}).items():
            low, high = metrics["error_interval"][name]
            found[f"error {name}"] = f"{error:.4g} [{low:.4g}, {high:.4g}]"
        return found | roc.rows(metrics)

    def pictures(
        self,
        outputs: np.ndarray,
        events: Events,
        names: Sequence[str],
        metrics: Mapping[str, Any],
        folder: Path,
        scaling: Scaling | None = None,
    ) -> None:
        """Draw inputs beside their reconstruction, the errors by class, and the ROC curves."""
        from hepnn import plots
        from hepnn.plots import reconstruction, regression

        assert scaling is not None
        score = self.errors(outputs, events, scaling)
        background = self.learns_from(events, names)
        path = folder / "reconstruction.svg"
        if events.x.ndim == 4:
            chosen = _first_of_each(events, DRAWN)
            shown = self.decode(outputs[chosen], scaling)
            reconstruction.images(events.x[chosen], shown, path)
        else:
            features = events.x.shape[-1]
            truth = events.x.reshape(-1, features).astype(np.float64)
            found = self.decode(outputs, scaling).reshape(-1, features)
            weight = np.repeat(events.weight, len(truth) // max(len(events), 1))
            columns = [
                regression.Target(
                    name=name,
                    unit=unit,
                    truth=truth[:, number],
                    prediction=found[:, number],
                    central=(0.0, 0.0),
                )
                for number, (name, unit) in enumerate(
                    zip(scaling.names, scaling.units, strict=True)
                )
            ]
            regression.predictions(columns, weight, path)
        classes = {"all": np.full(len(events), True)}
        if _of_classes(events) and names:
            classes = {name: events.y == number for number, name in enumerate(names)}
            classes = {name: chosen for name, chosen in classes.items() if chosen.any()}
        threshold = _threshold(score, background, events.weight)
        reconstruction.errors(score, classes, events.weight, threshold, folder / "errors.svg")
        if background is None:
            return
        curves = {}
        for name in metrics.get("auc", {}):
            both = background | classes[name]
            _, signal, fakes = roc.curve(score[both], classes[name][both], events.weight[both])
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
        """Return what other outputs change.

        `decision_flips` is the fraction of events that are called an anomaly by one and not by
        the other, at the threshold that 1 % of the background is above with the reference.
        `max_efficiency_shift` is the largest change, over the other classes and false-positive
        rates, of their efficiency; without other classes, the relative change of the mean error.

        Parameters
        ----------
        reference, answer
            z `(events, *shape)`.
        events
            Inputs, classes and weights.
        scaling
            Of the inputs.
        names
            Of the classes.
        """
        # Of two infinities there is no difference.
        before, after = (
            np.minimum(self.errors(one, events, scaling), 1e300) for one in (reference, answer)
        )
        background = self.learns_from(events, names) if names else None
        threshold = _threshold(before, background, events.weight)
        return {
            "decision_flips": float(np.mean((before > threshold) != (after > threshold))),
            "max_efficiency_shift": self._shift(before, after, events, background),
        }

    def _shift(
        self, before: np.ndarray, after: np.ndarray, events: Events, background: np.ndarray | None
    ) -> float:
        there = np.zeros(0) if background is None else events.y[~background & (events.y >= 0)]
        others = np.unique(there)
        if not len(others):
            if np.array_equal(before, after):
                return 0.0
            largest = float(np.finfo(np.float32).max)
            weight = events.weight.astype(np.float64)
            first, second = (np.average(error, weights=weight) for error in (before, after))
            return float(min(abs(second - first) / first, largest)) if first > 0 else largest
        assert background is not None
        shift = 0.0
        for number in others:
            both = background | (events.y == number)
            signal, weight = (events.y == number)[both], events.weight[both]
            rates = roc.resolved(signal)
            shares = [
                roc.efficiencies(error[both], signal, weight, rates) for error in (before, after)
            ]
            shift = max(shift, float(np.abs(shares[0] - shares[1]).max(initial=0.0)))
        return shift


def _squared(wanted: Any, outputs: Any) -> Any:
    """Return the mean squared difference of each event `(events,)`."""
    from keras import ops

    difference = ops.reshape(outputs - ops.cast(wanted, outputs.dtype), (ops.shape(outputs)[0], -1))
    return ops.mean(ops.square(difference), axis=-1)


def _of_classes(events: Events) -> bool:
    """Say whether the labels are one class an event."""
    return events.y.ndim == 1 and np.issubdtype(events.y.dtype, np.integer)


def _threshold(score: np.ndarray, background: np.ndarray | None, weight: np.ndarray) -> float:
    """Return the error that so much of the background is above: `FALSE_POSITIVES` at most."""
    if background is not None:
        score, weight = score[background], weight[background]
    if not len(score):
        return np.inf
    order = np.argsort(-score, kind="stable")
    share = np.cumsum(weight[order], dtype=np.float64)
    share /= max(share[-1], 1e-300)
    first = int(np.searchsorted(share, FALSE_POSITIVES + 1e-12, side="right"))
    return float(score[order][min(first, len(score) - 1)])


def _first_of_each(events: Events, wanted: int) -> np.ndarray:
    """Return the first events, of the classes in turn where there are any."""
    if not _of_classes(events):
        return np.arange(min(wanted, len(events)))
    numbers = np.unique(events.y)
    places = [np.flatnonzero(events.y == number)[:wanted] for number in numbers]
    turns = [place[turn] for turn in range(wanted) for place in places if turn < len(place)]
    return np.array(turns[:wanted], np.int64)
