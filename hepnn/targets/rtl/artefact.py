"""What the `rtl` target wrote, opened without Keras: the interpreter and the simulation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hepnn import files
from hepnn.errors import DataError, RunError
from hepnn.targets.fixed_point import Lane
from hepnn.targets.interface import NAME, events
from hepnn.targets.rtl import cost, project, verilator

PROGRAM = "network.json.gz"
LOG = "build.log"

#: Events that go through at once, so that images need no more memory than a few hundred MB.
_CHUNK = 8192


class _Integers(ABC):
    """Brings physical quantities to the input grid, and integers back to float32."""

    name: str

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._content = files.read_json(directory / NAME)
        try:
            self.promise: Literal["exact", "bounded", "measured"] = self._content["promise"]
            self._shape = tuple(self._content["input"]["shape"])
            self._outputs = tuple(self._content["output"]["shape"])
            self._lane = Lane.from_grid(self._content["input"]["grid"], self._shape)
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{directory / NAME} is damaged: {error}") from error

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs `(events, outputs)` float32 for physical quantities.

        Raises
        ------
        DataError
            If events have another shape than the network was written for, are not finite, or
            are refused by its grid.
        """
        x = events(x, self._shape, str(self._directory))
        finite = np.isfinite(x).all(axis=tuple(range(1, x.ndim)))
        if not finite.all():
            raise DataError(f"{self._directory}: event {int(np.argmin(finite))} is not finite")
        results = np.empty((len(x), int(np.prod(self._outputs))), np.float32)
        for start in range(0, len(x), _CHUNK):
            part = self._lane.quantize(x[start : start + _CHUNK]).astype(np.float64)
            results[start : start + _CHUNK] = self._run(part.reshape(len(part), -1))
        return results.reshape(len(x), *self._outputs)

    def takes(self, x: np.ndarray) -> np.ndarray:
        """Return which events `(events,)` bool of finite `x` are not refused by the grid."""
        return self._lane.takes(x)

    @abstractmethod
    def _run(self, on_grid: np.ndarray) -> np.ndarray:
        """Return the outputs for inputs that are on the grid, flattened."""


class Interpreter(_Integers):
    """The program, operation by operation, on 64-bit integers.

    Parameters
    ----------
    directory
        Where the target wrote.
    """

    name = "rtl-interpreter"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.path = directory / PROGRAM
        if not self.path.exists():
            raise RunError(f"{self.path} is missing; run 'hepnn deploy' again")

    def cost(self) -> dict[str, Any]:
        """Return the size of the program."""
        operations = len(self._program.ops)
        return {"bytes": self.path.stat().st_size, "operations": operations}

    @cached_property
    def _program(self) -> Any:
        from alkaid.types import CombLogic

        try:
            return CombLogic.load(self.path)
        except Exception as error:  # a cut or damaged file fails in many ways
            raise RunError(f"{self.path} is damaged; run 'hepnn deploy' again") from error

    def _run(self, on_grid: np.ndarray) -> np.ndarray:
        return self._program.predict(on_grid).reshape(len(on_grid), -1)


class Simulation(_Integers):
    """The Verilog, clock by clock, as Verilator compiled it.

    A library that is missing or of another machine is built again from the Verilog.

    Parameters
    ----------
    directory
        Where the target wrote.
    """

    name = "rtl"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.path = directory / "verilog"
        if not (self.path / "src" / f"{project.MODULE}.v").exists():
            raise RunError(f"{self.path} is missing or incomplete; run 'hepnn deploy' again")

    def cost(self) -> dict[str, Any]:
        """Return latency, cells by every estimator that ran, what they make after routing and fits.

        All are estimates until the vendor's tool placed and routed the design; its reports are
        read from where the scripts beside the sources leave them.
        """
        return cost.of(self._directory, self._content)

    @cached_property
    def _model(self) -> Any:
        from alkaid.codegen import RTLModel
        from alkaid.stateful import FSM

        try:
            logic = FSM.load(self.path / "model" / "fsm.json.gz")
        except Exception as error:  # as above
            raise RunError(f"{self.path}: model/ is damaged; run 'hepnn deploy' again") from error
        model = RTLModel(
            logic, self.path, prj_name=project.MODULE, ternary_fuse=False, print_latency=False
        )
        try:
            model._load_lib(verilator.checksum(self.path)[:16])
        except (RuntimeError, OSError):
            verilator.build(self.path, project.MODULE, self._directory / LOG)
            model._load_lib(verilator.checksum(self.path)[:16])
        return model

    def _run(self, on_grid: np.ndarray) -> np.ndarray:
        return self._model.predict(on_grid, n_threads=1).reshape(len(on_grid), -1)
