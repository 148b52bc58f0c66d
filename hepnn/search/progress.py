"""How far a search is: a bar for the trials, one for each that is under way."""

from __future__ import annotations

import time
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hepnn import console


class Shown:
    """The bars, on stderr; where that is no terminal, a line for each trial that has ended.

    Parameters
    ----------
    total
        Trials, at most.
    done
        Those that had ended before.
    epochs
        Of a trial.
    """

    def __init__(self, total: int, done: int, epochs: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[logs]}"),
        )
        terminal = console.stderr.is_terminal
        self._bars = Progress(
            *columns, console=console.stderr, transient=True, disable=not terminal
        )
        self._all = self._bars.add_task("trials", total=total, completed=done, logs="")
        self._epochs = epochs
        self._tasks: dict[int, Any] = {}
        self._began: dict[int, float] = {}

    def begin(self, number: int, name: str) -> None:
        """Show a trial that begins."""
        self._began[number] = time.monotonic()
        self._tasks[number] = self._bars.add_task(name, total=self._epochs, logs="")

    def epoch(self, number: int, epochs: int, text: str) -> None:
        """Show how far a trial is."""
        self._bars.update(self._tasks[number], completed=epochs, logs=text)

    def end(self, number: int, line: str) -> None:
        """Say how a trial ended."""
        self._bars.remove_task(self._tasks.pop(number))
        self._bars.advance(self._all)
        console.say(f"{line}, {time.monotonic() - self._began.pop(number):.0f} s")

    def __enter__(self) -> Shown:
        """Start."""
        self._bars.start()
        return self

    def __exit__(self, *error: Any) -> None:
        """Take the bars away."""
        self._bars.stop()
