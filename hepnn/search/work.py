"""What is done for a trial, by whichever process does it: its runs trained, their figures taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hepnn import recipe as recipes
from hepnn import series
from hepnn.run import Run, open_run
from hepnn.search import figures

#: Takes the finished epochs and the last one's logs; says whether the trial goes on.
Report = Callable[[int, dict[str, float]], bool]


@dataclasses.dataclass(frozen=True)
class Job:
    """What can be given to another process.

    Attributes
    ----------
    runs
        Names of run folders that are begun: one a seed.
    costs
        What is wanted of each.
    skipped
        How many stages the runs were begun with.
    judged
        Whether each epoch waits for an answer; else they are told, and no more.
    """

    runs: tuple[str, ...]
    costs: tuple[str, ...] = ()
    skipped: int = 0
    judged: bool = False


class Stopped(Exception):
    """Raised in a training that shall not go on."""


def do(job: Job, folder: Path, report: Report) -> None:
    """Train the runs of a job, each from where it was left, and keep their figures.

    The first run alone is reported, so that a trial is stopped before its other seeds.

    Parameters
    ----------
    job
        What is done.
    folder
        Where the runs lie.
    report
        Called after each epoch.

    Raises
    ------
    Stopped
        If `report` says so.
    HepnnError
        As `hepnn.pipeline.train`.
    """
    for name in job.runs:
        run = open_run(folder / name)
        watch = _watch(run, job, report) if name == job.runs[0] else None
        figures.of_run(series.finish(run, watch), job.costs)


def epochs_of(recipe: recipes.Recipe, skipped: int = 0) -> int:
    """Return the epochs of a recipe's stages, without the first ones."""
    return sum(recipes.fit_of(recipe, stage).epochs for stage in recipe.stages[skipped:])


def _watch(run: Run, job: Job, report: Report) -> Callable[[str, int, dict[str, float]], None]:
    recipe = run.recipe
    before, total = {}, 0
    for stage in recipe.stages[job.skipped :]:
        before[stage] = total
        total += recipes.fit_of(recipe, stage).epochs

    def watch(stage: str, epoch: int, logs: dict[str, float]) -> None:
        if not report(before[stage] + epoch + 1, logs):
            raise Stopped("the search stopped this trial")

    return watch


def as_json(job: Job) -> dict[str, Any]:
    """Return a job as JSON has it."""
    return dataclasses.asdict(job)


def from_json(content: dict[str, Any]) -> Job:
    """Return the job that `as_json` was given."""
    return Job(**{**content, "runs": tuple(content["runs"]), "costs": tuple(content["costs"])})
