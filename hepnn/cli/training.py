"""Commands that train: one recipe, or many settings of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hepnn import display
from hepnn.cli.options import AsJson, Runs, Settings, WhichRecipe
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


@app.command()
def compress(
    recipe: WhichRecipe,
    sweep: Annotated[
        list[str],
        typer.Option(help="Values of a key, as in compress.prune.sparsity=[0.5,0.75]. Repeatable."),
    ],
    set_: Settings = None,
    seeds: Annotated[list[int] | None, typer.Option(min=0, help="Repeatable.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="As in efficiency_at_background.0.01.top; of the task.")
    ] = None,
    cost: Annotated[str, typer.Option(help="luts, ebops, clocks or weights.")] = "luts",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs; sweeps/RECIPE by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train many compression settings, and draw cost against physics. A killed one goes on.

    Example: hepnn compress jet-tagger --sweep compress.quantize.beta.last=[1e-6,1e-5] --seeds 1
    """
    from hepnn import sweeps
    from hepnn.recipe import parse_override

    settings = dict(parse_override(text) for text in sweep)
    for key, values in settings.items():
        if not isinstance(values, list):
            raise RecipeError(f"--sweep {key}: expected a list, as in {key}=[0.5,0.75]")
    folder = out or Path("sweeps") / Path(recipe).stem
    document = sweeps.sweep(
        recipe,
        settings,
        overrides=dict(parse_override(text) for text in set_ or []),
        seeds=seeds or [1],
        metric=metric,
        cost=cost,
        folder=folder,
    )
    if as_json:
        display.json_document(document)
        return
    rows = [
        {
            "setting": number + 1,
            **point["set"],
            document["metric"]: display.with_spread(point["metric"], point["metric_spread"]),
            document["cost"]: display.with_spread(point["cost"], point["cost_spread"]),
            "front": "front" if point["front"] else "",
            "runs": ", ".join(point["runs"]),
        }
        for number, point in enumerate(document["points"])
    ]
    display.table(rows)
    print(folder / sweeps.PICTURE)
