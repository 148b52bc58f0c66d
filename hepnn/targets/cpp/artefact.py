"""A C++ project on disk that decides through its compiled library."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hepnn import files
from hepnn.errors import DataError, RunError
from hepnn.targets.cpp import build, source
from hepnn.targets.fixed_point import Lane
from hepnn.targets.interface import NAME, events

#: Events of one timed call, calls that are timed, and those before.
_EVENTS, _TIMED, _WARM = 512, 200, 20


class Integers:
    """The network as whole numbers, compiled for this machine.

    Parameters
    ----------
    directory
        The project.

    Raises
    ------
    RunError
        If its interface is damaged.
    """

    name = "cpp"

    def __init__(self, directory: Path) -> None:
        self.path = directory
        content = files.read_json(directory / NAME)
        try:
            self.promise: Literal["exact", "bounded", "measured"] = content["promise"]
            self._shape = tuple(content["input"]["shape"])
            self._outputs = tuple(content["output"]["shape"])
            self._project = content["project"]
            self._lane = Lane.from_grid(content["input"]["grid"], self._shape)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{directory / NAME} is damaged: {error}") from error

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs `(events, *outputs)` float32 for physical quantities.

        Raises
        ------
        DataError
            If events have another shape than the network was written for, are not finite, or
            are refused by its grid.
        """
        x = self._finite(x)
        return self._functions.predict(x).reshape(len(x), *self._outputs)

    def takes(self, x: np.ndarray) -> np.ndarray:
        """Return which events `(events,)` bool of finite `x` are not refused by the grid."""
        return self._lane.takes(x)

    def words(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs as counts of their steps, `(events, *outputs)` int64.

        Raises
        ------
        DataError
            As `predict`.
        """
        x = self._finite(x)
        return self._functions.words(x).reshape(len(x), *self._outputs)

    def cost(self) -> dict[str, Any]:
        """Return the form, the machine code's bytes, and the time measured now, on test vectors."""
        vectors = self.path / source.VECTORS / "inputs.txt"
        numbers = [float.fromhex(text) for text in vectors.read_text().split()]
        x = np.array(numbers, np.float32).reshape(-1, *self._shape)
        x = np.resize(x, (_EVENTS, *self._shape))
        times = np.empty(_TIMED + _WARM)
        for number in range(len(times)):
            start = time.perf_counter_ns()
            self._functions.predict(x)
            times[number] = (time.perf_counter_ns() - start) / _EVENTS
        return {
            "form": self._project["form"],
            "bytes": self._library.stat().st_size,
            "operations": self._project["operations"],
            "latency_ns": {
                "p50": round(float(np.percentile(times[_WARM:], 50)), 1),
                "p99": round(float(np.percentile(times[_WARM:], 99)), 1),
                "batch": 1,
                "threads": 1,
                "source": f"this machine, {_EVENTS} calls timed together, quantized inside",
            },
        }

    def _finite(self, x: np.ndarray) -> np.ndarray:
        x = events(x, self._shape, str(self.path))
        finite = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
        if not finite.all():
            raise DataError(f"{self.path}: event {int(np.argmin(finite))} is not finite")
        self._lane.insist(x)
        return x

    @cached_property
    def _library(self) -> Path:
        return build.library(self.path, self._project["options"], self._project["timeout_s"])

    @cached_property
    def _functions(self) -> build.Functions:
        sizes = int(np.prod(self._shape)), int(np.prod(self._outputs))
        return build.Functions(self._library, self._project["namespace"], *sizes)
