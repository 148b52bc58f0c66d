"""Workers on a Dask cluster, which share no disk with this machine or each other.

A trial's runs travel there and back as bytes; this process alone writes the journal and the
folder. Every Dask worker trains in processes of its own, one a thread that Dask gives it. When a
worker dies, the scheduler runs its trials again elsewhere, from where this process knows them.
"""

from __future__ import annotations

import contextlib
import os
import queue
import tempfile
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from hepnn import console
from hepnn import run as runs_module
from hepnn.data.generate import cluster as dask
from hepnn.errors import DataError, HepnnError, RunError, missing_extra
from hepnn.search import parcel
from hepnn.search.crew import ATTEMPTS, Event
from hepnn.search.process import Process
from hepnn.search.work import Job

try:
    from distributed import Queue, WorkerPlugin, get_worker
except ImportError as _error:
    raise missing_extra("distributed", "scale", "searching on a Dask cluster") from _error

#: Seconds between looks for Ctrl-C, and for workers that have joined.
LOOK = 1.0

#: Seconds that a worker waits for an answer before it takes the search for killed.
PATIENCE = 300.0


class Processes(WorkerPlugin):
    """The training processes of a Dask worker, kept from one trial to the next.

    Parameters
    ----------
    name
        Of the search: several may share a cluster.
    threads
        Of each.
    log
        File that takes what they print; the Dask worker's standard error by default.
    """

    def __init__(self, name: str, threads: int, log: Path | None) -> None:
        self.name = name
        self._threads = threads
        self._log = log
        self._idle: list[Process] = []

    def take(self) -> Process:
        """Return one that has no work."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        if self._log is None:
            return Process(self._threads)
        with self._log.open("a", encoding="utf-8") as log:
            return Process(self._threads, log)

    def give_back(self, process: Process) -> None:
        """Keep one for the next trial."""
        self._idle.append(process)

    def teardown(self, worker: Any) -> None:
        """End all of them."""
        while self._idle:
            self._idle.pop().close()


class Cluster:
    """A connection to a scheduler.

    Parameters
    ----------
    address
        As `tcp://host:8786`; or `local` for a cluster on this machine.
    size
        Workers of a local cluster.
    threads
        Of each training process.
    log
        File that takes what the training processes of a local cluster print.
    """

    def __init__(self, address: str, size: int, threads: int, log: Path) -> None:
        self._address = address
        self._size = size
        self._threads = threads
        self._log = log.resolve() if address == dask.LOCAL else None
        self._stack = contextlib.ExitStack()
        self._unique = os.urandom(8).hex()
        self._heard: queue.Queue[tuple[int, Any]] = queue.Queue()
        self._busy: dict[int, tuple[Any, Job, Path]] = {}
        self._attempts: dict[int, str] = {}
        self._answers: dict[str, Any] = {}

    def room(self) -> int:
        """Return how many jobs there are workers for, as they join and leave."""
        return dask.threads(self._client, self._address) - len(self._busy)

    def submit(self, number: int, job: Job, folder: Path) -> None:
        """Give a job to a worker."""
        name = f"{self._unique}-{number}"
        future = self._client.submit(
            on_worker,
            job,
            parcel.pack(folder, job.runs),
            runs_module.versions(),
            number,
            self._unique,
            key=f"hepnn-{name}",
            retries=ATTEMPTS - 1,
        )
        self._busy[number] = future, job, folder
        future.add_done_callback(lambda ended: self._heard.put((number, ended)))

    def receive(self) -> Event | None:
        """Wait for an event; None where nothing came for a while."""
        try:
            number, message = self._heard.get(timeout=LOOK)
        except queue.Empty:
            dask.threads(self._client, self._address)  # tells of a scheduler that is gone
            return None
        if number not in self._busy:
            return None
        if not isinstance(message, tuple):
            return self._ended(number, message)
        attempt, message = message
        if attempt not in self._answers:
            if number in self._attempts:
                console.say(f"{self._address}: a worker is gone, another does its trial")
                self._forget(number)
            # A queue of its own: what a dead worker still waits for would take the next one's.
            self._answers[attempt] = Queue(attempt, client=self._client)
            self._attempts[number] = attempt
        if not self._busy[number][1].judged:
            self.answer(number, True)
        return Event(number, **message)

    def answer(self, number: int, goes_on: bool) -> None:
        """Answer an epoch of a judged job."""
        self._answers[self._attempts[number]].put(goes_on)

    def _ended(self, number: int, future: Any) -> Event:
        from distributed import KilledWorker

        _, job, folder = self._busy.pop(number)
        self._forget(number)
        failure = future.exception() if future.status == "error" else None
        if isinstance(failure, KilledWorker):
            return Event(number, "failed", why="it killed every worker that took it")
        if isinstance(failure, ModuleNotFoundError):
            raise DataError(f"{self._address}: a worker lacks the package {failure.name}")
        if isinstance(failure, HepnnError):
            return Event(number, "failed", why=str(failure))
        if failure is not None:
            raise failure
        try:
            message, packed = future.result()
        except (CancelledError, OSError) as error:
            raise dask.gone(self._address) from error
        future.release()
        if packed is not None:
            parcel.unpack(packed, folder, job.runs)
        return Event(number, **message)

    def _forget(self, number: int) -> None:
        """Close the queue of a trial's attempt that is over."""
        if answers := self._answers.pop(self._attempts.pop(number, ""), None):
            answers.close()

    def __enter__(self) -> Cluster:
        """Connect."""
        self._stack.enter_context(dask.quiet("distributed.client"))
        self._client = dask.connect(self._address, self._size, self._stack)
        self._client.register_plugin(Processes(self._unique, self._threads, self._log))
        self._client.subscribe_topic(self._unique, self._epoch)
        if not dask.threads(self._client, self._address):
            console.say(f"{self._address}: no workers yet, waiting for some")
        return self

    def __exit__(self, *error: Any) -> None:
        """Leave the cluster; what it still does for this search is given up."""
        with contextlib.suppress(OSError, CancelledError, HepnnError):
            self._client.cancel([busy[0] for busy in self._busy.values()], force=True)
            for answers in self._answers.values():
                answers.put(None)
            self._client.unregister_worker_plugin(self._unique)
        self._stack.close()

    def _epoch(self, event: tuple[float, dict[str, Any]]) -> None:
        told = event[1]
        self._heard.put((told["number"], (told["attempt"], told["message"])))


