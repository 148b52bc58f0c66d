"""What a network is trained for: loss, metrics, and how its outputs become decisions."""

from __future__ import annotations

import importlib
from typing import Any

from hepnn.errors import RecipeError, nearest

TASKS = {"classify": "hepnn.tasks.classify"}


def get(name: str) -> Any:
    """Return the module of a task.

    Raises
    ------
    RecipeError
        If no such task exists.
    """
    if name not in TASKS:
        raise RecipeError(f"unknown task {name!r}; {nearest(name, TASKS)}")
    return importlib.import_module(TASKS[name])
