"""What a trained stage can be shipped to.

A target is a module with three functions, named in `TARGETS`:

`check(model, kit) -> list[Verdict]`
    Convert the model, on the weights it has, far enough to know what the target makes of
    every layer. Seconds, no compiler, no training.
`write(model, directory, *, kit, calibration, exact, formats) -> list[Artefact]`
    Write and build what is shipped into `directory` (which exists and is empty).
    `exact` says that the model is fixed point throughout, so that every artefact has to
    repeat its bits; otherwise precisions are calibrated on `calibration`.
`load(directory) -> list[Artefact]`
    Open what `write` left there, without the Keras model; nothing where it cannot run here.

An artefact answers `predict(x)` in the units and order of the Keras model, so that any two
can be compared on the same events.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from hepnn.errors import TargetError, nearest

TARGETS = {
    "tflite": "hepnn.targets.tflite",
    "hls4ml": "hepnn.targets.hls4ml",
    "rtl": "hepnn.targets.rtl",
    "cpp": "hepnn.targets.cpp",
}


@dataclass(frozen=True)
class Verdict:
    """What a target makes of one layer."""

    layer: str
    kind: str
    verdict: Literal["exact", "approximate", "refused"]
    reason: str = ""


class Artefact(Protocol):
    """Something a target wrote, which decides about events.

    Attributes
    ----------
    name : str
        The target's name, or ``target-variant`` for a further form of it
        (``tflite-int8``, ``rtl-interpreter``).
    path : Path
        The file or folder that is shipped.
    promise : str
        ``exact`` (equal bits are owed), ``bounded`` (decisions within the recipe's bound) or
        ``measured`` (a lossy form; its flips are reported).
    """

    name: str
    path: Path
    promise: Literal["exact", "bounded", "measured"]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs `(events, outputs)` float32 for inputs `(events, *input_shape)`."""

    def cost(self) -> dict[str, Any]:
        """Return what the artefact costs, as JSON: sizes, cells, clocks, each with its source."""


def table() -> dict[str, str]:
    """Return the known targets, third-party ones (entry point `hepnn.targets`) included."""
    found = {point.name: point.value for point in entry_points(group="hepnn.targets")}
    return {**TARGETS, **found}


def get(name: str) -> Any:
    """Return the module of a target.

    Raises
    ------
    TargetError
        If no such target exists, or if a third-party one cannot be imported.
    """
    known = table()
    if name not in known:
        raise TargetError(f"unknown target {name!r}; {nearest(name, known)}")
    try:
        return importlib.import_module(known[name])
    except ImportError as error:
        raise TargetError(f"target {name!r} ({known[name]}) cannot be loaded: {error}") from error
