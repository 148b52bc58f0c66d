"""Commands that train many settings of one recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hepnn import display
from hepnn.cli.options import AsJson, Settings, WhichRecipe
from hepnn.errors import RecipeError

app = typer.Typer()

Seeds = Annotated[
    list[int] | None,
    typer.Option(min=0, help="Of the networks; the recipe's by default. Repeatable."),
]


@app.command()
def compress(
    recipe: WhichRecipe,
    sweep: Annotated[
        list[str],
        typer.Option(help="Values of a key, as in compress.prune.sparsity=[0.5,0.75]. Repeatable."),
    ],
    set_: Settings = None,
    seeds: Seeds = None,
    metric: Annotated[
        str | None, typer.Option(help="As in efficiency_at_background.0.01.top; of the task.")
    ] = None,
    cost: Annotated[str, typer.Option(help="luts, ebops, clocks, latency or weights.")] = "luts",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs; sweeps/NAME by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train many compression settings, and draw cost against physics. A killed one goes on.

    Example: hepnn compress jet-tagger --sweep compress.quantize.beta.last=[1e-6,1e-5] --seeds 1
    """
    from hepnn import pipeline
    from hepnn.recipe import parse_override
    from hepnn.search import sweep as sweeps

    overrides = dict(parse_override(text) for text in set_ or [])
    settings = dict(parse_override(text, "--sweep") for text in sweep)
    for key, values in settings.items():
        if not isinstance(values, list):
            raise RecipeError(f"--sweep {key}: expected a list, as in {key}=[0.5,0.75]")
    folder = out or Path("sweeps") / pipeline.load(recipe, overrides).name
    document = sweeps.sweep(
        recipe,
        settings,
        overrides=overrides,
        seeds=seeds or [],
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


@app.command()
def tune(
    recipe: WhichRecipe,
    over: Annotated[
        list[str] | None,
        typer.Option(
            help="What is tried for a key: 'fit.batch=[128,256]' or "
            "'fit.learning_rate={low: 1e-4, high: 1e-2, log: true}'; replaces the entry of the "
            "recipe's search, null takes it out. Repeatable."
        ),
    ] = None,
    set_: Settings = None,
    method: Annotated[str, typer.Option(help="grid, random or tpe (Bayesian).")] = "tpe",
    pruner: Annotated[
        str, typer.Option(help="none, asha or hyperband: what ends bad trials early.")
    ] = "none",
    metric: Annotated[
        list[str] | None, typer.Option(help="A figure of the task, on validation. Repeatable.")
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(help="luts, ebops, clocks, latency or weights, beside it. Repeatable."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="In all; 20, of a grid every setting, by default.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which no trial is begun.")
    ] = None,
    seeds: Seeds = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 1,
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine; all cores by default.")
    ] = None,
    threads: Annotated[
        int, typer.Option(help="Of each worker; figures may depend on it, on --workers never.")
    ] = 1,
    dask: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, or 'local'.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs; searches/NAME by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Search a recipe's space on validation events. A killed search goes on with the same command.

    Every trial is a run: look at the chosen one with hepnn evaluate, ship it with hepnn deploy.

    Example: hepnn tune digits-lenet --metric accuracy --cost ebops --trials 20
    """
    from hepnn import pipeline
    from hepnn.recipe import parse_override
    from hepnn.search.tune import tune

    overrides = dict(parse_override(text) for text in set_ or [])
    folder = out or Path("searches") / pipeline.load(recipe, overrides).name
    document = tune(
        recipe,
        over=dict(parse_override(text, "--over") for text in over or []),
        overrides=overrides,
        method=method,
        pruner=pruner,
        metrics=metric or [],
        costs=cost or [],
        trials=trials,
        timeout=timeout,
        seeds=seeds or [],
        seed=seed,
        workers=workers,
        threads=threads,
        dask=dask,
        folder=folder,
    )
    if as_json:
        display.json_document(document)
        return
    names = [one["name"] for one in document["objectives"]]
    display.table([_row(trial, names, document) for trial in document["trials"]])
    if document["best"] is not None:
        best = document["trials"][document["best"] - 1]
        print(folder / best["runs"][0])


def _row(trial: dict[str, Any], names: list[str], document: dict[str, Any]) -> dict[str, Any]:
    """Return a trial as a row of the table."""
    row = {"trial": trial["trial"], **display.rounded(trial["set"])}
    if trial["state"] != "complete":
        note = f"{trial['state']} after {trial['epochs']} epochs" if trial["epochs"] else None
        return row | dict.fromkeys(names) | {"": trial["why"] or note or trial["state"]}
    for name in names:
        row[name] = display.with_spread(trial["values"][name], trial["spreads"][name])
    marks = [
        word
        for word, holds in (
            ("best", trial["trial"] == document["best"]),
            ("front", len(names) > 1 and trial["front"]),
        )
        if holds
    ]
    return row | {"": ", ".join(marks)}
