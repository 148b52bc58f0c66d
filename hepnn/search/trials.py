"""The trials of a search: begun, given out, heard of, ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, pipeline, series
from hepnn.errors import HepnnError, RecipeError
from hepnn.run import Run, open_run
from hepnn.search import figures, points, results, work
from hepnn.search import plan as plans
from hepnn.search import space as spaces
from hepnn.search.crew import ENDS, Crew, Event
from hepnn.search.journal import Journal
from hepnn.search.progress import Shown
from hepnn.search.work import Job


class Search:
    """The trials of a plan, and their runs.

    Parameters
    ----------
    recipe, base
        The recipe, and what is changed in it for every trial.
    plan
        What the search is.
    ranges
        Its space.
    folder
        Where it lies.
    """

    def __init__(
        self,
        recipe: str | Path | dict[str, Any],
        base: dict[str, Any],
        plan: plans.Plan,
        ranges: spaces.Ranges,
        folder: Path,
    ) -> None:
        self._recipe = recipe
        self._base = base
        self._plan = plan
        self._folder = folder
        # What all trials have in common is trained once a seed.
        self._shares = all(key.startswith("compress.") for key in ranges)
        loaded = pipeline.load(recipe, base)
        self._epochs = work.epochs_of(loaded, int(self._shares))
        self._less = [figures.less_is_better(name) for name in plan.objectives]
        self._starts: dict[int, Run] = {}
        self.journal = Journal(
            folder,
            ranges,
            self._less,
            method=plan.method,
            pruner=plan.pruner,
            seed=plan.seed,
            epochs=self._epochs,
        )

    def go(self, crew: Crew, limit: int, timeout: float | None) -> None:
        """Do the trials that are missing.

        Parameters
        ----------
        crew
            Who trains.
        limit
            Trials of the whole search.
        timeout
            Seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = self.journal.running  # a killed search's; they come first
        done = len(self.journal.trials) - len(waiting)
        if done or waiting:
            console.say(f"{self._folder}: {done} trials are done, {len(waiting)} go on")
        if self._shares and (waiting or done < limit):
            self._train_starts(crew)

        def draw() -> tuple[int, Job] | None:
            while True:
                late = deadline is not None and time.monotonic() > deadline
                if waiting:
                    number: int | None = waiting.pop(0)
                elif late or len(self.journal.trials) >= limit:
                    number = None
                else:
                    number = self.journal.propose()
                if number is None:
                    return None
                shown.begin(number, results.name_of(number))
                if job := self._begin(number, shown):
                    return number, job

        with Shown(limit, done, self._epochs) as shown:
            self._work_off(crew, draw, lambda event: self._hear(crew, event, shown))

    def _work_off(
        self,
        crew: Crew,
        draw: Callable[[], tuple[int, Job] | None],
        hear: Callable[[Event], None],
    ) -> None:
        """Give out jobs while there are some, and hear of them until all are done."""
        busy: set[int] = set()
        more = True
        while busy or more:
            while more and crew.room() > 0:
                if drawn := draw():
                    crew.submit(*drawn, self._folder)
                    busy.add(drawn[0])
                else:
                    more = False
            if (busy or more) and (event := crew.receive()) is not None:
                hear(event)
                if event.what in ENDS:
                    busy.discard(event.number)

    def _train_starts(self, crew: Crew) -> None:
        """Train the float stage that all trials of a seed go on from."""
        made = [
            series.of_float(self._recipe, {**self._base, "seed": seed}, self._folder)
            for seed in self._plan.seeds
        ]
        missing = [run for run in made if "float" not in run.stages]
        jobs = iter([(-number, Job((run.name,))) for number, run in enumerate(missing, 1)])

        def hear(event: Event) -> None:
            if event.what == "failed":
                raise HepnnError(event.why)

        if missing:
            with console.working("the float stage, which all trials go on from"):
                self._work_off(crew, lambda: next(jobs, None), hear)
        self._starts = {
            seed: open_run(run.path) for seed, run in zip(self._plan.seeds, made, strict=True)
        }

    def _begin(self, number: int, shown: Shown) -> Job | None:
        """Begin the runs of a trial; None where the recipe cannot have its setting."""
        setting = self.journal.setting(number)
        names = []
        for seed in self._plan.seeds:
            try:
                wanted = pipeline.load(self._recipe, {**self._base, **setting, "seed": seed})
            except RecipeError as error:
                self._fail(number, str(error), shown)
                return None
            name = f"{results.name_of(number)}-seed{seed}"
            series.begin(wanted, self._folder, name, self._starts.get(seed))
            names.append(name)
        judged = self._plan.pruner != "none"
        return Job(tuple(names), tuple(self._plan.costs), int(self._shares), judged)

    def _hear(self, crew: Crew, event: Event, shown: Shown) -> None:
        number = event.number
        if event.what == "epoch":
            if self._plan.pruner != "none":
                value = self._judged(event.logs)
                goes_on = value is None or self.journal.goes_on(number, event.epochs, value)
                crew.answer(number, goes_on)
            text = " ".join(
                f"{name} {value:.4g}"
                for name, value in event.logs.items()
                if name in ("val_loss", "val_accuracy", "ebops")
            )
            shown.epoch(number, event.epochs, text)
        elif event.what == "done":
            self._complete(number, shown)
        elif event.what == "failed":
            self._fail(number, event.why, shown)
        elif event.what == "stopped":
            epochs = self.journal.trials[number].last_step
            shown.end(number, f"{self._said(number)}: stopped after {epochs} epochs")
        elif event.what == "lost":
            console.say(f"{results.name_of(number)}: its worker is gone, another goes on")

    def _complete(self, number: int, shown: Shown) -> None:
        try:
            row = results.point_of(self._plan, self.journal, number, self._folder)
        except RecipeError as error:
            self._fail(number, str(error), shown)
            return
        values = list(row["values"].values())
        if not np.isfinite(values).all():
            self._fail(number, "a figure is not finite", shown)
            return
        self.journal.complete(number, values)
        reached = ", ".join(f"{name} {value:.5g}" for name, value in row["values"].items())
        shown.end(number, f"{self._said(number)}: {reached}")

    def _fail(self, number: int, why: str, shown: Shown) -> None:
        self.journal.fail(number, why)
        shown.end(number, f"{self._said(number)}: failed, {why}")

    def _said(self, number: int) -> str:
        return f"{results.name_of(number)}: {points.words(self.journal.setting(number))}"

    def _judged(self, logs: Mapping[str, float]) -> float | None:
        """Return what a trial is judged by at an epoch, in the direction of the first metric."""
        known = (f"val_{self._plan.metrics[0]}", "val_distance", "val_loss")
        name = next((name for name in known if name in logs), None)
        if name is None:
            return None
        less = figures.less_is_better(name.removeprefix("val_"))
        return logs[name] if less == self._less[0] else -logs[name]
