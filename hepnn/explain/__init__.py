"""What there is to see inside a trained network: a table, one file a method.

A method is a module with `explain(runs, stage, options) -> document`, JSON with one entry a run,
and `rows(document)`, the lines of a table; a function beside it draws the document to a path. It
opens runs and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepnn import console, files, tables
from hepnn.errors import RecipeError
from hepnn.explain.options import Options
from hepnn.run import Run

METHODS = {
    "gradients": "hepnn.explain.gradients",
    "landscape": "hepnn.explain.landscape",
}

DRAWINGS = {
    "gradients": "hepnn.plots.explain:gradients",
    "landscape": "hepnn.plots.explain:landscape",
}


def explain(
    runs: Sequence[Run], method: str, options: Options | None = None, stage: str | None = None
) -> dict[str, Any]:
    """Look into a stage of runs; write the document and the picture into the first run.

    Parameters
    ----------
    runs
        One, or several to be compared.
    method
        Of `METHODS`.
    options
        Seed, events and resolution.
    stage
        Of each run; the last by default.

    Returns
    -------
    dict
        What `explain/<method>.json` has: `method`, `runs`, and the path of its `picture`.

    Raises
    ------
    RecipeError
        If there is no such method, or a run's task has no loss of labels.
    RunError
        If a run has no such stage, or is damaged, or a gradient is not finite.
    """
    tables.insist(METHODS, method, "method of explain")
    for run in runs:
        run.stage(stage)
        if run.recipe.task.name in ("generate", "embed"):
            raise RecipeError(
                f"{method}: run {run.name} is of task {run.recipe.task.name}, whose loss is not "
                "of labels"
            )
    console.import_tensorflow()
    look = tables.load(METHODS, method, "method of explain").explain
    document = {"method": method, **look(runs, stage, options or Options())}
    folder = runs[0].path / "explain"
    picture: Path = folder / f"{method}.svg"
    tables.load(DRAWINGS, method, "drawing")(document, picture)
    document["picture"] = str(picture)
    files.write_json(folder / f"{method}.json", document)
    return document


def rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was seen as the lines of a table."""
    method = tables.load(METHODS, document["method"], "method of explain")
    return list(method.rows(document))
