"""Workers on this machine: each a process with a fixed number of threads.

The threads are the same however many workers there are, so that what a trial gives does not
depend on how many others run beside it.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from pathlib import Path
from typing import IO, Any

from hepnn.search.crew import ATTEMPTS, Event
from hepnn.search.process import Process
from hepnn.search.work import Job

#: Seconds between looks for Ctrl-C.
LOOK = 1.0


class Pool:
    """Processes that are started when there is work for them, and kept for the next.

    Parameters
    ----------
    size
        How many.
    threads
        Of each.
    log
        File that takes what they print.
    """

    def __init__(self, size: int, threads: int, log: Path) -> None:
        self._size = size
        self._threads = threads
        self._path = log
        self._log: IO[Any] | None = None
        self._idle: list[Process] = []
        self._busy: dict[int, tuple[Process, Job, Path, int]] = {}
        self._heard: queue.Queue[tuple[Process, dict[str, Any] | None]] = queue.Queue()

    def room(self) -> int:
        """Return how many jobs there are workers for."""
        return self._size - len(self._busy)

    def submit(self, number: int, job: Job, folder: Path, attempt: int = 1) -> None:
        """Give a job to a worker."""
        process = self._idle.pop() if self._idle else self._start()
        self._busy[number] = process, job, folder, attempt
        process.give(job, folder)

    def receive(self) -> Event | None:
        """Wait for an event; None where nothing came for a while."""
        try:
            process, message = self._heard.get(timeout=LOOK)
        except queue.Empty:
            return None
        for number, (busy, *_) in self._busy.items():
            if busy is process:
                return self._event(number, message)
        if message is None and process in self._idle:
            self._idle.remove(process)
        return None

    def answer(self, number: int, goes_on: bool) -> None:
        """Answer an epoch of a judged job."""
        self._busy[number][0].answer(goes_on)

    def _event(self, number: int, message: dict[str, Any] | None) -> Event:
        if message is not None and message["what"] == "epoch":
            return Event(number, **message)
        process, job, folder, attempt = self._busy.pop(number)
        if message is not None:
            self._idle.append(process)
            return Event(number, **message)
        process.close()
        if attempt == ATTEMPTS:
            why = f"its worker died {attempt} times, as one does that is killed for its memory"
            return Event(number, "failed", why=f"{why}; {self._path} has what it said")
        self.submit(number, job, folder, attempt + 1)
        return Event(number, "lost")

    def _start(self) -> Process:
        process = Process(self._threads, self._log)
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def _listen(self, process: Process) -> None:
        with contextlib.suppress(ValueError):  # closed here meanwhile
            for message in process.messages():
                self._heard.put((process, message))
        self._heard.put((process, None))

    def __enter__(self) -> Pool:
        """Open the log."""
        self._log = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *error: Any) -> None:
        """End every worker."""
        for process in [*self._idle, *(busy[0] for busy in self._busy.values())]:
            process.close()
        if self._log is not None:
            self._log.close()
