"""`hepnn trigger`: thresholds chosen and stored, menus opened, streams run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepnn.errors import RecipeError, RunError
from hepnn.trigger import export, stream, thresholds
from hepnn.trigger.inference import Trigger, load
from hepnn.trigger.menu import Item, Menu, load_menu
from hepnn.trigger.stream import Settings

#: What is chosen where nothing is said and nothing is stored.
USUAL = "background=0.01"


def threshold(
    run: str,
    wanted: str | None = None,
    *,
    signal: Sequence[str] | None = None,
    stage: str | None = None,
    form: str = "tflite",
    rate: float | None = None,
    seed: int = 0,
    runs: Path = Path("runs"),
) -> dict[str, Any]:
    """Choose a run's threshold and store it; or return the stored one.

    Parameters
    ----------
    run
        Path or name of a run, or `latest`.
    wanted
        `score=0.9`, `background=0.01` or `rate=1000` (Hz). Without it what is stored, or
        `background=0.01` where nothing is.
    signal
        Classes that are signal.
    stage, form
        Of the export.
    rate
        Events a second that come in, in Hz.
    seed
        Of the bootstrap.
    runs
        Where runs are that are named.

    Raises
    ------
    HepnnError
        If the run has no export, its validation events cannot resolve what is wanted, or nothing
        is wanted and what is stored is for another signal.
    """
    read = export.read(run, stage, form, runs)
    if wanted is None:
        kept = thresholds.stored(read)
        if kept is not None:
            if signal is None or sorted(signal) == sorted(kept["signal"]):
                return kept
            raise RunError(
                f"the stored threshold is for {kept['signal']}, not {list(signal)}: --threshold"
                " chooses one that takes its place"
            )
    chosen = thresholds.choose(Trigger(read, signal), wanted or USUAL, input_rate=rate, seed=seed)
    thresholds.store(Trigger(read, signal), chosen)
    return chosen


def menu_of(
    run: str,
    *,
    signal: Sequence[str] | None = None,
    stage: str | None = None,
    form: str = "tflite",
    rate: float | None = None,
    shadow: str | None = None,
    runs: Path = Path("runs"),
) -> Menu:
    """Open a menu: of a YAML file, or with a run's network as its one item.

    Parameters
    ----------
    run
        A run, or the path of a menu.
    shadow
        `run` or `run/stage` of a network that sees the same events.

    Raises
    ------
    RunError
        If a run has no stored threshold, or does not repeat its test vectors.
    """
    if is_menu(run):
        if signal or stage:
            raise RecipeError(f"{run}: a menu says signal and stage of each item itself")
        menu = load_menu(run, input_rate=rate, runs=runs)
    else:
        trigger = load(run, stage=stage, form=form, signal=signal, runs=runs)
        if trigger.threshold is None:
            raise RunError(
                f"{run}: no threshold is stored: hepnn trigger {run} --threshold {USUAL}"
            )
        menu = Menu([Item("+".join(trigger.signal or ["accepted"]), trigger)])
    if shadow is not None:
        menu = stream.with_shadow(menu, _shadow(shadow, menu, runs))
    return stream.checked(menu)


def is_menu(run: str) -> bool:
    """Say whether a menu is meant, and no run."""
    return Path(run).suffix in (".yaml", ".yml")


def run_stream(run: str, source: str, settings: Settings, **of_menu: Any) -> dict[str, Any]:
    """Run a stream on a run or a menu; see `menu_of` and `hepnn.trigger.stream.stream`.

    Raises
    ------
    HepnnError
        If something is wrong with the run, the source or a setting.
    """

    def read() -> Menu:
        return menu_of(run, **of_menu)

    return {"run": run, **stream.stream(read(), source, settings, read=read)}


def _shadow(where: str, menu: Menu, runs: Path) -> Trigger:
    """Open `run` or `run/stage`, with the signal of the menu's first item."""
    signal = menu.items[0].trigger.signal
    try:
        return load(where, signal=signal, runs=runs)
    except RunError:
        before, _, stage = where.rpartition("/")
        if not before:
            raise
        try:
            return load(before, stage=stage, signal=signal, runs=runs)
        except RunError:
            raise RunError(f"no shadow {where!r}: expected RUN or RUN/STAGE") from None
