"""A worker as a process of this machine, with its share of threads."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from hepnn.search import work, worker


class Process:
    """A worker that was started; it ends with this object's process, however that ends.

    Parameters
    ----------
    threads
        Of its computations.
    log
        What it prints goes there.
    """

    def __init__(self, threads: int, log: IO[Any] | None = None) -> None:
        share = dict.fromkeys(worker.THREADS, str(threads))
        self._process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__],
            env={**os.environ, **share},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
        )

    def give(self, job: work.Job, folder: Path) -> None:
        """Give it a job."""
        self._send({"job": work.as_json(job), "folder": str(folder.resolve())})

    def answer(self, goes_on: bool) -> None:
        """Answer an epoch."""
        self._send({"goes_on": goes_on})

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what it says until it ends."""
        assert self._process.stdout is not None
        for text in self._process.stdout:
            if text.endswith("\n"):  # a killed one may leave half a line
                yield json.loads(text)

    def close(self) -> None:
        """End it, whatever it is doing."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was not yet sent
                pipe.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # that it ended is heard on the other line
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
