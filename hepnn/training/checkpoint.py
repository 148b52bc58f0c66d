"""The state of a fit on disk, so that a killed one goes on with the same bits."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from hepnn import files
from hepnn.data.feed import Piece
from hepnn.errors import RunError
from hepnn.training import finite, optimizers
from hepnn.training.callbacks import stateful

#: Seconds between two checkpoints behind epochs: what a kill can cost at most, besides the epoch
#: under way.
INTERVAL = 1.0

#: Seconds between two within an epoch of several pieces.
WITHIN = 60.0


@dataclass(frozen=True)
class Done:
    """How far a fit has come.

    Attributes
    ----------
    epochs : int
        Finished ones.
    pieces, steps : int
        Of the epoch under way.
    history : dict
        Loss and metrics of the finished epochs, by name.
    engine : str or None
        The driver.
    """

    epochs: int = 0
    pieces: int = 0
    steps: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    engine: str | None = None


class Checkpoint:
    """One file with everything that decides about the epochs to come.

    The weights (with the state of random generators), the optimizer's slots, the sums of the
    metrics, the state of callbacks, the history and the engine. It never holds code and is never
    unpickled.

    Parameters
    ----------
    path
        The file.
    model
        Compiled model; built when its state is saved or restored.
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
        self._read: dict[str, np.ndarray] = {}

    def save(self, done: Done, last: bool = False) -> None:
        """Write the state; if it is not the last one, unless the last writing was just now."""
        interval = WITHIN if done.pieces else INTERVAL
        if not last and time.monotonic() - self._saved < interval:
            return
        meta = {"done": asdict(done), "rate": self._rate, "network": self._network()}
        arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
        for number, variable in enumerate(finite.changing(self._model)):
            arrays[f"variable{number}"] = variable.numpy()
        for number, callback in enumerate(self._callbacks):
            for name, value in callback.state().items():
                arrays[f"callback{number}.{name}"] = value
        files.write_arrays(self._path, **arrays)
        self._saved = time.monotonic()

    def between(self, pieces: Iterator[Piece], done: Done, batch: int) -> Iterator[Piece]:
        """Give an epoch's pieces on, and save the state between them.

        Parameters
        ----------
        pieces
            Those that are left.
        done
            Before them.
        batch
            Events a step.
        """
        for events, order in pieces:
            yield events, order
            # Who asks for the next one has trained on this one.
            steps = done.steps + -(-len(order) // batch)
            done = replace(done, pieces=done.pieces + 1, steps=steps)
            self.save(done)

    def done(self) -> Done:
        """Read a saved state, and say how far it has come.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        if not self._path.exists():
            return Done()
        self._read = files.read_arrays(self._path)
        try:
            return Done(**json.loads(bytes(self._read["meta"]))["done"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self._path} is damaged: {error}") from error

    def restore(self) -> None:
        """Take over the state that was read, if there was one.

        Raises
        ------
        RunError
            If it is of another network.
        """
        if not self._read:
            return
        arrays, self._read = self._read, {}
        try:
            meta = json.loads(bytes(arrays.pop("meta")))
            self._compare(meta["network"])
            for number, variable in enumerate(finite.changing(self._model)):
                variable.assign(arrays.pop(f"variable{number}"))
            for number, callback in enumerate(self._callbacks):
                prefix = f"callback{number}."
                names = [name for name in arrays if name.startswith(prefix)]
                callback.restore({name.removeprefix(prefix): arrays.pop(name) for name in names})
        except (KeyError, ValueError) as error:
            raise RunError(f"{self._path} is of another network: {error}") from error
        for rate in optimizers.rates(self._model) if meta["rate"] != self._rate else ():
            rate.assign(rate.value * (self._rate / meta["rate"]))

    def _network(self) -> list[list[Any]]:
        """Return path and shape of all variables."""
        return [[one.path, list(one.shape)] for one in finite.changing(self._model)]

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
