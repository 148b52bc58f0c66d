"""Runs of many settings in one folder: seen to be possible, begun once, gone on with as left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hepnn import pipeline
from hepnn.errors import RecipeError
from hepnn.recipe import Recipe
from hepnn.run import Run, create, open_run


def insist_on_distinct(noun: str, values: Iterable[Any]) -> None:
    """See that nothing is asked for twice: it would count as two that agree.

    Raises
    ------
    RecipeError
        If something is.

    Examples
    --------
    >>> insist_on_distinct("seed", [1, 2])
    """
    seen = set()
    for value in values:
        text = json.dumps(value, sort_keys=True)
        if text in seen:
            raise RecipeError(f"{noun} {text} is given twice")
        seen.add(text)


def begin(wanted: Recipe, folder: Path, name: str, start: Run | None = None) -> Run:
    """Return the run of a setting, made now or before.

    Parameters
    ----------
    wanted
        Its recipe.
    folder, name
        Where the run lies.
    start
        A run whose data and float stage it takes over.

    Raises
    ------
    RecipeError
        If the run that is there has another recipe.
    """
    path = folder / name
    if (path / "manifest.json").exists():
        run = open_run(path)
        if run.recipe != wanted:
            raise RecipeError(f"{run} has another recipe: give another --out")
    else:
        shutil.rmtree(path, ignore_errors=True)  # killed as it was made
        run = create(wanted, folder, name)
    if start is not None and not run.stages:
        for part in ("data", "stages"):
            shutil.copytree(start.path / part, run.path / part, dirs_exist_ok=True)
        kept = start.manifest["stages"]["float"]
        run.record(data=start.manifest["data"], stages={"float": kept})
    return run


def finish(run: Run, watch: pipeline.Watch | None = None) -> Run:
    """Train what a run lacks; it may have been begun, killed or finished before."""
    if set(run.stages) != set(run.recipe.stages):
        run = pipeline.resume(run, watch=watch)
    return run


def of_float(recipe: Any, overrides: dict[str, Any], folder: Path) -> Run:
    """Return the run that has a seed's float stage alone, made now or before.

    Parameters
    ----------
    recipe, overrides
        As of `pipeline.train`; `seed` is among the overrides.
    folder
        Where the run lies.
    """
    wanted = pipeline.load(recipe, {**overrides, "compress": [], "targets": []})
    return begin(wanted, folder, f"float-seed{wanted.seed}")
