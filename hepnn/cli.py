"""The command line: thin commands over the Python API.

Nothing heavy is imported before a command needs it, so that `hepnn --help` is quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hepnn import display
from hepnn.errors import HepnnError, RecipeError, nearest

app = typer.Typer(
    name="hepnn",
    help="One network, the same bits in Keras, TFLite, HLS and Verilog.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Make and look at datasets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

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


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """One network, the same bits in Keras, TFLite, HLS and Verilog."""


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
) -> None:
    """Train every stage of a recipe. The last line is the run's path.

    Example: hepnn train jet-tagger --set fit.epochs=20 --deploy
    """
    from hepnn import pipeline
    from hepnn.recipe import parse_override
    from hepnn.run import open_run

    if resume is not None:
        if recipe is not None or set_:
            raise RecipeError("--resume takes the recipe of its run: give no RECIPE and no --set")
        run = pipeline.resume(open_run(resume, runs), deploy=deploy)
    elif recipe is None:
        raise RecipeError("give a RECIPE (hepnn list models) or --resume RUN")
    else:
        overrides = dict(parse_override(text) for text in set_ or [])
        run = pipeline.train(recipe, overrides, runs=runs, name=name, deploy=deploy)
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
    stages = document["stages"].items()
    display.table_of_columns([{"stage": stage, **task.rows(metrics)} for stage, metrics in stages])


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


@app.command()
def trigger(
    run: Annotated[str, typer.Argument(help="Path or name of a run, 'latest', or a menu (YAML).")],
    threshold: Annotated[
        str | None,
        typer.Option(help="Choose and store: score=0.9, background=0.01 or rate=1000 (Hz)."),
    ] = None,
    signal: Annotated[
        list[str] | None, typer.Option(help="Class that is signal; the last one. Repeatable.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Stage; the last exact one.")] = None,
    form: Annotated[str, typer.Option(help="tflite or tflite-float16.")] = "tflite",
    source: Annotated[
        str | None,
        typer.Option(help="Events to replay: a file, a data card, or 'generator': test events."),
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Events a second that come in, Hz.")] = None,
    arrivals: Annotated[str, typer.Option(help="poisson, bunches (LHC) or fast.")] = "poisson",
    events: Annotated[int | None, typer.Option(min=0, help="How many; 0 for without end.")] = None,
    deadline: Annotated[
        float | None, typer.Option(min=0, help="From arrival to decision, in us.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that score.")] = 1,
    policy: Annotated[
        str, typer.Option(help="When events wait: block, drop-oldest, drop-newest, prescale.")
    ] = "block",
    queue: Annotated[int, typer.Option(min=1, help="Events that wait at most.")] = 8192,
    output: Annotated[
        Path | None, typer.Option(help="Accepted events: a .parquet or .root file.")
    ] = None,
    on_sink: Annotated[
        str, typer.Option(help="When the output fails: stop, or go-on and count.")
    ] = "stop",
    shadow: Annotated[
        str | None, typer.Option(help="RUN or RUN/STAGE that sees the same events.")
    ] = None,
    drift: Annotated[
        float, typer.Option(min=0, help="Distance to the training that is an alarm.")
    ] = 0.25,
    prometheus: Annotated[int | None, typer.Option(help="Port for metrics.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw latencies and the queue to this file (svg, png).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same events and arrivals.")] = 0,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Choose a run's threshold, and replay events through its network at a rate.

    Exit 1 if the account of events does not balance, the output is not whole, or something has
    drifted. SIGHUP reads the network again, SIGINT ends the stream.

    Example: hepnn trigger latest --threshold background=0.01 --source generator --rate 1000
    """
    from hepnn.trigger import command
    from hepnn.trigger.stream import Settings

    chosen = None
    if not command.is_menu(run) and (threshold is not None or source is None):
        chosen = command.threshold(
            run,
            threshold,
            signal=signal,
            stage=stage,
            form=form,
            rate=rate,
            seed=seed,
            runs=runs,
        )
    elif threshold is not None or source is None:
        raise RecipeError(f"{run}: a menu says its thresholds itself; give a --source")
    if source is None:
        display.threshold(chosen or {}, as_json)
        return
    settings = Settings(
        rate=rate,
        arrivals=arrivals,
        events=events,
        deadline=deadline,
        workers=workers,
        policy=policy,
        queue=queue,
        output=output,
        on_sink=on_sink,
        seed=seed,
        plot=plot,
        limit=drift,
        prometheus=prometheus,
    )
    of_menu = {"signal": signal, "stage": stage, "form": form, "rate": rate, "shadow": shadow}
    document = command.run_stream(run, source, settings, **of_menu, runs=runs)
    display.stream(document, as_json)
    if not document["holds"]:
        raise typer.Exit(1)


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


def _stored_agreement(run: Any) -> dict[str, Any]:
    from hepnn import files

    return files.read_json(run.path / "agreement.json")


def main() -> None:
    """Run the command line: one line for a user's mistake, and its exit code."""
    debug = "--debug" in sys.argv
    try:
        app()
    except HepnnError as error:
        if debug:
            raise
        print(f"hepnn: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # a path that cannot be read or written
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"hepnn: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("hepnn: interrupted", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
