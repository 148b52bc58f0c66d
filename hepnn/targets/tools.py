"""Compilers and other programs that a target runs: a time limit, a log, the line that matters."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hepnn.errors import TargetError

#: What a line looks like with which a compiler says that something is wrong.
_WRONG = re.compile(r"(\berror\b|\bfatal\b|undefined reference|No space left)", re.IGNORECASE)

#: Lines of make and of linkers that only say that another program failed.
_HEARSAY = re.compile(r"^(make(\[\d+\])?:|collect2:)")


class ToolFailed(TargetError):
    """A program that failed or did not come to an end.

    Parameters
    ----------
    reason
        What failed, and what it said last.
    log
        Where everything that it said is kept.
    """

    def __init__(self, reason: str, log: Path) -> None:
        super().__init__(f"{reason}; its log is {log}")
        self.reason, self.log = reason, log


class ToolTimeout(ToolFailed):
    """A program that was stopped because its time was over."""


def run(
    command: Sequence[str],
    what: str,
    *,
    cwd: Path,
    log: Path,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program to its end, everything it prints going to a log.

    Parameters
    ----------
    command
        Program and arguments.
    what
        The target and the program, for the message.
    cwd
        Where it runs.
    log
        What it prints is added here.
    timeout_s
        When it is stopped, with every process that it started.
    environment
        Instead of this process's own.

    Raises
    ------
    ToolFailed
        If it fails, with the last line that names an error; `ToolTimeout` when time is over.
    """
    with log.open("ab") as stream:
        stream.write(f"$ {' '.join(command)}\n".encode())
        stream.flush()
        start = stream.tell()
        # A session of its own, so that a compiler's children end with it.
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise ToolTimeout(f"{what} did not finish in {timeout_s:g} s", log) from error
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        said = last_error(log, start) or f"exit code {code}"
        raise ToolFailed(f"{what} failed: {said}", log)


def last_error(log: Path, start: int = 0) -> str:
    """Return the last line of a log that names an error, or else its last line, shortened.

    Parameters
    ----------
    log
        The file.
    start
        Byte from which on it is read.
    """
    with log.open("rb") as stream:
        stream.seek(start)
        text = stream.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if _WRONG.search(line)]
    firsthand = [line for line in wrong if not _HEARSAY.search(line)]
    line = next((found[-1] for found in (firsthand, wrong, lines) if found), "")
    return line if len(line) <= 200 else line[:197] + "..."
