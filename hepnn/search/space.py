"""The space of a search: read, checked against the recipe, listed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import declarations, pipeline, series
from hepnn.errors import RecipeError
from hepnn.recipe import Range, Space

Ranges = Mapping[str, Range | list[Any]]

#: Settings that a grid has at most.
LARGEST = 100_000

#: Combinations of values that are tried on the recipe before anything is trained, at most.
CHECKED = 200

_EXAMPLE = "--over 'fit.learning_rate={low: 1e-4, high: 1e-2, log: true}'"


def read(written: Ranges, over: Mapping[str, Any]) -> dict[str, Range | list[Any]]:
    """Return the space that a recipe and the command line give together.

    Parameters
    ----------
    written
        The recipe's `search`.
    over
        What replaces its entries or comes to them; None leaves a key out.

    Raises
    ------
    RecipeError
        If nothing is left, or an entry is no space.
    """
    merged = {**written, **over}
    content = {
        key: value.model_dump() if isinstance(value, Range) else value
        for key, value in merged.items()
        if value is not None
    }
    if not content:
        raise RecipeError(f"nothing to search: give the recipe a section search, or {_EXAMPLE}")
    ranges = declarations.parse(Space, {"search": content}, "space").search
    for key, one in ranges.items():
        if not isinstance(one, Range):
            series.insist_on_distinct(f"search.{key}: value", one)
        if key == "seed":
            raise RecipeError("search.seed: networks of several seeds are asked for by --seeds")
        if above := next((other for other in ranges if key.startswith(f"{other}.")), None):
            raise RecipeError(f"search.{key} is a part of search.{above}: search one of them")
    return ranges


def combinations(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of listed values, the last key's changing fastest.

    >>> combinations({"a": [1, 2], "b": [3]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    return [dict(zip(values, one, strict=True)) for one in itertools.product(*values.values())]


def grid(ranges: Ranges) -> list[dict[str, Any]]:
    """Return every setting of a space.

    Raises
    ------
    RecipeError
        If a range has numbers without end, or there are too many settings.
    """
    for key, one in ranges.items():
        if isinstance(one, Range) and np.isinf(one.count):
            raise RecipeError(f"search.{key}: a grid needs a list of values, or a step")
    if (count := size(ranges)) > LARGEST:
        raise RecipeError(f"search: a grid of {count:.3g} settings; {LARGEST:,} are the most")
    return combinations({key: listing(one) or [] for key, one in ranges.items()})


def listing(one: Range | list[Any]) -> list[Any] | None:
    """Return the values of a range or a list, where they can be listed."""
    return one.values if isinstance(one, Range) else list(one)


def size(ranges: Ranges) -> float:
    """Return how many settings a space has."""
    lengths = (one.count if isinstance(one, Range) else len(one) for one in ranges.values())
    return float(np.prod([float(length) for length in lengths]))


def check(
    ranges: Ranges, recipe: str | Path | dict[str, Any], overrides: dict[str, Any], seed: int
) -> None:
    """Try values on the recipe: each choice, both ends of each range, and combinations of them.

    Raises
    ------
    RecipeError
        If the recipe has no such key, or cannot have such a value.
    """
    ends = {
        key: [one.low, one.high] if isinstance(one, Range) else list(one)
        for key, one in ranges.items()
    }
    first = {key: values[0] for key, values in ends.items()}
    tried = [{**first, key: value} for key, values in ends.items() for value in values]
    random = np.random.default_rng(seed)
    for _ in range(CHECKED - len(tried)):
        tried.append({key: values[random.integers(len(values))] for key, values in ends.items()})
    for setting in {json.dumps(one): one for one in tried}.values():
        pipeline.load(recipe, {**overrides, **setting})
