"""The generators that `hepnn data make` knows."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from hepnn.errors import RecipeError, nearest

GENERATORS = {"jets": "hepnn.data.jets.make:make"}


def get(name: str) -> Callable[..., Path]:
    """Return the function that makes a dataset.

    Raises
    ------
    RecipeError
        If no such generator exists.
    """
    if name not in GENERATORS:
        raise RecipeError(f"unknown generator {name!r}; {nearest(name, GENERATORS)}")
    module, function = GENERATORS[name].split(":")
    return getattr(importlib.import_module(module), function)
