"""An HLS project on disk that decides through its compiled emulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from hepnn.targets import fits
from hepnn.targets.fixed_point import Lane
from hepnn.targets.hls4ml import synthesis, work
from hepnn.targets.hls4ml.emulation import Emulation
from hepnn.targets.interface import events


class HLSArtefact:
    """Firmware, run as C++ with the FPGA's types.

    Parameters
    ----------
    directory
        The HLS project.
    content
        Its `interface.json`.
    """

    name = "hls4ml"

    def __init__(self, directory: Path, content: dict[str, Any]) -> None:
        self.path = directory
        self.promise: Literal["exact", "bounded", "measured"] = content["promise"]
        self._content = content
        self._shape = tuple(content["input"]["shape"])
        self._outputs = tuple(content["output"]["shape"])
        grid = content["input"].get("grid")
        self._lane = None if grid is None else Lane.from_grid(grid, self._shape)
        sizes = int(np.prod(self._shape)), int(np.prod(self._outputs))
        self._emulation = Emulation(directory, content["emulation"], *sizes)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs `(events, outputs)` float32 for physical quantities.

        The host puts the quantities on the grid of the interface, as a detector's electronics
        do, and where the firmware ends in logits of a softmax, it takes the softmax.

        Raises
        ------
        DataError
            If events have another shape than the firmware was written for, or are refused by
            its grid.
        """
        x = events(x, self._shape, str(self.path))
        if self._lane is not None:
            x = self._lane.quantize(x)
        y = self._emulation(x).astype(np.float32).reshape(len(x), *self._outputs)
        if self._content["output"]["host"] != "softmax":
            return y
        weights = np.exp(y - y.max(axis=-1, keepdims=True))
        return weights / weights.sum(axis=-1, keepdims=True)

    def takes(self, x: np.ndarray) -> np.ndarray:
        """Return which events `(events,)` bool are not refused by the grid."""
        return np.ones(len(x), bool) if self._lane is None else self._lane.takes(x)

    def cost(self) -> dict[str, Any]:
        """Return what the project is written for, its work, and the vendor's reports if any.

        Without them neither cells nor latency are known, and none are given.
        """
        content = self._content
        reports = synthesis.report(self.path, content["project"]["backend"])
        cost = {**content["project"], "output": content["output"]["quantity"], **reports}
        if content.get("layers"):
            cost["layers"] = content["layers"]
        if isinstance(reports["synthesis"], str):
            cost["cells_and_latency"] = work.UNKNOWN
        routed = reports.get("routed", {})
        names = ("lut", "ff", "dsp", "bram", "uram")
        needs = {name: fits.exactly(routed[name]) for name in names if name in routed}
        return {**cost, "fits": fits.verdict(needs, content.get("part", {}))}
