"""What samples of made events are watched by in training."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from hepnn.training import network

#: How often in a fit made events are compared with real ones, at most.
LOOKS = 40


class Watch(keras.callbacks.Callback):
    """Compare what a network makes of the validation events' noise, every few epochs.

    Between two looks the figures of the last one stand in the history.

    Parameters
    ----------
    x
        Inputs `(events, inputs)`.
    judge
        From outputs to figures by name.
    epochs
        Of the fit; the last one is always looked at.
    """

    def __init__(
        self, x: np.ndarray, judge: Callable[[np.ndarray], dict[str, float]], epochs: int
    ) -> None:
        super().__init__()
        self.x = x
        self.judge = judge
        self.epochs = epochs
        self.every = -(-epochs // LOOKS)
        self.known: dict[str, float] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Look, and write into the logs."""
        # The last epoch is one of those that are looked at.
        if (self.epochs - 1 - epoch) % self.every == 0 or not self.known:
            self.known = self.judge(network.predict(self.model, self.x))
        if logs is not None:
            logs.update(self.known)

    def state(self) -> dict[str, np.ndarray]:
        """Return what a resumed fit needs."""
        return {name: np.array(value) for name, value in self.known.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over the state of a killed fit."""
        self.known = {name: float(value) for name, value in state.items()}
