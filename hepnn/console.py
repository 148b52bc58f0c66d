"""What is said while work is going on: on stderr, so that stdout is for results."""

from __future__ import annotations

import contextlib
import os
import sys
import time
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

#: Seconds between two lines of progress where there is no terminal.
EVERY = 30.0


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
def epochs(
    stage: str, total: int, events: int = 0
) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Show progress over the epochs; call what is given with each epoch's number and logs.

    In a terminal that is a bar; elsewhere, as in a batch log or a terminal that cannot move its
    cursor, a plain line after the first epoch and the last, and every `EVERY` seconds.

    Parameters
    ----------
    stage
        What is trained.
    total
        Epochs.
    events
        Trained on in each of them.
    """
    began = time.monotonic()
    known = {"first": -1, "said": -EVERY}

    def so_far(epoch: int) -> tuple[float, float]:
        """Return the seconds of this process's fit, and its epochs a second."""
        if known["first"] < 0:
            known["first"] = epoch
        passed = max(time.monotonic() - began, 1e-9)
        return passed, (epoch - known["first"] + 1) / passed

    if stderr.is_terminal and not stderr.is_dumb_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[logs]}"),
        )
        with Progress(*columns, console=stderr, transient=True) as bar:
            task = bar.add_task(stage, total=total, logs="")

            def draw(epoch: int, logs: dict[str, float]) -> None:
                text = f"{_pace(so_far(epoch)[1] * events)}{_shown(logs)}"
                bar.update(task, completed=epoch + 1, logs=text)

            yield draw
        return

    def tell(epoch: int, logs: dict[str, float]) -> None:
        (passed, rate), left = so_far(epoch), total - epoch - 1
        if left and passed - known["said"] < EVERY:
            return
        known["said"] = passed
        remaining = f"{_clock(left / rate)} left, " if left else ""
        pace = _pace(rate * events)
        say(f"{stage}: epoch {epoch + 1}/{total}, {remaining}{pace}{_shown(logs)}")

    yield tell


def _shown(logs: dict[str, float]) -> str:
    names = ("loss", "val_loss", "val_accuracy", "sparsity", "ebops")
    return " ".join(f"{name} {logs[name]:.4g}" for name in names if name in logs)


def _pace(rate: float) -> str:
    return f"{rate:,.0f} events/s " if rate else ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


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
