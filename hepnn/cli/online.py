"""The command that selects events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepnn import display
from hepnn.cli.options import AsJson, Runs
from hepnn.errors import RecipeError

app = typer.Typer()


@app.command()
def trigger(
    run: Annotated[str, typer.Argument(help="Path or name of a run, 'latest', or a menu (YAML).")],
    threshold: Annotated[
        str | None,
        typer.Option(help="Choose and store: score=0.9, background=0.01 or rate=1000 (Hz)."),
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option(help="Class that is signal, the last one; or quantity to cut on. Repeatable."),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Stage; the last exact one.")] = None,
    form: Annotated[str, typer.Option(help="tflite or tflite-float16.")] = "tflite",
    source: Annotated[
        str | None,
        typer.Option(
            help="Events to replay: a file, a data card, 'generator' for test events, or new ones "
            "from a generator, as in generator:jets,per_class=200."
        ),
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
    prometheus: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port for metrics.")
    ] = None,
    pin: Annotated[
        bool, typer.Option(help="Give the loop a core of its own, if there is one.")
    ] = True,
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
        pin=pin,
    )
    of_menu = {"signal": signal, "stage": stage, "form": form, "rate": rate, "shadow": shadow}
    document = command.run_stream(run, source, settings, **of_menu, runs=runs)
    display.stream(document, as_json)
    if not document["holds"]:
        raise typer.Exit(1)
