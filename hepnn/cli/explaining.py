"""The command that looks into networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepnn import display
from hepnn.cli.options import AsJson, Runs, WhichRun

app = typer.Typer()


@app.command()
def explain(
    run: WhichRun,
    method: Annotated[str, typer.Option(help="gradients or landscape.")],
    beside: Annotated[
        list[str] | None, typer.Option(help="Another run, to be compared. Repeatable.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Of each run; the last by default.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is drawn.")] = 1,
    events: Annotated[int, typer.Option(help="Training events that are looked at.")] = 1000,
    points: Annotated[int, typer.Option(help="Of a landscape, along each direction.")] = 21,
    reach: Annotated[float, typer.Option(help="Of a landscape, in lengths of the weights.")] = 1.0,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Look into a trained network. The last line is the path of the picture.

    Example: hepnn explain sigmoid --method gradients --beside relu
    """
    from hepnn.explain import explain as explained
    from hepnn.explain import rows
    from hepnn.explain.options import Options
    from hepnn.run import open_run

    opened = [open_run(one, runs) for one in (run, *(beside or []))]
    options = Options(seed=seed, events=events, points=points, reach=reach)
    document = explained(opened, method, options, stage)
    if as_json:
        display.json_document(document)
        return
    display.table(rows(document))
    print(document["picture"])
