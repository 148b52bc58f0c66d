"""The losses of tasks as Keras objects; `hepnn.recipe.losses` has their equations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

#: A loss without parameters, of classes.
PLAIN = "sparse_categorical_crossentropy"


class OverClasses(keras.losses.Loss):
    """A loss of logits `(events, classes)` and class numbers `(events,)`, weighted by class.

    Parameters
    ----------
    form
        `(log p, log p of the label) -> (events,)`.
    weights
        Of each class; ones without.
    """

    def __init__(
        self, form: Callable[[Any, Any], Any], weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self._form = form
        self._weights = weights

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each event `(events,)`."""
        number = ops.cast(ops.reshape(y_true, (-1,)), "int32")
        labels = ops.one_hot(number, y_pred.shape[-1], dtype=y_pred.dtype)
        likely = ops.log_softmax(y_pred)
        lost = self._form(likely, ops.sum(labels * likely, axis=-1))
        if self._weights is None:
            return lost
        return lost * ops.take(ops.convert_to_tensor(self._weights, lost.dtype), number)


class OfOneLogit(keras.losses.Loss):
    """The cross-entropy of one logit `(events, 1)` of the second of two classes.

    Parameters
    ----------
    smoothing
        Of the labels.
    weights
        Of both classes; ones without.
    """

    def __init__(self, smoothing: float = 0.0, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self._smoothing = smoothing
        self._weights = weights

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each event `(events,)`."""
        second = ops.cast(ops.reshape(y_true, (-1,)), y_pred.dtype)
        logit = y_pred[:, 0]
        target = (1 - self._smoothing) * second + self._smoothing / 2
        lost = ops.softplus(logit) - target * logit
        if self._weights is None:
            return lost
        first_weight, second_weight = self._weights
        return lost * (second * second_weight + (1 - second) * first_weight)


class Pinball(keras.losses.Loss):
    """The quantile loss, the mean over targets.

    Parameters
    ----------
    q
        The quantile.
    """

    def __init__(self, q: float) -> None:
        super().__init__()
        self._q = q

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each event `(events,)`."""
        over = y_true - y_pred
        return ops.mean(ops.maximum(self._q * over, (self._q - 1) * over), axis=-1)


#: The losses of regressions.
OF_NUMBERS = (
    keras.losses.MeanSquaredError,
    keras.losses.MeanAbsoluteError,
    keras.losses.Huber,
    Pinball,
)


def of_classes(wanted: Mapping[str, Any], weights: Sequence[float] | None = None) -> Any:
    """Return the loss of a classification.

    Parameters
    ----------
    wanted
        As declared, by key.
    weights
        Of each class.
    """
    name = wanted["name"]
    if name == PLAIN and weights is None:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if name == "binary_crossentropy":
        return OfOneLogit(wanted["smoothing"], weights)
    if name == "focal":
        return OverClasses(_focal(wanted["gamma"]), weights)
    return OverClasses(_smoothed(wanted.get("smoothing", 0.0)), weights)


def of_numbers(wanted: Mapping[str, Any]) -> Any:
    """Return the loss of a regression.

    Parameters
    ----------
    wanted
        As declared, by key.
    """
    if wanted["name"] == "huber":
        return keras.losses.Huber(wanted["delta"])
    if wanted["name"] == "quantile":
        return Pinball(wanted["q"])
    plain = {"mse": keras.losses.MeanSquaredError, "mae": keras.losses.MeanAbsoluteError}
    return plain[wanted["name"]]()


def _smoothed(smoothing: float) -> Callable[[Any, Any], Any]:
    def form(likely: Any, of_label: Any) -> Any:
        return -(1 - smoothing) * of_label - smoothing * ops.mean(likely, axis=-1)

    return form


def _focal(gamma: float) -> Callable[[Any, Any], Any]:
    def form(likely: Any, of_label: Any) -> Any:
        # 1 - p without the difference of almost equals, and with a finite slope at its end.
        unsure = ops.maximum(-ops.expm1(of_label), 1e-7)
        return -(unsure**gamma) * of_label

    return form
