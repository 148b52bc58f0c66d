"""What a search is, noted in its folder, so that it goes on and is never mixed with another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import RecipeError, RunError

FILE = "plan.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything that the trials of a search depend on.

    Attributes
    ----------
    recipe
        Without the search, every default written out.
    space
        The ranges by key.
    method, pruner, seed
        How trials are drawn and stopped.
    metrics, costs
        The objectives; the metrics as they were found in the task's figures.
    seeds
        Of each trial's networks.
    threads
        Of each worker: sums of floats depend on them.
    """

    recipe: dict[str, Any]
    space: dict[str, Any]
    method: str
    pruner: str
    seed: int
    metrics: list[str]
    costs: list[str]
    seeds: list[int]
    threads: int

    @property
    def objectives(self) -> list[str]:
        """The names of what is searched for."""
        return [*self.metrics, *self.costs]


def noted(folder: Path) -> Plan | None:
    """Return the plan of a folder, if there is one.

    Raises
    ------
    RunError
        If the file is damaged, or has another thing's plan.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Plan(**files.read_json(path))
    except TypeError as error:
        raise RunError(f"{path} is no plan of a search: give another --out") from error


def note(plan: Plan, folder: Path) -> None:
    """Write a plan into a folder that has none, or see that it is the one that is there.

    Raises
    ------
    RecipeError
        If the folder is of another search.
    """
    found = noted(folder)
    if found is None:
        files.write_json(folder / FILE, dataclasses.asdict(plan))
        return
    for field in dataclasses.fields(Plan):
        theirs, ours = getattr(found, field.name), getattr(plan, field.name)
        if theirs != ours:
            said = "" if field.name == "recipe" else f" {theirs}, wanted {ours}"
            raise RecipeError(
                f"{folder} is of a search with another {field.name}{said}: give another --out"
            )
