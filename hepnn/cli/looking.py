"""Commands that show what there is, and make and look at datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepnn import display
from hepnn.cli.options import AsJson
from hepnn.errors import RecipeError, nearest

app = typer.Typer()
data_app = typer.Typer(help="Make and look at datasets.", no_args_is_help=True)
app.add_typer(data_app, name="data")


@app.command(name="list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="models, datasets, generators, functions, targets, kits, architectures or "
            "rewrites."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """List what there is.

    Example: hepnn list models
    """
    from hepnn.listing import TABLES

    if what not in TABLES:
        raise RecipeError(f"nothing to list under {what!r}; {nearest(what, TABLES)}")
    rows = TABLES[what]()
    if as_json:
        display.json_document({what: rows})
    elif what == "architectures":
        display.table([display.signs(row) for row in rows])
    else:
        display.table(rows)


@data_app.command(name="make")
def data_make(
    kind: Annotated[str, typer.Argument(help="What to generate; hepnn list generators.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed; same seed, same events.")] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting, as in per_class=1000. Repeatable."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes; as many as cores by default.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Generate on a Dask cluster: its scheduler's address, or 'local'."),
    ] = None,
) -> None:
    """Generate a dataset; the last line is its folder. A killed one goes on when run again.

    Example: hepnn data make jets --set per_class=1000 --seed 1 --out jets
    """
    from hepnn.data.generate import job
    from hepnn.recipe import parse_override

    overrides = dict(parse_override(text) for text in set_ or [])
    print(job.make(kind, out, seed, overrides, processes=processes, dask=dask))


@data_app.command(name="inspect")
def data_inspect(
    dataset: Annotated[
        str, typer.Argument(help="Short name or path of a data card, or a data file.")
    ],
    plot: Annotated[
        Path | None, typer.Option(help="Draw every feature's histograms to this file (svg, png).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show features with their ranges, classes, and what a card leaves out; or a file's columns.

    Example: hepnn data inspect jets --plot jets.svg
    """
    from hepnn.data import inspect

    summary = inspect.summarize(dataset, plot)
    if as_json:
        display.json_document(summary)
        return
    if "columns" in summary:
        for name, entries in summary.get("trees", {}).items():
            print(f"tree {name}: {entries} entries")
        print(f"{summary['name']}: {summary['entries']} entries, {summary['format']}")
        display.table([display.rounded(row) for row in summary["columns"]])
        return
    print(f"{summary['name']}: {summary['title']}")
    print(display.read_line(summary))
    for name, group in summary["groups"].items():
        print(f"{name}: {group['kind']} of shape {tuple(group['shape'])}")
        display.table([display.rounded(row) for row in group["features"]])
        if "lengths" in group:
            found = group["lengths"]
            print(
                f"lists of {found['mean']:.3g} on average, {found['largest']} at most; "
                f"{found['cut']} are cut"
            )
    display.table([display.rounded(row) for row in summary["classes"]])
    for path in summary["plots"]:
        print(path)
