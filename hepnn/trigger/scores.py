"""From a network's outputs to the one number that is cut on: larger is more like signal.

A score is made with the names of the signal, and has two forms that agree but for the last bits
of the exponential: `one`, plain Python for a single event, without an array made; and `many`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import copysign, exp, inf, sinh
from typing import Any, Protocol

import numpy as np

from hepnn.errors import RecipeError, nearest
from hepnn.trigger.export import Export


class Score(Protocol):
    """How events are ranked."""

    #: What it is called in tables.
    title: str

    #: Places of the signal classes, or of the quantity, among the export's names; none where
    #: nothing was said.
    chosen: tuple[int, ...]

    def one(self, outputs: np.ndarray, x: np.ndarray) -> float:
        """Return the score of one event from its outputs and inputs, as the network has them."""

    def many(self, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the scores `(events,)` float64."""

    def signal(self, y: np.ndarray) -> np.ndarray | None:
        """Return which events `(events,)` bool are signal by truth; None if truth says nothing."""


def of(export: Export, signal: Sequence[str] | None = None) -> Score:
    """Return the score of an export.

    Parameters
    ----------
    export
        Of a classifier, of a network that reconstructs, or of one that predicts quantities.
    signal
        Names of the classes that are signal. Of a classifier the last one by default; of a
        network that reconstructs all that it was not trained on. Of quantities the one that is
        cut on, where there are several.

    Raises
    ------
    RecipeError
        If there is no such class or quantity, or nothing but signal, or the task has no score.
    """
    for name in signal or ():
        if name not in export.names:
            what = "quantity" if export.task == "regress" else "class"
            raise RecipeError(f"no {what} {name!r}; {nearest(name, export.names)}")
    chosen = [number for number, name in enumerate(export.names) if name in (signal or ())]
    if export.task == "regress":
        chosen = chosen or list(range(len(export.names)))
        if len(chosen) != 1:
            raise RecipeError(f"a cut is on one quantity, as in --signal {export.names[0]}")
        return Quantity(export.targets[chosen[0]], chosen[0])
    if chosen and len(chosen) == len(export.names):
        raise RecipeError("every class is signal: nothing is left to be rejected")
    if export.task == "classify":
        chosen = chosen or [len(export.names) - 1]
        outputs = int(np.prod(export.output_shape))
        if export.options.get("outputs", "logits") == "probabilities":
            return Probability(chosen, outputs, export.names)
        kind = SoftmaxOfOne if len(chosen) == 1 and outputs > 1 else Softmax
        return kind(chosen, outputs, export.names)
    if export.task == "reconstruct":
        background = export.options.get("background") or ()
        if not chosen and background:
            chosen = [n for n, name in enumerate(export.names) if name not in background]
        return Anomaly(export.targets, chosen)
    raise RecipeError(
        f"task {export.task} has no score to cut on: classify, reconstruct and regress have"
    )


