"""Learning rates over the steps of a fit; `hepnn.recipe.schedules` has their equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.optimizers import schedules

from hepnn.errors import RecipeError, nearest
from hepnn.recipe import schedules as declared
from hepnn.recipe.fit import Fit
from hepnn.training.callbacks import improves_downwards


class Warmed(schedules.LearningRateSchedule):
    """A schedule behind steps in which the rate rises linearly to its start.

    Parameters
    ----------
    behind
        The schedule, or a rate.
    steps
        Of the warm-up.
    """

    def __init__(self, behind: Any, steps: int) -> None:
        self.behind = behind
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step."""
        done = ops.cast(step, "float32")
        rate = self.behind if callable(self.behind) else lambda _: self.behind
        first = rate(ops.zeros_like(done))
        later = rate(ops.maximum(done - self.steps, 0.0))
        return ops.where(done < self.steps, first * (done / self.steps), later)

    def get_config(self) -> dict[str, Any]:
        """Return what it is made of."""
        return {"behind": float(self(self.steps)), "steps": self.steps}


class Cycle(schedules.LearningRateSchedule):
    """Up to a rate and down again, each along half a cosine.

    Parameters
    ----------
    rate
        The highest.
    first, final
        Of the rate, at the step 0 and from the last step on.
    rise, steps
        Steps up, and steps up and down.
    """

    def __init__(self, rate: float, first: float, final: float, rise: int, steps: int) -> None:
        self.rate, self.first, self.final = rate, first, final
        self.rise, self.steps = rise, steps

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step."""
        done = ops.cast(step, "float32")
        up = ops.minimum(done / self.rise, 1.0)
        down = ops.clip((done - self.rise) / (self.steps - self.rise), 0.0, 1.0)
        rising = self.first + (1 - self.first) * (1 - ops.cos(math.pi * up)) / 2
        falling = self.final + (1 - self.final) * (1 + ops.cos(math.pi * down)) / 2
        return self.rate * ops.where(done < self.rise, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """Return what it is made of."""
        return dict(vars(self))


class Lowered(schedules.LearningRateSchedule):
    """A rate times a factor that is set from outside.

    Parameters
    ----------
    rate
        The schedule, or a rate.

    Attributes
    ----------
    factor
        A variable of the optimizer's, which makes it, so that it goes where the others go.
    """

    def __init__(self, rate: Any) -> None:
        self.rate = rate
        self.factor: Any = 1.0

    def __call__(self, step: Any) -> Any:
        """Return the rate at a step."""
        return self.factor * (self.rate(step) if callable(self.rate) else self.rate)

    def get_config(self) -> dict[str, Any]:
        """Return what it is made of."""
        return {"rate": float(self(2**30))}


class Plateau(keras.callbacks.Callback):
    """Lower the rate when the monitored value gets no better.

    Parameters
    ----------
    wanted
        As declared.
    rate
        The fit's.
    """

    def __init__(self, wanted: declared.Plateau, rate: Lowered) -> None:
        super().__init__()
        self._wanted = wanted
        self._rate = rate
        self._best = np.inf
        self._waited = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compare, and lower."""
        logs, monitor = logs or {}, self._wanted.monitor
        if monitor not in logs:
            raise RecipeError(f"schedule.monitor: no {monitor!r}; {nearest(monitor, logs)}")
        value = logs[monitor] if improves_downwards(monitor) else -logs[monitor]
        self._waited += 1
        if value < self._best - self._wanted.least:
            self._best, self._waited = value, 0
        elif self._waited >= self._wanted.patience:
            now = float(self._rate.factor)
            self._rate.factor.assign(max(now * self._wanted.factor, self._wanted.final))
            self._waited = 0

    def state(self) -> dict[str, np.ndarray]:
        """Return what a resumed fit needs."""
        return {"marks": np.array([self._best, self._waited])}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over the state of a killed fit."""
        best, waited = state["marks"]
        self._best, self._waited = float(best), int(waited)


def of(plan: Fit, steps_an_epoch: int) -> Any:
    """Return the learning rate of a plan: a number, or a Keras schedule over the steps.

    Parameters
    ----------
    plan
        Of the fit.
    steps_an_epoch
        Batches an epoch.
    """
    wanted = plan.schedule
    steps = plan.epochs * steps_an_epoch
    warmup = round(wanted.warmup * steps)
    behind = _FORMS[type(wanted)](
        wanted, plan.learning_rate, max(steps - warmup, 1), steps_an_epoch
    )
    rate = Warmed(behind, warmup) if warmup else behind
    return Lowered(rate) if isinstance(wanted, declared.Plateau) else rate


def _constant(wanted: Any, rate: float, steps: int, an_epoch: int) -> float:
    return rate


def _step(wanted: declared.StepDecay, rate: float, steps: int, an_epoch: int) -> Any:
    if wanted.every:
        return schedules.ExponentialDecay(rate, wanted.every * an_epoch, wanted.factor, True)
    # Keras's boundaries still belong to the rate before them.
    ends = [epoch * an_epoch - 1 for epoch in wanted.at]
    rates = [rate * wanted.factor**falls for falls in range(len(ends) + 1)]
    return schedules.PiecewiseConstantDecay(ends, rates)


def _exponential(wanted: declared.Exponential, rate: float, steps: int, an_epoch: int) -> Any:
    return schedules.ExponentialDecay(rate, steps, wanted.final)


def _inverse_time(wanted: declared.InverseTime, rate: float, steps: int, an_epoch: int) -> Any:
    return schedules.InverseTimeDecay(rate, wanted.half * an_epoch, 1.0)


def _cosine(wanted: declared.Cosine, rate: float, steps: int, an_epoch: int) -> Any:
    length = wanted.epochs * an_epoch if wanted.epochs else steps
    return schedules.CosineDecay(rate, length, wanted.final)


def _one_cycle(wanted: declared.OneCycle, rate: float, steps: int, an_epoch: int) -> Any:
    length = wanted.epochs * an_epoch if wanted.epochs else steps
    length = max(length, 2)
    rise = min(max(round(wanted.rise * length), 1), length - 1)
    return Cycle(rate, wanted.first, wanted.final, rise, length)


_FORMS: dict[type, Callable[..., Any]] = {
    declared.Constant: _constant,
    declared.StepDecay: _step,
    declared.Exponential: _exponential,
    declared.InverseTime: _inverse_time,
    declared.Cosine: _cosine,
    declared.OneCycle: _one_cycle,
    declared.Plateau: _constant,
}
