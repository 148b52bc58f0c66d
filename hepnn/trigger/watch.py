"""A view of a running stream in a process of its own, which takes no time of the loop.

The loop writes a few numbers into shared memory, four times a second; the process shows them in
the terminal, and serves them to Prometheus.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import signal
import socket
from typing import Any

from hepnn import console
from hepnn.errors import RecipeError, missing_extra
from hepnn.trigger.account import FATES
from hepnn.trigger.loop import Loop

#: Numbers that are shown.
NUMBERS = (
    "seconds",
    "in",
    *FATES,
    "waiting",
    "missed",
    "replaced",
    "p50",
    "p99",
    "p99.9",
    "max",
    "drifted",
)

#: Time in ns between looks.
LOOKS = 250_000_000


class Nothing:
    """No view."""

    def look(self, loop: Loop) -> None:
        """Look at nothing."""

    def stop(self) -> None:
        """End."""


class Watcher:
    """The process.

    Parameters
    ----------
    port
        For Prometheus; None for no metrics.
    total
        Events that come; None for without end.
    shown
        Whether there is a terminal.
    """

    def __init__(self, port: int | None, total: int | None, shown: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._numbers = context.RawArray("d", len(NUMBERS))
        self._ended = context.Event()
        self._next = 0
        self._process = context.Process(
            target=_view, args=(self._numbers, self._ended, port, total, shown), daemon=True
        )
        self._process.start()

    def look(self, loop: Loop) -> None:
        """Write the numbers, when it is time."""
        now = loop.clock.now()
        if now < self._next:
            return
        self._next = now + LOOKS
        self._numbers[:] = [float(number or 0) for number in numbers(loop).values()]

    def stop(self) -> None:
        """End the view."""
        self._ended.set()
        self._process.join(5)
        if self._process.exitcode is None:
            self._process.kill()


def started(port: int | None, total: int | None) -> Watcher | Nothing:
    """Start a view, if there is a terminal or a port.

    Raises
    ------
    MissingDependency
        If Prometheus' client is not installed.
    RecipeError
        If the port cannot be had.
    """
    if port is not None:
        if importlib.util.find_spec("prometheus_client") is None:
            raise missing_extra("prometheus-client", "monitor", "serving metrics")
        try:
            socket.create_server(("", port)).close()
        except (OSError, OverflowError) as error:
            raise RecipeError(f"--prometheus {port}: no port to be had: {error}") from error
    shown = console.stderr.is_terminal
    return Watcher(port, total, shown) if shown or port is not None else Nothing()


def numbers(loop: Loop) -> dict[str, float | None]:
    """Return what is shown, by `NUMBERS`; latencies in us."""
    tally = loop.tally
    tally.count()
    quantiles = [tally.latencies.quantile(share) for share in (0.5, 0.99, 0.999)]
    drift = tally.drift
    drifted = 0
    if drift is not None:
        every = [*drift.features.values(), *drift.scores.values()]
        drifted = sum(one.drifted(drift.limit) for one in every)
    values = [
        (loop.clock.now() - loop.started) / 1e9,
        tally.account.entered,
        *tally.account.counts.values(),
        tally.account.open,
        tally.missed,
        getattr(loop.workers, "replaced", 0),
        *(None if one is None else one / 1e3 for one in quantiles),
        tally.latencies.largest / 1e3,
        drifted,
    ]
    return dict(zip(NUMBERS, values, strict=True))


def _view(values: Any, ended: Any, port: int | None, total: int | None, shown: bool) -> None:
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    parent = os.getppid()
    if port is not None:
        from prometheus_client import start_http_server

        start_http_server(port, registry=metrics(values))
    from rich.live import Live

    live: Live | None = None
    while not ended.wait(0.25) and os.getppid() == parent:
        if shown and live is None and values[0]:  # the loop runs
            live = Live(console=console.stderr, auto_refresh=False, transient=True)
            live.start()
        if live is not None:
            live.update(table(dict(zip(NUMBERS, values, strict=True)), total), refresh=True)
    if live is not None:
        live.stop()


def table(values: dict[str, float], total: int | None) -> Any:
    """Return what the terminal shows."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, show_header=False)
    seconds = max(values["seconds"], 1e-9)
    of = "" if total is None else f" of {total:,}"
    made.add_row("events in", f"{values['in']:,.0f}{of}", f"{values['in'] / seconds:,.0f} Hz")
    for fate in FATES:
        made.add_row(fate, f"{values[fate]:,.0f}", f"{values[fate] / seconds:,.1f} Hz")
    made.add_row("waiting", f"{values['waiting']:,.0f}", "")
    quantiles = "  ".join(f"{name} {values[name]:,.1f}" for name in ("p50", "p99", "p99.9", "max"))
    made.add_row("latency, us", quantiles, "")
    made.add_row("missed deadlines", f"{values['missed']:,.0f}", "")
    made.add_row("workers replaced", f"{values['replaced']:,.0f}", "")
    made.add_row("drifted histograms", f"{values['drifted']:,.0f}", "")
    return made


def metrics(values: Any) -> Any:
    """Return a registry of Prometheus' client that reads the numbers when it is asked."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    class Collector:
        def collect(self) -> Any:
            found = dict(zip(NUMBERS, values, strict=True))
            events = CounterMetricFamily(
                "hepnn_trigger_events", "Events by what became of them.", labels=["fate"]
            )
            for fate in FATES:
                events.add_metric([fate], found[fate])
            yield events
            yield CounterMetricFamily("hepnn_trigger_in", "Events that came.", found["in"])
            yield CounterMetricFamily(
                "hepnn_trigger_missed_deadlines", "Decisions after the deadline.", found["missed"]
            )
            yield CounterMetricFamily(
                "hepnn_trigger_workers_replaced", "Workers that died.", found["replaced"]
            )
            yield GaugeMetricFamily("hepnn_trigger_waiting", "Not settled.", found["waiting"])
            yield GaugeMetricFamily(
                "hepnn_trigger_drifted", "Histograms that drifted.", found["drifted"]
            )
            latency = GaugeMetricFamily(
                "hepnn_trigger_latency_seconds", "From arrival to decision.", labels=["quantile"]
            )
            for name in ("p50", "p99", "p99.9", "max"):
                latency.add_metric([name], found[name] * 1e-6)
            yield latency

    registry = CollectorRegistry()
    registry.register(Collector())
    return registry
