"""A search over any keys of a recipe, by trials that are runs.

One process draws the trials, writes the journal and begins the runs; workers train them. It may
be killed at any moment: trials that were under way go on under the same numbers and in the same
folders; from their checkpoints, but on a cluster from their beginning, since their folders come
back when they end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepnn import console, files, pipeline, series
from hepnn.data.generate.pool import usable_cores
from hepnn.errors import RecipeError
from hepnn.recipe import Range
from hepnn.search import figures, journal, rehearsal, results
from hepnn.search import plan as plans
from hepnn.search import space as spaces
from hepnn.search.crew import Crew
from hepnn.search.pool import Pool
from hepnn.search.trials import Search

#: Trials of a search that is not told how many.
TRIALS = 20

#: File of what workers on this machine print.
LOG = "workers.log"


def tune(
    recipe: str | Path | dict[str, Any],
    *,
    over: Mapping[str, Any] | None = None,
    overrides: dict[str, Any] | None = None,
    method: str = "tpe",
    pruner: str = "none",
    metrics: Sequence[str] = (),
    costs: Sequence[str] = (),
    trials: int | None = None,
    timeout: float | None = None,
    seeds: Sequence[int] = (),
    seed: int = 1,
    workers: int | None = None,
    threads: int = 1,
    dask: str | None = None,
    folder: Path,
) -> dict[str, Any]:
    """Search a recipe's space on validation events, or go on with a search that was killed.

    Parameters
    ----------
    recipe, overrides
        As of `pipeline.train`.
    over
        Entries of the space that replace those of the recipe's `search`, or come to them: a list
        of values, or a mapping of `low`, `high` and `log` or `step`; None leaves a key out.
    method, pruner
        Of `hepnn.search.journal`.
    metrics
        Figures of the task's `evaluate` by dotted key, as of `sweep`. A trial's is the mean over
        `seeds`.
    costs
        Of `hepnn.search.figures.COSTS`. With more than one objective in all, the search is for
        their Pareto front.
    trials
        Of the whole search; 20, and of a grid all, by default. A finished search can be told to
        have more.
    timeout
        Seconds after which no trial is begun.
    seeds
        Of the networks of each trial; the recipe's by default.
    seed
        Of what is drawn.
    workers
        Processes on this machine; by default as many as cores have room for `threads` of each.
    threads
        Of each worker.
    dask
        Address of a Dask scheduler, or `local`.
    folder
        Where the runs, the journal and the result go.

    Returns
    -------
    dict
        See `hepnn.search.results.document`.

    Raises
    ------
    RecipeError
        If there is nothing to search, a key, value, metric or cost is unknown, or the folder is
        of another search.
    MissingDependency
        If the extra `scale` is not installed.
    HepnnError
        If every trial failed, and as `pipeline.train`.
    """
    numbers = {"trials": trials, "workers": workers, "threads": threads, "timeout": timeout}
    for name, number in numbers.items():
        if number is not None and not number > 0:
            raise RecipeError(f"--{name} {number}: must be above 0")
    for noun, values in (("metric", metrics), ("cost", costs), ("seed", seeds)):
        series.insist_on_distinct(noun, values)
    journal.load_optuna()
    base: dict[str, Any] = {**(overrides or {}), "search": {}}
    loaded = pipeline.load(recipe, base)
    ranges = spaces.read(pipeline.load(recipe, overrides).search, over or {})
    journal.insist(method, pruner, max(1, len(metrics)) + len(costs))
    crew = _crew(dask, workers or max(1, usable_cores() // threads), threads, folder)
    possible = len(spaces.grid(ranges)) if method == "grid" else None
    spaces.check(ranges, recipe, base, seed)
    figures.insist_on_costs(costs, loaded)
    pipeline.survey(loaded, folder)
    known = plans.noted(folder)
    if known is None:
        reached = rehearsal.metrics(loaded)
        metrics = list(metrics) or [figures.usual(reached)]
        figures.insist_on_metrics(metrics, reached)
    plan = plans.Plan(
        recipe=loaded.model_dump(mode="json"),
        space={k: v.model_dump() if isinstance(v, Range) else v for k, v in ranges.items()},
        method=method,
        pruner=pruner,
        seed=seed,
        metrics=list(metrics) or (known.metrics if known else []),
        costs=list(costs),
        seeds=list(seeds) or [loaded.seed],
        threads=threads,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with files.alone(folder):
        plans.note(plan, folder)
        limit = min(trials or possible or TRIALS, possible or trials or TRIALS)
        search = Search(recipe, base, plan, ranges, folder)
        try:
            with crew:
                search.go(crew, limit, timeout)
        except KeyboardInterrupt:
            console.say(f"{folder}: broken off; the same command goes on from there")
            raise
        document = results.document(plan, search.journal, folder)
        files.write_json(folder / results.FILE, document)
        results.draw(document, folder)
    return document


def _crew(dask: str | None, size: int, threads: int, folder: Path) -> Crew:
    if dask is None:
        return Pool(size, threads, folder / LOG)
    from hepnn.search.cluster import Cluster

    return Cluster(dask, size, threads, folder / LOG)
