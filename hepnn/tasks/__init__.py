"""What a network is trained for: loss, metrics, and how its outputs become decisions."""

from __future__ import annotations

from typing import Any

from hepnn import tables

TASKS = {"classify": "hepnn.tasks.classify"}


def get(name: str) -> Any:
    """Return the module of a task.

    Raises
    ------
    RecipeError
        If no such task exists.
    """
    return tables.load(TASKS, name, "task")
