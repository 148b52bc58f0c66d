"""Run folders: what one recipe made, on disk.

```
recipe.yaml            the recipe, every default written out
manifest.json          versions, seed, data, stages with checksums, what failed
data/                  scaling.npz, targets.npz of what is predicted; calibration, validation and
                       test events
stages/<stage>/        model.keras, history.csv, metrics.json, plots; checkpoint.npz in training
exports/<stage>/<target>/   what each target wrote
folds/<fold>/          of a run that is validated by folds, each fold's own run
folds.json             what they reached on what they held out
agreement.json, report.html
```

Every command after `train` opens a run and nothing else.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import declarations, files, recipe
from hepnn.errors import RunError, nearest
from hepnn.recipe import Recipe

#: Version of the folder's layout; a run of a newer one is refused.
FORMAT = 1

#: Where the runs of a run's folds are.
FOLDS = "folds"

_PACKAGES = ("tensorflow", "keras", "hgq2", "hls4ml", "alkaid", "ai-edge-litert", "numpy")


@dataclass(frozen=True)
class Events:
    """Events of one split.

    Attributes
    ----------
    x : np.ndarray
        Physical quantities `(events, *shape)` float32.
    y : np.ndarray
        Class numbers `(events,)`, or what else the labels are `(events, ...)`.
    weight : np.ndarray
        Weights `(events,)` float32.
    observers : np.ndarray or None
        Quantities to look at, never trained on `(events, observers)`.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    observers: np.ndarray | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.x)


class Run:
    """An opened run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def runs(self) -> Path:
        """The folder that runs are looked up in by name: this one's, or of a fold its run's."""
        above = self.path.parent.parent
        is_fold = self.path.parent.name == FOLDS and (above / "manifest.json").is_file()
        return above.parent if is_fold else self.path.parent

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        content = declarations.read_yaml(self.path / "recipe.yaml")
        return declarations.parse(Recipe, content, self.path / "recipe.yaml")

    @property
    def stages(self) -> list[str]:
        """The stages that are finished, in order."""
        return list(self.manifest["stages"])

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the outputs."""
        return list(self.manifest["data"]["classes"])

    @property
    def folds(self) -> dict[str, Any] | None:
        """What the folds reached on what they held out; None for a run without folds."""
        path = self.path / f"{FOLDS}.json"
        return files.read_json(path) if path.is_file() else None

    def stage(self, name: str | None = None) -> Path:
        """Return the folder of a finished stage; without a name, of the last one.

        Raises
        ------
        RunError
            If the run has no such stage.
        """
        if not self.stages:
            raise RunError(f"run {self.name} has no finished stage: hepnn train --resume {self}")
        name = name or self.stages[-1]
        if name not in self.stages:
            raise RunError(f"run {self.name} has no stage {name!r}; {nearest(name, self.stages)}")
        return self.path / "stages" / name

    def model_file(self, stage: str) -> Path:
        """Return a stage's model, after comparing it with its checksum.

        Raises
        ------
        RunError
            If the file is missing or is not what was written.
        """
        path = self.stage(stage) / "model.keras"
        if not path.is_file():
            raise RunError(f"{path} is missing: the run has lost its model")
        if files.sha256(path) != self.manifest["stages"][stage]["sha256"]:
            raise RunError(f"{path} is not the file that was written: its checksum differs")
        return path

    def events(self, split: str) -> Events:
        """Return the events of `calibration`, `validation` or `test`."""
        arrays = files.read_arrays(self.path / "data" / f"{split}.npz")
        return Events(arrays["x"], arrays["y"], arrays["weight"], arrays.get("observers"))

    def keep_events(self, split: str, events: Events) -> None:
        """Store the events of a split."""
        arrays = {"x": events.x, "y": events.y, "weight": events.weight}
        if events.observers is not None and events.observers.shape[1]:
            arrays["observers"] = events.observers
        files.write_arrays(self.path / "data" / f"{split}.npz", **arrays)

    def state(self) -> str:
        """Return what a training goes on from: the finished stages, and checksums, as JSON."""
        saved = sorted(self.path.glob("stages/*/checkpoint.npz"))
        marks = {path.parent.name: files.sha256(path) for path in saved}
        return json.dumps([self.manifest["stages"], marks])

    def exports(self, stage: str) -> Path:
        """Return the folder of a stage's exports."""
        return self.path / "exports" / stage

    def record(self, **entries: Any) -> None:
        """Change entries of the manifest and write it."""
        self.manifest.update(entries)
        files.write_json(self.path / "manifest.json", self.manifest)

    def record_stage(self, stage: str, **entries: Any) -> None:
        """Add a finished stage to the manifest, with its model's checksum."""
        path = self.path / "stages" / stage / "model.keras"
        entry = {"sha256": files.sha256(path), **entries}
        self.record(stages={**self.manifest["stages"], stage: entry})

    def __str__(self) -> str:
        """Return the folder's path."""
        return str(self.path)


