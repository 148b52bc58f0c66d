"""Who does the trials: what a pool on this machine and a Dask cluster have in common."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Protocol

from hepnn.search.work import Job

#: How often a trial is begun by a worker that is lost with it, before it is given up.
ATTEMPTS = 3

#: The events that a trial ends with, as far as its crew is concerned.
ENDS = ("done", "stopped", "failed")


@dataclasses.dataclass(frozen=True)
class Event:
    """What a crew tells of a trial.

    Attributes
    ----------
    number
        The trial's.
    what
        `epoch`, `done`, `stopped`, `failed`, or `lost`: its worker is gone, and another has it.
    epochs, logs
        Of an epoch.
    why
        Of a failure.
    """

    number: int
    what: str
    epochs: int = 0
    logs: dict[str, float] = dataclasses.field(default_factory=dict)
    why: str = ""


class Crew(Protocol):
    """Workers that take jobs."""

    def room(self) -> int:
        """Return how many jobs there are workers for."""

    def submit(self, number: int, job: Job, folder: Path) -> None:
        """Give a job to a worker."""

    def receive(self) -> Event | None:
        """Wait for an event; None where nothing came for a while."""

    def answer(self, number: int, goes_on: bool) -> None:
        """Answer an epoch of a judged job."""

    def __enter__(self) -> Crew:
        """Start."""

    def __exit__(self, *error: Any) -> None:
        """End every worker."""
