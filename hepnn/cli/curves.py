"""The command that trains along a curve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepnn import display
from hepnn.cli.options import AsJson, Settings, WhichRecipe
from hepnn.errors import RecipeError

app = typer.Typer()


@app.command()
def curve(
    recipe: WhichRecipe,
    over: Annotated[
        str | None,
        typer.Option(help="A key and its values, as in train_limit=[100,300]; the recipe's own."),
    ] = None,
    seeds: Annotated[list[int] | None, typer.Option(min=0, help="Repeatable.")] = None,
    set_: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs; curves/NAME by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train over the values of one key; draw errors, bias and variance. A killed one goes on.

    Example: hepnn curve digits-lenet --over train_limit=[100,300,1000] --seeds 1 --seeds 2
    """
    from hepnn import pipeline
    from hepnn.curves import curve as curves
    from hepnn.recipe import Curve, parse_override

    overrides = dict(parse_override(text) for text in set_ or [])
    loaded = pipeline.load(recipe, overrides)
    wanted = loaded.curve
    if over is not None:
        key, values = parse_override(over, "--over")
        if not isinstance(values, list) or len(values) < 2:
            raise RecipeError(f"--over {key}: expected a list of two or more, as in {key}=[1,2]")
        wanted = Curve(over=key, values=values, seeds=seeds or [1, 2, 3])
    elif seeds and wanted is not None:
        wanted = wanted.model_copy(update={"seeds": seeds})
    folder = out or Path("curves") / loaded.name
    document = curves.curve(recipe, wanted, overrides=overrides, folder=folder)
    if as_json:
        display.json_document(document)
        return
    rows = [
        {
            document["over"]: str(point["value"]),
            "weights": point["parameters"],
            "trained on": point["train_events"],
            **{
                split: display.with_spread(point[split], point[f"{split}_spread"])
                for split in ("train", "validation", "test")
            },
            **{key: f"{point[key]:.4f}" for key in ("bias2", "variance") if key in point},
        }
        for point in document["points"]
    ]
    display.table(rows)
    print(folder / curves.PICTURE)
