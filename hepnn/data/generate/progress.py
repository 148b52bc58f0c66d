"""The bar over a job's events, on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

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

from hepnn import console


class Rate(ProgressColumn):
    """Events a second since the start, without those of an earlier call."""

    def render(self, task: Task) -> Text:
        """Show the rate once there is one."""
        done = task.completed - task.fields["before"]
        return Text(f"{done / task.elapsed:.0f} events/s" if task.elapsed and done else "")


@contextlib.contextmanager
def events(title: str, total: int, before: int) -> Iterator[Callable[[int], None]]:
    """Show a bar; call what is given with the number of events that were added.

    Parameters
    ----------
    title : str
        What is generated.
    total : int
        Events of the whole job.
    before : int
        Those of them that are there already.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console.stderr) as progress:
        bar = progress.add_task(title, total=total, completed=before, before=before)
        yield lambda added: progress.advance(bar, added)
