"""The page on training says what the schema has: no line that is refused, no key left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from hepnn import declarations
from hepnn.errors import RecipeError
from hepnn.recipe import ClassifyTask, Fit, RegressTask, load

PAGE = (declarations.root("models") / "TRAINING.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| `([^`]+)` \|", PAGE, flags=re.MULTILINE)

#: Keys that are told of elsewhere: what networks from outside put out.
ELSEWHERE = {"outputs"}


def _flat(line: str) -> dict[str, Any]:
    key, value = next(iter(yaml.safe_load(line).items()))
    return {key: value}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Go through all declarations that a type can hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation)
    for inner in get_args(annotation):
        yield from _models(inner)


@pytest.mark.parametrize("line", LINES)
def test_every_line_is_one_that_a_recipe_takes(line: str) -> None:
    changes = _flat(line)
    if changes.get("fit.rule") == "perceptron":
        changes["fit.optimizer"] = "sgd"
    if changes.get("fit.optimizer") == "gradient_descent":
        changes["fit.batch"] = "all"
    load("jet-tagger", {**changes, "compress": []})
    key, value = next(iter(changes.items()))
    if isinstance(value, dict) and key != "architecture":
        with pytest.raises(RecipeError, match="unknown key"):
            load("jet-tagger", {key: {**value, "no_such_key": 1}})


def test_every_key_of_the_schema_is_on_the_page() -> None:
    told = " ".join(re.findall(r"`([^`]+)`", PAGE))
    words = set(re.findall(r"[a-z_0-9]+", told))
    models = [m for root in (Fit, ClassifyTask, RegressTask) for m in _models(root)]
    keys = {key for model in models for key in model.model_fields} - ELSEWHERE
    assert {"momentum", "warmup", "gamma", "l3"} <= keys
    assert not keys - words


def test_every_name_of_the_schema_is_on_the_page() -> None:
    told = {
        value if isinstance(value, str) else value.get("name")
        for line in LINES
        for value in _flat(line).values()
        if isinstance(value, str | dict)
    }
    losses = {
        loss if isinstance(loss, str) else loss["name"]
        for line in LINES
        if line.startswith("task:")
        for loss in [_flat(line)["task"].get("loss", "mse")]
    }
    named = {
        model.model_fields["name"].default
        for root in (Fit, ClassifyTask, RegressTask)
        for model in _models(root)
        if "name" in model.model_fields and isinstance(model.model_fields["name"].default, str)
    }
    assert {"adam", "one_cycle", "focal", "quantile"} <= named
    assert not named - told - losses
