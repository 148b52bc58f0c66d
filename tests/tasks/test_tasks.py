"""Every task has what the others of the package ask of one."""

from __future__ import annotations

import inspect

import pytest

from hepnn import declarations, tasks
from hepnn.errors import RecipeError
from hepnn.recipe import Recipe
from hepnn.tasks import Task

FUNCTIONS = [name for name, _ in inspect.getmembers(Task, inspect.isfunction) if name[0] != "_"]


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_has_every_function_with_the_protocols_parameters(name: str) -> None:
    task = tasks.get(name)
    assert len(FUNCTIONS) == 12
    for function in FUNCTIONS:
        wanted = list(inspect.signature(getattr(Task, function)).parameters.values())[1:]
        given = list(inspect.signature(getattr(task, function)).parameters.values())
        assert len(given) == len(wanted), function
        # Positions and the names that callers use; the first ones have the task's own names.
        for one, other in zip(wanted, given, strict=True):
            if one.name in ("scaling", "seed"):
                assert other.name == one.name, function


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_says_what_it_predicts_draws_and_changes(name: str) -> None:
    task = tasks.get(name)
    assert task.LABELS is None or isinstance(task.LABELS, str)
    assert task.SCALED in ("labels", "inputs", None)
    assert isinstance(task.FROM_NOISE, bool)
    assert task.PICTURES and all(title for title in task.PICTURES.values())
    assert "curves" not in task.PICTURES  # every stage has these
    assert all(figure.title for figure in task.FIGURES.values())
    assert all(task.WORDS)


def test_a_recipe_takes_every_task_and_no_other() -> None:
    base = {"name": "x", "dataset": "jets", "architecture": {"name": "mlp"}}
    for name in tasks.TASKS:
        assert declarations.parse(Recipe, {**base, "task": name}, "recipe").task.name == name
    with pytest.raises(RecipeError, match="task"):
        declarations.parse(Recipe, {**base, "task": "regres"}, "recipe")
    with pytest.raises(RecipeError, match="unknown task 'regres'; did you mean 'regress'"):
        tasks.get("regres")
