"""The optimizer of a fit: Keras's, with what a fit asks of it besides.

`hepnn.recipe.optimizers` has the equations.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from hepnn.recipe import Fit
from hepnn.recipe.schedules import Plateau
from hepnn.training import schedules

#: By name: the class of Keras, and what it is made with besides the declared.
KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    "gradient_descent": ("SGD", {}),
    "sgd": ("SGD", {}),
    "momentum": ("SGD", {}),
    "nesterov": ("SGD", {"nesterov": True}),
    "adagrad": ("Adagrad", {}),
    "adadelta": ("Adadelta", {}),
    "rmsprop": ("RMSprop", {}),
    "adam": ("Adam", {}),
    "adamw": ("AdamW", {}),
    "nadam": ("Nadam", {}),
    "lion": ("Lion", {}),
}

#: What Keras calls the ways to clip.
_CLIPS = {"value": "clipvalue", "norm": "clipnorm", "global_norm": "global_clipnorm"}


def optimizer(plan: Fit, steps_an_epoch: int) -> keras.optimizers.Optimizer:
    """Return the optimizer of a plan, with its learning-rate schedule.

    Parameters
    ----------
    plan
        Of the fit.
    steps_an_epoch
        Batches an epoch.
    """
    name, fixed = KERAS[plan.optimizer.name]
    settings = {**plan.optimizer.model_dump(exclude={"name"}), **fixed}
    kind = getattr(keras.optimizers, name)
    if plan.clip is not None:
        limits = plan.clip.model_dump(exclude_none=True)
        settings |= {_CLIPS[way]: limit for way, limit in limits.items()}
        kind = type(name, (Measured, kind), {})
    if plan.average:
        kind = type(name, (Averaged, kind), {})
    if isinstance(plan.schedule, Plateau):
        kind = type(name, (Lowerable, kind), {})
    made = kind(learning_rate=schedules.of(plan, steps_an_epoch), **settings)
    if plan.average:
        made.decay = plan.average
    if plan.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(made)
    return made


def followers(plan: Fit, optimizer: Any) -> list[keras.callbacks.Callback]:
    """Return the callbacks that a plan's optimizer and schedule need."""
    found: list[keras.callbacks.Callback] = []
    if plan.clip is not None:
        found.append(Norms(inner(optimizer)))
    if isinstance(plan.schedule, Plateau):
        found.append(schedules.Plateau(plan.schedule, inner(optimizer)._learning_rate))  # noqa: SLF001
    return found


def inner(of: Any) -> Any:
    """Return the optimizer that moves the weights, inside the one that scales the loss."""
    return getattr(of, "inner_optimizer", of)


def rates(driven: Any) -> list[Any]:
    """Return the fit's learning rate where it is a variable, and not a schedule of the steps."""
    others = getattr(driven, "others", ())
    found = [inner(one)._learning_rate for one in (driven.optimizer, *others)]  # noqa: SLF001
    return [rate for rate in found if isinstance(rate, keras.Variable)]


class Lowerable:
    """Holds the factor that a plateau lowers the rate by."""

    def build(self, variables: Sequence[Any]) -> None:
        """Make the factor."""
        if not self.built:  # type: ignore[attr-defined]
            super().build(variables)  # type: ignore[misc]
            self._learning_rate.factor = self.add_variable(  # type: ignore[attr-defined]
                (), initializer="ones", name="factor", aggregation="only_first_replica"
            )


class Measured:
    """Adds up the global norms of the gradients before they are clipped."""

    def build(self, variables: Sequence[Any]) -> None:
        """Make the sum and the count."""
        if not self.built:  # type: ignore[attr-defined]
            super().build(variables)  # type: ignore[misc]
            make = self.add_variable  # type: ignore[attr-defined]
            self.norms = make((), name="norms", aggregation="only_first_replica")
            self.steps = make((), name="steps", aggregation="only_first_replica")

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Measure, and go a step."""
        there = [gradient for gradient in grads if gradient is not None]
        squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in there]
        self.norms.assign_add(ops.sqrt(sum(squares)))
        self.steps.assign_add(1.0)
        super().apply(grads, trainable_variables)  # type: ignore[misc]


class Norms(keras.callbacks.Callback):
    """Add the mean norm of an epoch's gradients, before clipping, to the history.

    Parameters
    ----------
    measured
        The optimizer that measures them.
    """

    def __init__(self, measured: Any) -> None:
        super().__init__()
        self._measured = measured

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Say the mean, and begin anew."""
        steps = float(self._measured.steps)
        if logs is not None and steps:
            logs["gradient_norm"] = float(self._measured.norms) / steps
        self._measured.norms.assign(0.0)
        self._measured.steps.assign(0.0)


class Averaged:
    """Keeps a moving average of the weights: m = d m + (1 - d) w after each step.

    d = min(decay, t / (t + 10)) at the step t, so that the start is soon forgotten. Keras's own
    average puts itself in place of the weights at the end of every call of `fit`.
    """

    decay: float

    def build(self, variables: Sequence[Any]) -> None:
        """Make the averages."""
        if not self.built:  # type: ignore[attr-defined]
            super().build(variables)  # type: ignore[misc]
            make = self.add_variable  # type: ignore[attr-defined]
            self.averages = [
                make(v.shape, dtype=v.dtype, name="average", aggregation="only_first_replica")
                for v in variables
            ]

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Go a step, and let the averages follow."""
        done = ops.cast(self.iterations, "float32")  # type: ignore[attr-defined]
        keep = ops.minimum(self.decay, done / (done + 10.0))
        super().apply(grads, trainable_variables)  # type: ignore[misc]
        for average, now in zip(self.averages, trainable_variables, strict=True):
            average.assign(keep * average + (1.0 - keep) * now)


@contextlib.contextmanager
def averaged(driven: keras.Model) -> Iterator[None]:
    """Hold the averages in place of the weights, where there are any."""
    if not hasattr(inner(driven.optimizer), "averages"):
        yield
        return
    weights = [variable.numpy() for variable in driven.trainable_variables]
    put_average(driven)
    try:
        yield
    finally:
        for variable, value in zip(driven.trainable_variables, weights, strict=True):
            variable.assign(value)


def put_average(driven: keras.Model) -> None:
    """Leave the averages in the place of the weights; what is zero by a constraint stays zero."""
    averages: list[Any] = getattr(inner(driven.optimizer), "averages", [])
    for variable, average in zip(driven.trainable_variables, averages, strict=False):
        value = average.value if variable.constraint is None else variable.constraint(average.value)
        variable.assign(np.asarray(value))
