"""What is said while work is going on: on stderr, so that stdout is for results."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

stderr = Console(stderr=True, highlight=False)


def say(message: str) -> None:
    """Print one line."""
    stderr.print(message, markup=False, soft_wrap=True)


@contextlib.contextmanager
def working(message: str) -> Iterator[None]:
    """Show that something of unknown length is going on."""
    if not stderr.is_terminal:
        say(f"{message} ...")
        yield
        return
    with stderr.status(message):
        yield


@contextlib.contextmanager
def epochs(stage: str, total: int) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Show a bar over the epochs; call what is given with each epoch's number and logs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[logs]}"),
    )
    shown_at_all = stderr.is_terminal
    with Progress(*columns, console=stderr, transient=True, disable=not shown_at_all) as bar:
        task = bar.add_task(stage, total=total, logs="")

        def update(epoch: int, logs: dict[str, float]) -> None:
            shown = ("loss", "val_loss", "val_accuracy", "sparsity", "ebops")
            text = " ".join(f"{name} {logs[name]:.4g}" for name in shown if name in logs)
            bar.update(task, completed=epoch + 1, logs=text)

        yield update


@contextlib.contextmanager
def bar(noun: str, total: int | None, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a bar with a rate; call what is given with how much more is done.

    Parameters
    ----------
    noun
        What is counted.
    total
        How many there are; None where it is not known.
    done
        How many were done before.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    shown_at_all = stderr.is_terminal
    with Progress(*columns, console=stderr, transient=True, disable=not shown_at_all) as progress:
        task = progress.add_task(noun, total=total, completed=done, before=done)
        yield lambda more: progress.advance(task, more)


class Rate(ProgressColumn):
    """How many a second since the start."""

    def render(self, task: Task) -> Text:
        """Show the rate once there is one."""
        done = task.completed - task.fields.get("before", 0)
        return Text(f"{done / task.elapsed:,.0f}/s" if task.elapsed and done else "")


def import_tensorflow() -> None:
    """Import TensorFlow without what its C++ side prints at the first import; mend Keras's sum."""
    _import_quietly()
    from hepnn.layers import sums

    sums.mend()


def _import_quietly() -> None:
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
        try:
            import tensorflow

            tensorflow.get_logger().setLevel("ERROR")
        finally:
            os.dup2(kept, 2)
            os.close(kept)
