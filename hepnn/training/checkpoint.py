"""The state of a fit on disk, so that a killed one goes on with the same bits."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hepnn import files
from hepnn.errors import RunError
from hepnn.training.callbacks import stateful

#: Seconds between two checkpoints: what a kill can cost at most, besides the epoch under way.
INTERVAL = 1.0


class Checkpoint:
    """One file with everything that decides about the epochs to come.

    The weights (with the state of random generators), the optimizer's slots, the state of
    callbacks, the history and the engine. It never holds code and is never unpickled.

    Parameters
    ----------
    path
        The file.
    model
        Compiled model.
    callbacks
        Of the fit; those with a state are saved.
    rate
        The learning rate that the fit was asked for. With another one than a saved fit's, what
        the rate has become since changes by as much.
    """

    def __init__(
        self, path: Path, model: keras.Model, callbacks: Sequence[Any], rate: float
    ) -> None:
        self._path = path
        self._model = model
        self._rate = rate
        self._callbacks = [callback for callback in callbacks if stateful(callback)]
        self._saved = time.monotonic()

    def save(self, epochs: int, history: dict[str, list[float]], engine: str, last: bool) -> None:
        """Write the state after so many epochs, unless the last writing was just now."""
        if not last and time.monotonic() - self._saved < INTERVAL:
            return
        meta = {
            "epochs": epochs,
            "history": history,
            "engine": engine,
            "rate": self._rate,
            "network": self._network(),
        }
        arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
        for number, variable in enumerate(self._variables()):
            arrays[f"variable{number}"] = variable.numpy()
        for number, callback in enumerate(self._callbacks):
            for name, value in callback.state().items():
                arrays[f"callback{number}.{name}"] = value
        files.write_arrays(self._path, **arrays)
        self._saved = time.monotonic()

    def restore(self) -> tuple[int, dict[str, list[float]], str | None]:
        """Take over a saved state; return the finished epochs, the history and the engine.

        Raises
        ------
        RunError
            If the file is damaged or of another network.
        """
        if not self._path.exists():
            return 0, {}, None
        arrays = files.read_arrays(self._path)
        self._model.optimizer.build(self._model.trainable_variables)
        try:
            meta = json.loads(bytes(arrays.pop("meta")))
            self._compare(meta["network"])
            for number, variable in enumerate(self._variables()):
                variable.assign(arrays.pop(f"variable{number}"))
            for number, callback in enumerate(self._callbacks):
                prefix = f"callback{number}."
                names = [name for name in arrays if name.startswith(prefix)]
                callback.restore({name.removeprefix(prefix): arrays.pop(name) for name in names})
        except (KeyError, ValueError) as error:
            raise RunError(f"{self._path} is of another network: {error}") from error
        rate = self._model.optimizer._learning_rate  # noqa: SLF001 - a variable, or a schedule
        if meta["rate"] != self._rate and isinstance(rate, keras.Variable):
            rate.assign(rate.value * (self._rate / meta["rate"]))
        return meta["epochs"], meta["history"], meta["engine"]

    def _network(self) -> list[list[Any]]:
        """Return path and shape of all variables."""
        return [[one.path, list(one.shape)] for one in self._variables()]

    def _compare(self, saved: list[list[Any]]) -> None:
        own = self._network()
        for ours, theirs in itertools.zip_longest(own, saved):
            if ours is None or theirs is None or ours[1] != theirs[1]:
                said = [
                    "no variable" if one is None else f"{one[0]} {one[1]}" for one in (theirs, ours)
                ]
                raise RunError(
                    f"{self._path} is of another network: it has {said[0]} where this one has "
                    f"{said[1]}; go on with the recipe that the run was started with"
                )

    def _variables(self) -> list[Any]:
        return [*self._model.variables, *self._model.optimizer.variables]


def finished(path: Path) -> int:
    """Return the finished epochs that a file has the state of; 0 where there is none."""
    if not path.exists():
        return 0
    return int(json.loads(bytes(files.read_arrays(path)["meta"]))["epochs"])
