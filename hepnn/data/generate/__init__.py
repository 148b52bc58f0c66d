"""The generators that `hepnn data make` knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hepnn import tables

GENERATORS = {"jets": "hepnn.data.generate.jets.make:make"}


def get(name: str) -> Callable[..., Path]:
    """Return the function that makes a dataset.

    Raises
    ------
    RecipeError
        If no such generator exists.
    """
    return tables.load(GENERATORS, name, "generator")
