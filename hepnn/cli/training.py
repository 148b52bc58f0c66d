"""The command that trains a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hepnn.cli.options import Runs, Settings
from hepnn.errors import RecipeError

app = typer.Typer()


@app.command()
def train(
    recipe: Annotated[str | None, typer.Argument(help="Short name or path of a recipe.")] = None,
    set_: Settings = None,
    deploy: Annotated[
        bool, typer.Option("--deploy", help="Also ship to the recipe's targets and compare.")
    ] = False,
    resume: Annotated[
        str | None, typer.Option(help="Go on with this run instead of starting one.")
    ] = None,
    runs: Runs = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    strategy: Annotated[
        str, typer.Option(help="Devices: auto, mirrored, multiworker or tpu.")
    ] = "auto",
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard's logs.")] = None,
) -> None:
    """Train every stage of a recipe. The last line is the run's path.

    Example: hepnn train jet-tagger --set fit.epochs=20 --deploy
    """
    from hepnn import pipeline
    from hepnn.recipe import parse_override
    from hepnn.run import open_run
    from hepnn.training.devices import Devices

    overrides = dict(parse_override(text) for text in set_ or [])
    if recipe is None and resume is None:
        raise RecipeError("give a RECIPE (hepnn list models) or --resume RUN")
    devices = Devices(strategy)
    more: dict[str, Any] = {"deploy": deploy, "devices": devices, "tensorboard": tensorboard}
    if resume is not None:
        if recipe is not None:
            raise RecipeError("--resume takes the recipe of its run: give no RECIPE")
        run = pipeline.resume(open_run(resume, runs), overrides, **more)
    else:
        run = pipeline.train(recipe or "", overrides, runs=runs, name=name, **more)
    if devices.chief:
        print(run.path)
