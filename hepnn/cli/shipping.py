"""Commands that ship and judge: what goes out of a run, and whether it agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hepnn import display
from hepnn.cli.options import AsJson, Imports, Runs, Settings, WhichRun
from hepnn.errors import RecipeError

app = typer.Typer()


@app.command()
def adopt(
    model: Annotated[Path, typer.Argument(help="A Keras 3 model: a .keras file.")],
    data: Annotated[
        str,
        typer.Option(
            help="Events that it takes: an npz with x, and y if there are labels; a Parquet file; "
            "or a data card."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    task: Annotated[str | None, typer.Option(help="By default what the labels are for.")] = None,
    rewrite: Annotated[
        list[str] | None,
        typer.Option(help="Change its form first; hepnn list rewrites. Repeatable."),
    ] = None,
    imports: Imports = None,
    runs: Runs = Path("runs"),
) -> None:
    """Make a run of a model that was trained elsewhere. The last line is the run's path.

    Example: hepnn adopt tagger.keras --data jets.npz --name tagger && hepnn deploy tagger
    """
    from hepnn.adoption import adopt as adopted

    run = adopted(
        model,
        data,
        name=name,
        task=task,
        runs=runs,
        imports=imports or (),
        rewrite=rewrite or (),
    )
    print(run.path)


@app.command()
def deploy(
    run: WhichRun,
    to: Annotated[list[str] | None, typer.Option(help="Target. Repeatable.")] = None,
    stage: Annotated[str | None, typer.Option(help="Stage to ship; the last by default.")] = None,
    kit: Annotated[str | None, typer.Option(help="Kit: where to ship to.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a kit's option, as in hls4ml.width=16. Repeatable."),
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Ship a run to targets, compare all artefacts, and write the report.

    Example: hepnn deploy latest --to tflite --to rtl
    """
    from hepnn import agreement, deployment
    from hepnn.errors import AgreementBroken
    from hepnn.recipe import parse_override
    from hepnn.run import open_run

    options: dict[str, dict[str, Any]] = {}
    for key, value in map(parse_override, set_ or []):
        target, _, option = key.partition(".")
        if not option:
            raise RecipeError(f"--set {key}: expected target.option, as in hls4ml.width=16")
        options.setdefault(target, {})[option] = value
    opened = open_run(run, runs)
    try:
        document = deployment.deploy(opened, to, stage=stage, kit=kit, options=options)
    except AgreementBroken:
        document = _stored_agreement(opened)
    display.agreement(document, as_json)
    agreement.insist(document)


@app.command()
def agree(
    run: WhichRun,
    dataset: Annotated[str | None, typer.Option(help="Compare on this dataset instead.")] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Only so many events.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Compare all artefacts of a run; exit 1 when a promise is broken.

    Example: hepnn agree latest --json
    """
    from hepnn import agreement
    from hepnn.run import open_run

    document = agreement.agree(open_run(run, runs), dataset=dataset, events=events, stage=stage)
    display.agreement(document, as_json)
    agreement.insist(document)


@app.command()
def evaluate(
    run: WhichRun,
    dataset: Annotated[str | None, typer.Option(help="Evaluate on this dataset instead.")] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Print the metrics of every stage.

    Example: hepnn evaluate latest --json
    """
    from hepnn import evaluation
    from hepnn.run import open_run
    from hepnn.tasks import get as get_task

    opened = open_run(run, runs)
    document = evaluation.evaluate(opened, dataset)
    if as_json:
        display.json_document(document)
        return
    task = get_task(opened.recipe.task)
    stages = list(document["stages"].items())
    if folds := document.get("folds"):
        stages += [(f"{s}, out of fold", one["pooled"]) for s, one in folds["stages"].items()]
    display.table_of_columns([{"stage": stage, **task.rows(metrics)} for stage, metrics in stages])
    display.spreads(folds or {"stages": {}})


@app.command()
def doctor(
    run: WhichRun,
    stage: Annotated[str | None, typer.Option(help="Only exports of this stage.")] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Ship anew with what mends it, and compare.")
    ] = False,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Say why exports answer otherwise than their stage, and what mends it.

    Exit 1 if a promise does not hold in the end.

    Example: hepnn doctor latest --fix
    """
    from hepnn.examination import doctor as examine
    from hepnn.run import open_run

    document = examine(open_run(run, runs), stage=stage, fix=fix)
    if as_json:
        display.json_document(document)
    else:
        display.findings(document)
    if not document["holds"]:
        raise typer.Exit(1)


@app.command()
def report(run: WhichRun, runs: Runs = Path("runs")) -> None:
    """Write the report page of a run; the last line is its path.

    Example: hepnn report latest
    """
    from hepnn import deployment
    from hepnn import report as reports
    from hepnn.run import open_run

    opened = open_run(run, runs)
    deployment.recount(opened)
    print(reports.write(opened))


@app.command()
def check(
    what: Annotated[str, typer.Argument(help="A recipe, a run, or a Keras model: a .keras file.")],
    set_: Settings = None,
    to: Annotated[list[str] | None, typer.Option(help="Target. Repeatable.")] = None,
    stage: Annotated[str | None, typer.Option(help="Stage of a run; the last by default.")] = None,
    kit: Annotated[str | None, typer.Option(help="Kit: where to ship to.")] = None,
    imports: Imports = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Say which target takes which layer: exactly, approximately or not. Exit 1 on a refusal.

    For what is refused or not exact, the table names the rewrite that helps (hepnn list
    rewrites), which hepnn adopt applies.

    Example: hepnn check jet-tagger --set architecture.activation=tanh
    """
    from hepnn import pipeline
    from hepnn.recipe import parse_override

    overrides = dict(parse_override(text) for text in set_ or [])
    rows = pipeline.check(
        what, overrides, to=to, stage=stage, kit=kit, imports=imports or (), runs=runs
    )
    refused = any(row["verdict"] == "refused" for row in rows)
    if as_json:
        display.json_document({"checked": what, "layers": rows, "refused": refused})
    else:
        display.table(rows)
    if refused:
        raise typer.Exit(1)


def _stored_agreement(run: Any) -> dict[str, Any]:
    from hepnn import files

    return files.read_json(run.path / "agreement.json")
