"""The state of a fit on disk, so that a killed one goes on with the same bits."""

from __future__ import annotations

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
    """

    def __init__(self, path: Path, model: keras.Model, callbacks: Sequence[Any]) -> None:
        self._path = path
        self._model = model
        self._callbacks = [callback for callback in callbacks if stateful(callback)]
        self._saved = time.monotonic()

    def save(self, epochs: int, history: dict[str, list[float]], engine: str, last: bool) -> None:
        """Write the state after so many epochs, unless the last writing was just now."""
        if not last and time.monotonic() - self._saved < INTERVAL:
            return
        meta = {"epochs": epochs, "history": history, "engine": engine}
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
            for number, variable in enumerate(self._variables()):
                variable.assign(arrays.pop(f"variable{number}"))
            for number, callback in enumerate(self._callbacks):
                prefix = f"callback{number}."
                names = [name for name in arrays if name.startswith(prefix)]
                callback.restore({name.removeprefix(prefix): arrays.pop(name) for name in names})
        except (KeyError, ValueError) as error:
            raise RunError(f"{self._path} is of another network: {error}") from error
        return meta["epochs"], meta["history"], meta["engine"]

    def _variables(self) -> list[Any]:
        return [*self._model.variables, *self._model.optimizer.variables]