def create(made_of: Recipe, runs: Path, name: str | None = None) -> Run:
    """Make a run folder, with the recipe and the versions in it.

    Raises
    ------
    RunError
        If a run of that name exists, or the folder cannot be written.
    """
    if name is not None and not re.fullmatch(r"[\w.+-]+", name):
        raise RunError(f"run name {name!r}: letters, digits, '.', '_', '+' and '-' only")
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path = runs / (name or f"{made_of.name}-{stamp}")
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        raise RunError(f"run {path} exists: go on with --resume {path}, or --name it") from error
    except OSError as error:
        raise RunError(f"{path} cannot be made: {error.strerror}") from error
    made = Run(path)
    files.write_text(path / "recipe.yaml", recipe.dump(made_of))
    made.record(
        format=FORMAT,
        hepnn=importlib.metadata.version("hepnn"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        status="started",
        seed=made_of.seed,
        versions=versions(),
        stages={},
    )
    return made


def open_run(where: str | Path, runs: Path = Path("runs")) -> Run:
    """Open a run by path, by name, or the `latest`.

    Raises
    ------
    RunError
        If there is none, if it is damaged, or if a newer hepnn wrote it.
    """
    path = _find(str(where), runs)
    opened = Run(path)
    opened.manifest = files.read_json(path / "manifest.json")
    if not isinstance(opened.manifest, dict) or "format" not in opened.manifest:
        raise RunError(f"{path / 'manifest.json'} is damaged: it has no format")
    if opened.manifest["format"] > FORMAT:
        raise RunError(
            f"{path} was written by hepnn {opened.manifest.get('hepnn')}, newer than this one: "
            "pip install --upgrade hepnn"
        )
    if not (path / "recipe.yaml").is_file():
        raise RunError(f"{path / 'recipe.yaml'} is missing")
    return opened


def open_stage(where: str, runs: Path = Path("runs")) -> tuple[Run, str]:
    """Open the run and find the stage that `run` or `run/stage` name; without one, `float`.

    Raises
    ------
    RunError
        If there is no such run, or it has not finished the stage.
    """
    try:
        opened, stage = open_run(where, runs), "float"
    except RunError:
        before, _, stage = where.rpartition("/")
        if not before or where.endswith("/"):
            raise
        try:
            opened = open_run(before, runs)
        except RunError:
            stage = ""
        if not stage:
            raise
    opened.stage(stage)
    return opened, stage


def versions() -> dict[str, str]:
    """Return the versions of what decides about the numbers."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def fingerprint(*arrays: np.ndarray) -> str:
    """Return a checksum of arrays: of their shapes, types and bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _find(where: str, runs: Path) -> Path:
    if (Path(where) / "manifest.json").is_file():
        return Path(where)
    known = {p.parent.name: p.parent for p in runs.glob("*/manifest.json")}
    if where == "latest":
        if not known:
            raise RunError(f"no run in {runs}{os.sep}: hepnn train RECIPE makes one")
        return max(known.values(), key=lambda p: (p / "manifest.json").stat().st_mtime)
    if where in known:
        return known[where]
    if Path(where).is_dir():
        raise RunError(f"{where} is no run: it has no manifest.json")
    raise RunError(f"no run {where!r}; {nearest(where, known) if known else f'none in {runs}'}")
