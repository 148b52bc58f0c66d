"""`hepnn trigger RUN --source ...`: a stream from its source to its account."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console
from hepnn.errors import HepnnError, RecipeError, nearest
from hepnn.trigger import arrivals, cores, rows, sink, source, thresholds, watch
from hepnn.trigger.drift import LIMIT, Drift
from hepnn.trigger.loop import Loop
from hepnn.trigger.menu import Item, Menu
from hepnn.trigger.overload import Queue
from hepnn.trigger.pool import Pool
from hepnn.trigger.source import Source
from hepnn.trigger.tally import Tally

#: Seconds after which a thread that writes gives way to the loop.
TURN = 1e-4

#: What is done when the output fails.
ON_SINK = ("stop", "go-on")


@dataclass(frozen=True)
class Settings:
    """How a stream runs.

    Attributes
    ----------
    rate : float or None
        Events a second that arrive, in Hz; not needed as fast as possible.
    arrivals : str
        `poisson`, `bunches` or `fast`.
    events : int or None
        How many; as many as the source has by default, 0 for without end.
    deadline : float or None
        Time in us that shall not be exceeded, from an event's arrival to when a worker has its
        scores, which decide.
    workers : int
        Processes.
    policy : str
        Of overload: a row of `hepnn.trigger.overload.POLICIES`.
    queue : int
        Events that wait at most.
    output : Path or None
        A `.parquet` or `.root` file for accepted events.
    on_sink : str
        `stop`, or `go-on` when the output fails.
    seed : int
        Of arrivals, of drawn events, of the prescale policy.
    plot : Path or None
        Picture of latencies and the queue.
    limit : float
        Distance of a histogram from its reference that is an alarm.
    prometheus : int or None
        Port for metrics.
    pin : bool
        Keep the loop on a core of its own, where there are more cores than workers.

    Raises
    ------
    RecipeError
        If a number is too small, or there is no such way to go on.
    """

    rate: float | None = None
    arrivals: str = "poisson"
    events: int | None = None
    deadline: float | None = None
    workers: int = 1
    policy: str = "block"
    queue: int = 8192
    output: Path | None = None
    on_sink: str = "stop"
    seed: int = 0
    plot: Path | None = None
    limit: float = LIMIT
    prometheus: int | None = None
    pin: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.on_sink not in ON_SINK:
            raise RecipeError(f"unknown on_sink {self.on_sink!r}; {nearest(self.on_sink, ON_SINK)}")
        for name, least in (("workers", 1), ("queue", 1), ("events", 0), ("deadline", 0)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise RecipeError(f"{name}: {value}, at least {least}")


def stream(
    menu: Menu,
    wanted: str | Source,
    settings: Settings | None = None,
    *,
    read: Callable[[], Menu] | None = None,
    during: Callable[[Loop], None] = lambda loop: None,
) -> dict[str, Any]:
    """Replay events, decide, and account for every one.

    Parameters
    ----------
    menu
        That decides.
    wanted
        The events, or as `hepnn.trigger.source.opened` takes them.
    settings
        How.
    read
        Reads the menu again, on SIGHUP.
    during
        Called at every turn of the loop.

    Returns
    -------
    dict
        The document of `hepnn trigger --json`; `holds` says whether the account balances, the
        output is whole, and nothing has drifted.

    Raises
    ------
    HepnnError
        If a setting or a source is wrong.
    """
    how = settings or Settings()
    come = arrivals.times(how.arrivals, how.rate, how.seed)
    events = wanted if isinstance(wanted, Source) else source.opened(wanted, menu, how.seed)
    queue = Queue(how.queue, how.policy, how.seed)
    deadline = None if how.deadline is None else int(how.deadline * 1000)
    tally = Tally(menu, events, deadline, drift_of(menu, how.limit))
    total = len(events) if how.events is None else how.events or None
    if how.plot is not None:
        from hepnn.plots import style

        style.insist_on_kind(how.plot)
    places = cores.apart(how.workers) if how.pin else cores.Cores()
    with contextlib.ExitStack() as stack:
        out = None
        if how.output is not None:
            rows.insist_on_names(menu)
            out = stack.enter_context(sink.Sink(how.output))
        pool = Pool(menu, lambda row: events.x[row], how.workers, where=places.workers)
        stack.callback(pool.stop)
        watcher = watch.started(how.prometheus, total)
        stack.callback(watcher.stop)
        with console.working(f"trigger: {how.workers} workers"):
            pool.wait()
        loop = Loop(
            menu,
            tally,
            queue,
            pool,
            come,
            events=total,
            sink=out,
            insist_on_sink=how.on_sink == "stop",
            say=console.say,
        )
        with _signals(loop, read, places), _quiet(), cores.kept(places.loop):

            def each(one: Loop) -> None:
                watcher.look(one)
                during(one)

            console.say("trigger: running")
            loop.run(each)
        seconds = (loop.clock.now() - loop.started) / 1e9
    document = {
        "source": events.name,
        "arrivals": how.arrivals,
        "rate_hz": how.rate,
        "seed": how.seed,
        "policy": how.policy,
        "workers": how.workers,
        "workers_replaced": pool.replaced,
        "deadline_us": how.deadline,
        "stopped": loop.stopping,
        "reloads": loop.reloads,
        **tally.document(seconds),
        "output": None if out is None else _written(out, tally),
    }
    document["faults"] = _faults(document)
    if how.plot is not None:
        from hepnn.plots import trigger

        try:
            trigger.draw(document, how.plot)
        except HepnnError as error:  # the numbers are worth more than the picture
            document["faults"].append(str(error))
    document["holds"] = not document["faults"]
    return document


def drift_of(menu: Menu, limit: float = LIMIT) -> Drift | None:
    """Return the reference that a stream is compared with; None where the run keeps no events."""
    first = menu.items[0].trigger.export
    if first.run is None or first.features != menu.features:
        return None
    run = first.opened_run()
    if not all((run.path / "data" / f"{name}.npz").is_file() for name in _SPLITS):
        return None
    validation = run.events("validation").x
    scores = menu.score(np.ascontiguousarray(validation))
    kept = np.any(menu.kept(menu.passed(scores), np.arange(len(scores))), axis=1)
    training = run.events("calibration").x
    expected = (float(kept.mean()), len(scores))
    return Drift(training, menu.features, scores, menu.names, expected, limit)


def with_shadow(menu: Menu, shadow: Any) -> Menu:
    """Return the menu with a network beside it that sees the same events and accepts nothing.

    Parameters
    ----------
    menu
        Its first item's signal and, where none is stored, threshold are the shadow's.
    shadow
        A `Trigger`.
    """
    if shadow.threshold is None:
        shadow.threshold = menu.items[0].trigger.threshold
    return Menu([*menu.items, Item("shadow", shadow, shadow=True)], menu.seed)


def checked(menu: Menu) -> Menu:
    """Return a menu whose networks repeat the outputs that are kept with their thresholds.

    Raises
    ------
    RunError
        If one does not.
    """
    for item in menu.items:
        thresholds.insist_on_vectors(item.trigger)
    return menu


_SPLITS = ("calibration", "validation")


def _written(out: sink.Sink, tally: Tally) -> dict[str, Any]:
    accepted = tally.account.counts["accepted"]
    return {
        "path": str(out.path),
        "written": out.written,
        "lost": accepted - out.written,
        "failed": out.failed,
    }


def _faults(document: dict[str, Any]) -> list[str]:
    """Return in words what does not hold."""
    found = list((document.get("monitoring") or {}).get("alarms", []))
    if not document["account"]["balances"]:
        found.insert(0, "the account does not balance")
    output = document["output"]
    if output and output["lost"]:
        found.append(f"{output['lost']} accepted events are not written: {output['failed']}")
    return found


@contextlib.contextmanager
def _signals(loop: Loop, read: Callable[[], Menu] | None, places: cores.Cores) -> Iterator[None]:
    """Stop cleanly on SIGINT and SIGTERM; read the menu again on SIGHUP."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def beside(reading: Callable[[], Menu]) -> None:
        # The thread begins on the core of the loop, which goes on with the old menu until then.
        with cores.kept(places.workers):
            loop.reload(reading)

    def reload(*_: Any) -> None:
        if read is not None:
            threading.Thread(target=beside, args=(read,), daemon=True).start()

    def stop(number: int, _: Any) -> None:
        loop.stop(signal.Signals(number).name)

    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: reload}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the collector of garbage out of the loop, and let other threads have short turns."""
    enabled, usual = gc.isenabled(), sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
        gc.unfreeze()
        if enabled:
            gc.enable()
