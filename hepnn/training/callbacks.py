"""Callbacks of the fit whose state outlives a killed process."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from hepnn.errors import RecipeError, nearest
from hepnn.recipe import Fit


class Best(keras.callbacks.Callback):
    """Keep the weights of the best epoch, and stop when none better comes.

    Parameters
    ----------
    plan
        `keep` and `early_stopping` of the fit.
    first
        First epoch that can be the best.
    monitor
        The monitored value where there is no early stopping.
    """

    def __init__(self, plan: Fit, first: int = 0, monitor: str = "val_loss") -> None:
        super().__init__()
        stopping = plan.early_stopping
        self.monitor = stopping.monitor if stopping else monitor
        self.patience = stopping.patience if stopping else None
        self.keep = plan.keep == "best"
        self.first = first
        self.best = np.inf
        self.best_epoch = -1
        self.stopped = False
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Compare, keep, stop."""
        logs = logs or {}
        if self.monitor not in logs:
            if self.patience is None:  # nothing to validate on: the last epoch is kept
                return
            raise RecipeError(
                f"early_stopping.monitor: no {self.monitor!r}; {nearest(self.monitor, logs)}"
            )
        if epoch < self.first:
            return
        value = logs[self.monitor] if improves_downwards(self.monitor) else -logs[self.monitor]
        if value < self.best:
            self.best, self.best_epoch = value, epoch
            if self.keep:
                self.weights = [variable.numpy() for variable in self.model.variables]
        elif self.patience is not None and epoch - self.best_epoch >= self.patience:
            self.stopped = True
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Put the best epoch's weights back."""
        for variable, value in zip(self.model.variables, self.weights, strict=False):
            variable.assign(value)

    def state(self) -> dict[str, np.ndarray]:
        """Return what a resumed fit needs."""
        kept = {f"weight{number}": value for number, value in enumerate(self.weights)}
        marks = np.array([self.best, self.best_epoch, self.stopped], np.float64)
        return {"marks": marks, **kept}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over the state of a killed fit."""
        best, epoch, stopped = state["marks"]
        self.best, self.best_epoch, self.stopped = float(best), int(epoch), bool(stopped)
        self.weights = [state[f"weight{number}"] for number in range(len(state) - 1)]


def improves_downwards(monitor: str) -> bool:
    """Say whether a quantity of the history is the better the lower it is."""
    return not any(rising in monitor for rising in ("accuracy", "iou"))


def stateful(callback: Any) -> bool:
    """Say whether a callback has a state to save."""
    return hasattr(callback, "state") and hasattr(callback, "restore")