def on_worker(
    job: Job, packed: bytes, versions: dict[str, str], number: int, topic: str
) -> tuple[dict[str, Any], bytes | None]:
    """Do a job in a process of this Dask worker.

    Returns
    -------
    tuple
        How it ended, and the runs, as far as they were trained.

    Raises
    ------
    RunError
        If this worker's packages are not the search's, or the search answers no more.
    """
    differ = {key: found for key, found in runs_module.versions().items() if found != versions[key]}
    if differ:
        key, found = next(iter(differ.items()))
        why = f"worker {get_worker().address} has {key} {found}, the search {versions[key]}"
        return {"what": "failed", "why": why}, None
    here: Any = get_worker()
    processes: Processes = here.plugins[topic]
    # Every epoch is answered, so that a worker whose search was killed is soon free again.
    attempt = f"{topic}-{number}-{os.urandom(8).hex()}"
    answers = Queue(attempt)
    process = processes.take()
    try:
        with tempfile.TemporaryDirectory(prefix="hepnn-trial-") as name:
            parcel.unpack(packed, Path(name), job.runs)
            process.give(job, Path(name))
            for message in process.messages():
                if message["what"] != "epoch":
                    processes.give_back(process)
                    return message, parcel.pack(Path(name), job.runs)
                here.log_event(topic, {"number": number, "attempt": attempt, "message": message})
                try:
                    goes_on = answers.get(timeout=PATIENCE)
                except TimeoutError:
                    goes_on = None
                if goes_on is None:
                    raise RunError(f"{here.address}: the search is no more")
                if job.judged:
                    process.answer(goes_on)
            process.close()
            raise RunError(f"{here.address}: the training process died")
    except BaseException:
        process.close()
        raise