class Probability:
    """The probability of the signal classes, of a network that puts out probabilities."""

    def __init__(self, chosen: Sequence[int], outputs: int, names: Sequence[str]) -> None:
        self.title = "p(" + "+".join(names[number] for number in chosen) + ")"
        self.chosen = tuple(chosen)
        self._rest = tuple(number for number in range(max(outputs, 2)) if number not in chosen)
        # One output of two classes: that of the second.
        self._single = outputs == 1

    def one(self, outputs: np.ndarray, x: np.ndarray) -> float:
        """Return the probability of one event."""
        values = outputs.tolist()
        if self._single:
            return values[0] if self.chosen == (1,) else 1.0 - values[0]
        return sum(values[number] for number in self.chosen)

    def many(self, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the probabilities `(events,)`."""
        values = outputs.astype(np.float64)
        if self._single:
            return values[:, 0] if self.chosen == (1,) else 1.0 - values[:, 0]
        return values[:, list(self.chosen)].sum(axis=1)

    def signal(self, y: np.ndarray) -> np.ndarray:
        """Return which events are of the signal classes."""
        return np.isin(y, self.chosen)


class Softmax(Probability):
    """The probability of the signal classes, of a network that puts out logits."""

    def one(self, outputs: np.ndarray, x: np.ndarray) -> float:
        """Return 1 / (1 + sum(rest) / sum(signal)) of the exponentials of one event's logits."""
        values = outputs.tolist()
        if self._single:
            values = [0.0, values[0]]
        top = max(values)
        kept = left = 0.0
        for number in self.chosen:
            kept += exp(values[number] - top)
        for number in self._rest:
            left += exp(values[number] - top)
        return kept / (kept + left)

    def many(self, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the probabilities `(events,)`."""
        values = outputs.astype(np.float64)
        if self._single:
            values = np.hstack([0 * values, values])
        exponential = np.exp(values - values.max(axis=1, keepdims=True))
        kept = exponential[:, list(self.chosen)].sum(axis=1)
        return kept / (kept + exponential[:, list(self._rest)].sum(axis=1))


class SoftmaxOfOne(Softmax):
    """The same of one signal class among several: one division, no maximum."""

    def one(self, outputs: np.ndarray, x: np.ndarray) -> float:
        """Return 1 / sum(exp(logit - logit of the signal)) of one event."""
        values = outputs.tolist()
        signal = values[self.chosen[0]]
        total = 0.0
        try:
            for value in values:
                total += exp(value - signal)
        except OverflowError:
            return 0.0
        return 1.0 / total

    def many(self, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the probabilities `(events,)`."""
        values = outputs.astype(np.float64)
        with np.errstate(over="ignore"):
            return 1.0 / np.exp(values - values[:, self.chosen]).sum(axis=1)


class Anomaly:
    """The reconstruction error: the mean squared difference to the scaled inputs."""

    title = "reconstruction error"

    def __init__(self, targets: Sequence[dict[str, Any]], chosen: Sequence[int]) -> None:
        self._offset = np.array([target["offset"] for target in targets], np.float64)
        self._factor = 2.0 ** -np.array([target["exponent"] for target in targets], np.float64)
        self.chosen = tuple(chosen)

    def one(self, outputs: np.ndarray, x: np.ndarray) -> float:
        """Return the error of one event."""
        return float(self.many(outputs[None], x[None])[0])

    def many(self, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the errors `(events,)`."""
        z = ((x.astype(np.float64) - self._offset) * self._factor).astype(np.float32)
        found = (outputs.astype(np.float64) - z).reshape(len(z), -1)
        return (found**2).mean(axis=1)

    def signal(self, y: np.ndarray) -> np.ndarray | None:
        """Return which events are not background; None where the network saw all of them."""
        return np.isin(y, self.chosen) if self.chosen else None


#: What undoes a transform of the data layer: of one number, and of many.
_UNDONE: dict[str, tuple[Callable[[float], float], Callable[[np.ndarray], np.ndarray]]] = {
    "log": (exp, np.exp),
    "asinh": (sinh, np.sinh),
}


class Quantity:
    """A predicted quantity in its own unit, also where its logarithm or asinh is predicted."""

    def __init__(self, target: dict[str, Any], place: int) -> None:
        unit = target.get("unit", "1")
        self.title = target["name"] if unit == "1" else f"{target['name']} in {unit}"
        self.chosen: tuple[int, ...] = (place,)
        self._place = place
        self._offset, self._factor = float(target["offset"]), 2.0 ** target["exponent"]
        self._undone = _UNDONE.get(target.get("scaling", ""))

    def one(self, outputs: np.ndarray, x: np.ndarray) -> float:
        """Return the quantity of one event."""
        value = outputs.tolist()[self._place] * self._factor + self._offset
        if self._undone is None:
            return value
        try:
            return self._undone[0](value)
        except OverflowError:
            return copysign(inf, value)

    def many(self, outputs: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the quantities `(events,)`."""
        values = outputs[:, self._place].astype(np.float64) * self._factor + self._offset
        if self._undone is None:
            return values
        with np.errstate(over="ignore"):
            return self._undone[1](values)

    def signal(self, y: np.ndarray) -> None:
        """Return None: truth is a number too, and no event is signal or background by it."""
        return None
