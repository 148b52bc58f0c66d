"""The space of a search: what it may say, and what is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from clouds import small_recipe

from hepnn import recipe as recipes
from hepnn.errors import RecipeError
from hepnn.search import space

RATE = {"low": 1e-4, "high": 1e-2, "log": True}


def test_the_space_of_a_recipe_is_changed_from_outside() -> None:
    written = space.read({}, {"fit.batch": [64, 128], "fit.learning_rate": RATE})
    merged = space.read(
        written, {"fit.batch": None, "fit.epochs": {"low": 2, "high": 6, "step": 2}}
    )
    assert list(merged) == ["fit.learning_rate", "fit.epochs"]
    assert space.listing(merged["fit.epochs"]) == [2, 4, 6]
    assert space.listing(merged["fit.learning_rate"]) is None


def test_a_grid_has_every_combination_once() -> None:
    ranges = space.read(
        {},
        {"a": [1, [2, 3]], "b": {"low": 0, "high": 0.3, "step": 0.1}, "c": {"low": 1, "high": 3}},
    )
    grid = space.grid(ranges)
    assert len(grid) == space.size(ranges) == 2 * 4 * 3
    assert len({str(one) for one in grid}) == 24
    assert sorted({one["b"] for one in grid}) == [0.0, 0.1, 0.2, 0.3]
    with pytest.raises(RecipeError, match=r"search.r: a grid needs a list of values, or a step"):
        space.grid(space.read({}, {"r": RATE}))
    large = space.read({}, {"n": {"low": 1, "high": 10**12}, "m": [1, 2, 3]})
    assert space.size(large) == 3e12  # counted, not listed
    with pytest.raises(RecipeError, match=r"a grid of 3e\+12 settings"):
        space.grid(large)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({}, "nothing to search"),
        ({"fit.batch": []}, "fit.batch.choices: List should have at least 1 item"),
        ({"fit.batch": {"low": 4, "high": 2}}, "fit.batch.range: low 4 is not below high 2"),
        ({"fit.batch": {"low": 0, "high": 2, "log": True}}, "low 0 has no logarithm"),
        ({"a": {"low": 1, "high": 2, "log": True, "step": 1}}, "log and step exclude each other"),
        ({"a": {"low": 1, "high": 2, "step": 3}}, "step 3 leads beyond high 2"),
        ({"a": {"low": 1, "hihg": 2}}, "unknown key '.*hihg'; did you mean 'high'"),
        ({"a": {"low": 1, "high": float("inf")}}, "finite numbers"),
        ({"a": 3}, "search.a: expected a list of values, or a mapping of low and high"),
        ({"seed": [1, 2]}, "--seeds"),
        ({"fit": [{}], "fit.batch": [1]}, "search.fit.batch is a part of search.fit"),
    ],
)
def test_what_is_no_space_is_refused(over, message) -> None:
    with pytest.raises(RecipeError, match=message):
        space.read({}, over)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"fit.lerning_rate": RATE}, "unknown key 'fit.lerning_rate'; did you mean"),
        ({"fit.learning_rate": {"low": -1.0, "high": 1.0}}, "fit.learning_rate"),
        ({"fit.optimizer": ["adam", "sgdd"]}, "fit.optimizer"),
        ({"architecture.hiden": [[4]]}, "hiden"),
        ({"compress.cluster.clusters": [4, 8]}, "no item 'cluster'"),
        ({"fit.batch": [64], "fit.optimizer": ["adam", "sgd"], "fit.rule": ["perceptron"]}, "rule"),
    ],
)
def test_values_that_the_recipe_cannot_have_are_refused(over, message, clouds_folder: Path) -> None:
    ranges = space.read({}, over)
    with pytest.raises(RecipeError, match=message):
        space.check(ranges, small_recipe(clouds_folder), {}, 1)


def test_a_recipe_carries_its_space_and_trains_without_it(clouds_folder: Path) -> None:
    written = small_recipe(clouds_folder) | {"search": {"fit.learning_rate": RATE}}
    loaded = recipes.load(written)
    assert isinstance(loaded.search["fit.learning_rate"], recipes.Range)
    assert recipes.load(written, {"search": {}}) == recipes.load(small_recipe(clouds_folder))
    with pytest.raises(RecipeError, match="low 3 is not below high 2"):
        recipes.load(written | {"search": {"fit.batch": {"low": 3, "high": 2}}})
