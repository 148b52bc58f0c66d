"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Runs = Annotated[Path, typer.Option(help="Folder of the runs.")]
WhichRun = Annotated[str, typer.Argument(help="Path or name of a run, or 'latest'.")]
WhichRecipe = Annotated[str, typer.Argument(help="Short name or path of a recipe.")]
Imports = Annotated[
    list[str] | None,
    typer.Option("--import", help="Package that a model's own layers are in. Repeatable."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value of the recipe, as in fit.epochs=20. Repeatable."),
]
