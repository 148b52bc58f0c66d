"""What a search found: its trials, the best of them, the front, and what mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hepnn.errors import HepnnError
from hepnn.run import open_run
from hepnn.search import figures, points
from hepnn.search.journal import Journal, load_optuna
from hepnn.search.plan import Plan

#: Where a search's result lies, beside its runs.
FILE = "search.json"

#: How Optuna's states are called here.
STATES = {"COMPLETE": "complete", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "unfinished"}

#: Finished trials below which importances say nothing.
FEW = 6


def name_of(number: int) -> str:
    """Return what a trial is called; its runs are named after it."""
    return f"trial{number + 1}"


def point_of(plan: Plan, journal: Journal, number: int, folder: Path) -> dict[str, Any]:
    """Return a finished trial as a point (`hepnn.search.points.point`).

    Raises
    ------
    RecipeError
        If an objective is not known of it.
    """
    names = [f"{name_of(number)}-seed{seed}" for seed in plan.seeds]
    found = [figures.of_run(open_run(folder / name), plan.costs) for name in names]
    return points.point(journal.setting(number), found, plan.objectives)


def document(plan: Plan, journal: Journal, folder: Path) -> dict[str, Any]:
    """Return the document of a search.

    Returns
    -------
    dict
        `recipe`, `method`, `pruner`, `seed`, `seeds`, `threads`, `space`; `objectives`: name, what
        it is, whether less is better; `on`, the events; `counts` of the trials by state; `trials`:
        of each its number, state, `set`, and where it is complete `values`, `spreads`, `runs`,
        `stage` and whether it is on the `front`; `front`, the numbers of those; `best`: the one
        that is the best in the first objective; `importance`: of each objective that is not the
        same in all trials the share of each key, or None of few trials.

    Raises
    ------
    HepnnError
        If every trial failed.
    """
    rows: list[dict[str, Any]] = []
    for trial in journal.trials:
        row = {"trial": trial.number + 1, "state": STATES[trial.state.name]}
        if row["state"] == "complete":
            row |= point_of(plan, journal, trial.number, folder)
        else:
            row["set"] = journal.setting(trial.number)
            row["epochs"] = trial.last_step
            row["why"] = trial.user_attrs.get("why")
        rows.append(row)
    complete = [row for row in rows if row["state"] == "complete"]
    if rows and all(row["state"] == "failed" for row in rows):
        raise HepnnError(f"{folder}: every trial failed; the first: {rows[0]['why']}")
    points.mark_front(complete, plan.objectives)
    first = plan.objectives[0]
    sign = -1 if figures.less_is_better(first) else 1
    best = max(complete, key=lambda row: sign * row["values"][first], default=None)
    return {
        "recipe": plan.recipe["name"],
        "method": plan.method,
        "pruner": plan.pruner,
        "seed": plan.seed,
        "seeds": plan.seeds,
        "threads": plan.threads,
        "space": plan.space,
        "objectives": [
            {
                "name": name,
                "is": figures.COSTS.get(name, name),
                "less_is_better": figures.less_is_better(name),
            }
            for name in plan.objectives
        ],
        "on": "validation",
        "counts": {state: sum(row["state"] == state for row in rows) for state in STATES.values()},
        "trials": rows,
        "front": [row["trial"] for row in complete if row["front"]],
        "best": best and best["trial"],
        "importance": _importance(plan, journal, [row["values"] for row in complete]),
    }


def _importance(
    plan: Plan, journal: Journal, reached: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float]] | None:
    """Return the share of each key in the variance of each objective that has one.

    F. Hutter, H. Hoos, K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
    Importance" (ICML 2014): functional ANOVA over a random forest.
    """
    if len(reached) < FEW or len(plan.space) < 2:
        return None
    optuna = load_optuna()
    found = {}
    for place, name in enumerate(plan.objectives):
        if len({values[name] for values in reached}) == 1:
            continue
        shares = optuna.importance.get_param_importances(
            journal.study,
            evaluator=optuna.importance.FanovaImportanceEvaluator(seed=plan.seed),
            target=lambda trial, place=place: trial.values[place],
        )
        found[name] = {key: float(share) for key, share in shares.items()}
    return found or None


def draw(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw a search's pictures beside its runs: history, fronts, importance."""
    from hepnn.plots import front, search

    complete = [row for row in document["trials"] if row["state"] == "complete"]
    if not complete:
        return []
    drawn = [search.history(document, folder / "history.svg")]
    metric, *others = (one["name"] for one in document["objectives"])
    for other in others:
        pair = points.against(complete, metric, other)
        drawn.append(front.draw(pair, folder / f"front-{other}.svg"))
    if document["importance"] is not None:
        drawn.append(search.importance(document["importance"], folder / "importance.svg"))
    return drawn
