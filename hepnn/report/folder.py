"""What a run folder holds, read as far as it is there."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hepnn import declarations, files
from hepnn.errors import HepnnError, RunError
from hepnn.recipe import Recipe
from hepnn.run import FOLDS, Run
from hepnn.targets.interface import NAME
from hepnn.tasks import TASKS, Task
from hepnn.tasks import get as get_task


@dataclass
class Contents:
    """The parts of a run; an empty one is not there.

    Attributes
    ----------
    name, folder : str
        The run's name, and its folder as a command takes it.
    manifest : dict
        The manifest.
    recipe, recipe_text
        The resolved recipe, read and as written.
    metrics : dict
        By finished stage.
    folds : dict
        What the folds reached on what they held out.
    agreement : dict
        By shipped stage: `events`, `artefacts`, `holds`.
    exports : dict
        By stage, by artefact: `target`, `kit`, `seconds`, `cost`; `ranges` and `tables` of
        calibrated types, where its interface has them.
    problems : list of str
        What could not be read, a line each.
    """

    name: str
    folder: str
    manifest: dict[str, Any]
    recipe: dict[str, Any] = field(default_factory=dict)
    recipe_text: str = ""
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    folds: dict[str, Any] = field(default_factory=dict)
    agreement: dict[str, dict[str, Any]] = field(default_factory=dict)
    exports: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def stages(self) -> list[str]:
        """The finished stages, in order."""
        return list(self.manifest.get("stages", {}))

    @property
    def data(self) -> dict[str, Any]:
        """What the manifest says of the data."""
        return self.manifest.get("data", {})

    @property
    def classes(self) -> list[str]:
        """The names of the classes, or of the targets."""
        return list(self.data.get("classes", []))

    @property
    def task(self) -> Task:
        """The task that the recipe names; where it cannot be read, the usual one."""
        wanted = self.recipe.get("task")
        with contextlib.suppress(HepnnError):
            return get_task(declarations.parse(Recipe, self.recipe, "recipe.yaml").task)
        name = wanted.get("name") if isinstance(wanted, dict) else wanted
        return get_task(name if name in TASKS else "classify")

    @property
    def shipped(self) -> str | None:
        """The stage that counts: the last one compared, exported or finished."""
        for known in (self.agreement, self.exports, self.stages):
            if chosen := [stage for stage in self.stages if stage in known]:
                return chosen[-1]
        return None


def read(run: Run) -> Contents:
    """Read a run folder; what is damaged becomes a line in `problems`."""
    # An absolute path would be one machine's; a command is typed beside the runs' folder.
    folder = f"{run.path.resolve().parent.name}/{run.name}"
    contents = Contents(run.name, folder, run.manifest)
    try:
        contents.recipe_text = (run.path / "recipe.yaml").read_text(encoding="utf-8")
        loaded = yaml.safe_load(contents.recipe_text)
        contents.recipe = loaded if isinstance(loaded, dict) else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        contents.problems.append("recipe.yaml is missing or damaged")
    for stage in contents.stages:
        contents.metrics[stage] = _json(run.path / "stages" / stage / "metrics.json", contents)
    if (path := run.path / f"{FOLDS}.json").exists():
        contents.folds = _json(path, contents)
    if (run.path / "agreement.json").exists():
        document = _json(run.path / "agreement.json", contents)
        alone = {document["stage"]: document} if "stage" in document else {}
        contents.agreement = document.get("stages") or alone
    for path in sorted((run.path / "exports").glob("*/*/target.json")):
        written = _json(path, contents)
        interface = path.with_name(NAME)
        known = _json(interface, contents) if interface.exists() else {}
        for name in written.get("artefacts", []):
            figures = {"cost": written.get("cost", {}).get(name) or {}}
            for key in ("target", "kit", "seconds"):
                figures[key] = written.get(key)
            for key in ("ranges", "tables"):
                figures[key] = known.get(key) or []
            contents.exports.setdefault(path.parent.parent.name, {})[name] = figures
    return contents


def _json(path: Path, contents: Contents) -> dict[str, Any]:
    try:
        found = files.read_json(path)
    except RunError as error:
        contents.problems.append(str(error).replace(f"{path.parent}/", f"{path.parent.name}/"))
        return {}
    return found if isinstance(found, dict) else {}
