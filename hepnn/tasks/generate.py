"""Generation: events from random numbers, judged by whether they are distributed as real ones.

The network's inputs are `latent` normal random numbers, on a grid of 2**-10 so that fixed point
takes them as they are, and with `conditional` the class, one-hot, behind them. It puts out
`z = (x - offset) * 2**-exponent` of the data's quantities, with the scaling that other tasks have
in front of the network.

No made event belongs to a real one: samples are compared as a whole, in the data's own quantities
(of images in sums over them, `hepnn.tasks.observables`), by the measures of
`hepnn.tasks.distances`. They need as many made events as real ones, of the same classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hepnn.errors import HepnnError, RecipeError
from hepnn.run import Events
from hepnn.tasks import Figure, Words, bootstrap, distances, observables
from hepnn.tasks.observables import Observables
from hepnn.tasks.scaling import Scaling

#: Step of the random numbers.
GRID = 2.0**-10

#: What figures of all events, and not of one class, are filed under.
EVERY = "all events"

#: An event has moved if an observable is off by more than this part of its spread.
MOVED = 0.1

#: Events that are looked at in training.
WATCHED = 5000

#: Replicas that are looked at together.
_BLOCK = 20


class Generate:
    """The task, with a recipe's options.

    Parameters
    ----------
    latent
        Random numbers that an event is made from.
    conditional
        Whether the network is told the class of the event to make.
    """

    SCALED: Literal["inputs"] = "inputs"
    FROM_NOISE = True
    FIGURES = {
        "two_sample_auc": Figure("AUC of a classifier of real against made; 0.5 is perfect"),
        "coverage": Figure("coverage of the real events; 97 % is perfect", percent=True),
        "wasserstein": Figure("Wasserstein distance of real and made", unit=True),
        "wasserstein_chance": Figure("the same of two real samples, by chance", unit=True),
    }
    PICTURES = {"distributions": "Distributions", "examples": "Real and made, side by side"}
    WORDS = Words("event", "move", "distance to the real events")

    def __init__(self, latent: int = 16, conditional: bool = False) -> None:
        self.latent = latent
        self.conditional = conditional
        self.LABELS = "classes" if conditional else None

    def shapes(
        self, shape: tuple[int, ...], names: Sequence[Any]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the random numbers and classes that go in, and the event's shape.

        Raises
        ------
        RecipeError
            If events are neither features nor images.
        """
        if len(shape) not in (1, 3):
            raise RecipeError(f"task generate takes features or images, no events of {shape}")
        return (self.latent + (len(names) if self.conditional else 0),), shape

    def view(
        self, events: Events, names: Sequence[str], scaling: Scaling | None, seed: int
    ) -> Events:
        """Return random numbers, and the class, as inputs; z of the real events as labels."""
        assert scaling is not None
        noise = np.random.default_rng(seed).normal(size=(len(events), self.latent))
        x = np.round(noise / GRID) * GRID
        if self.conditional:
            x = np.concatenate([x, np.eye(len(names))[events.y]], axis=1)
        z = (events.x.astype(np.float64) - scaling.offset) * 2.0**-scaling.exponent
        return Events(x.astype(np.float32), z.astype(np.float32), events.weight, events.observers)

    def inputs(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what goes into a shipped network."""
        described = {"random": self.latent, "distribution": "normal, mean 0, width 1", "grid": GRID}
        return {**described, "classes": list(names)} if self.conditional else described

    def learns_from(self, events: Events, names: Sequence[str]) -> np.ndarray | None:
        """Return None: all events are trained on."""
        return None

    def loss(self, counts: Sequence[int] = ()) -> Any:
        """Return the discriminator's loss; how it is played for is the training's affair."""
        import keras

        return keras.losses.BinaryCrossentropy(from_logits=True)

    def metrics(self) -> list[Any]:
        """Return nothing: no figure of single events tells how samples are distributed."""
        return []

    def encode(self, events: Events, scaling: Scaling | None = None) -> np.ndarray:
        """Return z `(events, *shape)` of the real events."""
        return events.y

    def decode(self, outputs: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
        """Return the quantities `(events, *shape)` float64 of z."""
        assert scaling is not None
        return outputs.astype(np.float64) * 2.0**scaling.exponent + scaling.offset

    def evaluate(
        self,
        outputs: np.ndarray,
        events: Events,
        names: Sequence[str],
        seed: int = 0,
        scaling: Scaling | None = None,
    ) -> dict[str, Any]:
        """Return every metric, as `judge` has them.

        Raises
        ------
        HepnnError
            If an output is not finite.
        """
        assert scaling is not None
        return judge(outputs, events.y, scaling, events.weight, self._classes(events), names, seed)

    def watch(self, outputs: np.ndarray, events: Events, scaling: Scaling) -> dict[str, float]:
        """Return what is followed in training: the sliced distance, and the coverage.

        Parameters
        ----------
        outputs
            z `(events, *shape)`.
        events
            Validation events, as `view` has them.
        scaling
            Of the quantities.
        """
        if not np.isfinite(outputs).all():
            return {"val_distance": float(np.finfo(np.float32).max), "val_coverage": 0.0}
        real, made = _joint(observables.compare(events.y, outputs, scaling), self._classes(events))
        return {
            "val_distance": float(distances.sliced(real, made, events.weight)),
            "val_coverage": float(distances.covered(real, made).mean()),
        }

    def headline(self, metrics: Mapping[str, Any]) -> str:
        """Return the area under the ROC curve of real against made.

        >>> Generate().headline({"two_sample_auc": {"all events": 0.5432}})
        'two-sample AUC 0.543'
        """
        return f"two-sample AUC {metrics['two_sample_auc'][EVERY]:.3f}"

    def rows(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Return the test of all events, the coverage, and each observable's distance."""
        found = {"events": str(metrics["events"])}
        if "loss_interval" in metrics:
            low, high = metrics["loss_interval"]
            found["sliced distance"] = f"{metrics['loss']:.3g} [{low:.3g}, {high:.3g}]"
        for key, label in (("two_sample_auc", "two-sample AUC"), ("coverage", "coverage")):
            low, high = metrics[f"{key}_interval"][EVERY]
            found[label] = f"{metrics[key][EVERY]:.3f} [{low:.3f}, {high:.3f}]"
        for name, value in metrics["wasserstein"].items():
            low, high = metrics["wasserstein_interval"][name]
            unit = "" if metrics["unit"][name] == "1" else f" {metrics['unit'][name]}"
            by_chance = f"{metrics['wasserstein_chance'][name]:.2g} by chance"
            found[f"Wasserstein {name}"] = f"{value:.3g} [{low:.3g}, {high:.3g}]{unit}, {by_chance}"
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
        """Draw the distributions of the observables, and events, or pairs of observables."""
        from hepnn.plots import generation

        assert scaling is not None
        known = observables.compare(events.y, outputs, scaling)
        generation.distributions(known.real, known.made, known.names, known.units, folder)
        if outputs.ndim == 4:
            real, made = (observables.quantities(z, scaling) for z in (events.y, outputs))
            generation.images(real, made, folder)
        else:
            generation.pairs(known.real, known.made, known.names, known.units, folder)

    def changes(
        self,
        reference: np.ndarray,
        answer: np.ndarray,
        events: Events,
        scaling: Scaling | None = None,
        names: Sequence[str] = (),
    ) -> dict[str, float]:
        """Return what other outputs change.

        `decision_flips` is the fraction of events of which an observable moves by more than a
        tenth of its spread; `max_efficiency_shift` the largest change, over the observables, of
        the Wasserstein distance to the real events, in that spread. An answer that is not finite
        has moved, and shifts without bound.

        Parameters
        ----------
        reference, answer
            z `(events, *shape)`, of the same random numbers.
        events
            Real events and weights.
        scaling
            Of the quantities.
        names
            Of the classes.
        """
        assert scaling is not None
        finite = np.isfinite(answer).reshape(len(answer), -1).all(axis=1)
        before = observables.compare(events.y, reference, scaling)
        after = observables.compare(events.y, np.where(np.isfinite(answer), answer, 0.0), scaling)
        moved = (np.abs(after.made - before.made) > MOVED * before.spread).any(axis=1) | ~finite
        shift = float(np.finfo(np.float32).max)
        if finite.all():
            first, second = (
                distances.wasserstein(one.real, one.made, events.weight) / one.spread
                for one in (before, after)
            )
            shift = float(np.abs(first - second).max(initial=0.0))
        return {"decision_flips": float(moved.mean()), "max_efficiency_shift": shift}

    def _classes(self, events: Events) -> np.ndarray | None:
        """Return the class of each event, if the network is told."""
        return events.x[:, self.latent :].argmax(axis=1) if self.conditional else None


def judge(
    made: np.ndarray,
    real: np.ndarray,
    scaling: Scaling,
    weight: np.ndarray | None = None,
    classes: np.ndarray | None = None,
    names: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Return how far made events are from real ones, whatever made them.

    Parameters
    ----------
    made, real
        z `(events, *shape)`; as many of each.
    scaling
        Of the quantities.
    weight
        `(events,)`, of real and made alike; 1 by default.
    classes
        Class numbers `(events,)` of real and made alike, if the classes were asked for: then
        they are compared class by class, and the classifier is told them.
    names
        Of the classes.
    seed
        Of halves, classifier and bootstrap.

    Returns
    -------
    dict
        `loss`, the sliced distance in standard deviations of the real events; `two_sample_auc`
        and `coverage` of all events and of each class; `wasserstein` of each observable, in its
        unit, beside `wasserstein_chance`, that of two real samples. Intervals are the central
        68.27 % of a Poisson bootstrap; of a distance, which resampling makes larger, the
        bootstrap's standard deviation to both sides.

    Raises
    ------
    HepnnError
        If an output is not finite.
    """
    wild = ~np.isfinite(made).reshape(len(made), -1).all(axis=1)
    if wild.any():
        raise HepnnError(
            f"the network's outputs are not finite on {int(wild.sum())} of {len(made)} events: "
            "the training diverged; try a smaller fit.learning_rate"
        )
    weight = np.ones(len(real)) if weight is None else weight.astype(np.float64)
    known = observables.compare(real, made, scaling)
    joint = _joint(known, classes)
    report: dict[str, Any] = {
        "events": len(real),
        "loss": float(distances.sliced(*joint, weight)),
        "unit": dict(zip(known.names, known.units, strict=True)),
    }
    chosen = {EVERY: np.ones(len(real), bool)}
    if classes is not None:
        chosen |= {name: classes == number for number, name in enumerate(names)}
    scores, tried = distances.tell_apart(*joint, weight, seed)
    few = np.random.default_rng(seed).permutation(len(real))[: distances.COVERED]
    reached = distances.covered(joint[0][few], joint[1][few])
    for name, of_class in chosen.items():
        if of_class[tried].any():
            part = of_class[tried]
            auc = distances.area(scores[:, part], weight[tried][part], seed)
            _file(report, "two_sample_auc", name, *auc)
        if of_class[few].any():
            _file(report, "coverage", name, *_share(reached[of_class[few]], seed))
    spread = _replicas(lambda real, made: distances.sliced(*joint, real, made), weight, seed).std()
    report["loss_interval"] = [max(report["loss"] - spread, 0.0), report["loss"] + spread]
    report |= _wasserstein(known, weight, seed)
    return report


def _joint(known: Observables, classes: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return real and made observables in standard deviations, with the class where it counts.

    Classes are further apart than most of the events of one: what is like an event of another
    class is not like it.
    """
    if classes is None:
        return known.standardized()
    apart = 4.0 * np.eye(int(classes.max()) + 1)[classes]
    real, made = (np.concatenate([part, apart], axis=1) for part in known.standardized())
    return real, made


def _wasserstein(known: Observables, weight: np.ndarray, seed: int) -> dict[str, Any]:
    value = distances.wasserstein(known.real, known.made, weight)
    spread = _replicas(
        lambda real, made: distances.wasserstein(known.real, known.made, real, made), weight, seed
    ).std(axis=0)
    by_chance = distances.chance(known.real, weight, seed)
    found: dict[str, Any] = {"wasserstein": {}, "wasserstein_interval": {}}
    found["wasserstein_chance"] = dict(zip(known.names, by_chance.tolist(), strict=True))
    for name, one, error in zip(known.names, value.tolist(), spread.tolist(), strict=True):
        found["wasserstein"][name] = one
        found["wasserstein_interval"][name] = [max(one - error, 0.0), one + error]
    return found


def _replicas(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray], weight: np.ndarray, seed: int
) -> np.ndarray:
    """Return a distance of every replica, real and made events drawn apart."""
    drawn = (_blocks(bootstrap.draws(len(weight), seed + of)) for of in (0, 1))
    found = [measure(real * weight, made * weight) for real, made in zip(*drawn, strict=True)]
    return np.concatenate(found)


def _blocks(drawn: np.ndarray) -> list[np.ndarray]:
    return [drawn[first : first + _BLOCK] for first in range(0, len(drawn), _BLOCK)]


def _share(reached: np.ndarray, seed: int) -> tuple[float, list[float]]:
    rng = np.random.default_rng(seed)
    drawn = rng.binomial(len(reached), reached.mean(), bootstrap.REPLICAS)
    return float(reached.mean()), bootstrap.central(drawn / len(reached))


def _file(
    report: dict[str, Any], figure: str, name: str, value: float, interval: list[float]
) -> None:
    report.setdefault(figure, {})[name] = value
    report.setdefault(f"{figure}_interval", {})[name] = interval
