"""Several items on the same events: shared networks, prescales, total and unique rates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import hepnn
from hepnn.errors import RecipeError, RunError
from hepnn.run import Run
from hepnn.trigger import load_menu
from hepnn.trigger.menu import Menu
from hepnn.trigger.rates import Rates


def written(path: Path, run: Run, **items: dict[str, object]) -> Path:
    content = {"items": {name: {"run": str(run), **one} for name, one in items.items()}, "seed": 3}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def menu_file(shipped: Run, tmp_path: Path) -> Path:
    return written(
        tmp_path / "menu.yaml",
        shipped,
        high={"signal": ["high"], "threshold": "background=0.1"},
        low={"signal": ["low"], "threshold": "score=0.5", "prescale": 4},
        wide={"signal": ["high"], "threshold": "score=0.3", "stage": "float"},
    )


def test_items_decide_as_their_triggers_do(shipped: Run, menu_file: Path) -> None:
    menu, x = load_menu(menu_file), shipped.events("test").x
    scores = menu.score(x)
    one = np.empty(3)
    for place, item in enumerate(menu.items):
        np.testing.assert_array_equal(scores[:, place], item.trigger.score(x))
        np.testing.assert_array_equal(menu.passed(scores)[:, place], item.trigger.decide(x))
    for event, expected in zip(x[:50], scores, strict=False):
        menu.score_one(event, one)
        np.testing.assert_allclose(one, expected, rtol=1e-13)


def test_networks_of_other_features_take_their_own(shipped: Run) -> None:
    from dataclasses import replace

    from hepnn.trigger.menu import Item, Menu

    first = hepnn.trigger.load(shipped, threshold=0.5)
    other = hepnn.trigger.load(shipped, threshold=0.5, stage="float")
    turned = ("shape", "energy", "mass", "width")
    other.export = replace(other.export, features=turned, units=("1",) * 4)
    menu = Menu([Item("a", first), Item("b", other)])
    assert menu.features == ("mass", "width", "count", "shape", "energy")
    x = np.random.default_rng(1).normal(size=(9, 5)).astype(np.float32)
    scores = menu.score(x)
    np.testing.assert_array_equal(scores[:, 0], first.score(x[:, :4]))
    np.testing.assert_array_equal(scores[:, 1], other.score(x[:, [3, 4, 0, 1]]))


def test_prescales_keep_their_share_and_do_not_depend_on_order(menu_file: Path) -> None:
    menu = load_menu(menu_file)
    passed = np.ones((40_000, 3), bool)
    number = np.arange(40_000)
    kept = menu.kept(passed, number)
    assert kept[:, [0, 2]].all()
    assert abs(kept[:, 1].sum() - 10_000) < 5 * np.sqrt(40_000 * 0.25 * 0.75)
    turned = menu.kept(passed, number[::-1])
    np.testing.assert_array_equal(kept, turned[::-1])


def test_total_and_unique_rates(menu_file: Path) -> None:
    menu = load_menu(menu_file)
    rates = Rates(menu)
    kept = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    rates.add(menu, np.ones((4, 3), bool), kept)
    found = rates.items(2.0)
    assert rates.total == 3 and rates.events == 4
    assert [one["kept"] for one in found.values()] == [2, 2, 0]
    assert [one["unique"] for one in found.values()] == [1, 1, 0]
    assert [one["passed"] for one in found.values()] == [4, 4, 4]
    assert found["high"]["rate_hz"] == {"value": 1.0, "error": pytest.approx(np.sqrt(2) / 2)}


def test_items_have_names_of_their_own(menu_file: Path) -> None:
    items = load_menu(menu_file).items
    with pytest.raises(RecipeError, match="two items of the name low"):
        Menu([*items, replace(items[1], shadow=True)])
    with pytest.raises(RecipeError, match="a menu has 1 to 63 items"):
        Menu([])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"treshold": "score=0.5"}, "did you mean 'threshold'"),
        ({"threshold": "sc=0.5"}, "expected score=0.9"),
        ({"threshold": "score=0.5", "prescale": 0}, "prescale"),
        ({"threshold": "score=0.5", "signal": ["hihg"]}, "did you mean 'high'"),
        ({}, "none is stored"),
    ],
)
def test_a_menu_that_says_something_else_is_refused(
    shipped: Run, tmp_path: Path, item: dict[str, object], message: str
) -> None:
    path = written(tmp_path / "menu.yaml", shipped, one=item)
    with pytest.raises((RecipeError, RunError), match=message) as found:
        load_menu(path)
    assert str(path) in str(found.value)
