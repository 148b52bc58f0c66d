"""Recipes: every key is checked, and a wrong one is told with the nearest right one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from hepnn import declarations, pipeline, recipe
from hepnn.errors import RecipeError

MINIMAL = {"name": "r", "dataset": "jets", "architecture": {"name": "mlp"}}


@pytest.mark.parametrize("name", declarations.names("models"))
def test_every_model_has_a_recipe_that_loads_and_a_card(name: str) -> None:
    loaded = recipe.load(name)
    assert loaded.name == name
    assert (declarations.find("models", name).parent / "card.md").is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "unknown key 'epochs'"),
        ({"fit": {"epoch": 3}}, "unknown key 'fit.epoch'; did you mean 'epochs'?"),
        ({"compress": [{"step": "prune", "sparsty": 0.5}]}, "did you mean 'sparsity'?"),
        ({"compress": [{"step": "prune", "fit": {"batches": 1}}]}, "did you mean 'batch'?"),
        ({"compress": [{"step": "shrink"}]}, "compress.0"),
        ({"fit": {"epochs": 0}}, "fit.epochs: Input should be greater than or equal to 1"),
        ({"splits": {"train": 0.9, "test": 0.5}}, "sum to more than 1"),
        ({"compress": [{"step": "prune"}, {"step": "prune"}]}, "same step twice"),
    ],
)
def test_a_mistake_is_named_with_its_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load({**MINIMAL, **change})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"name": "mpl"}, "did you mean 'mlp'?"),
        ({"name": "mlp", "hiden": [3]}, "architecture mlp has no 'hiden'; did you mean 'hidden'?"),
    ],
)
def test_an_unknown_architecture_or_hyper_parameter_is_named(
    architecture: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        pipeline.load({**MINIMAL, "architecture": architecture})
    assert message in str(caught.value)


def test_unknown_recipe_and_dataset_are_told_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'jet-tagger'"):
        recipe.load("jet-tager")
    with pytest.raises(RecipeError, match="did you mean 'jets'"):
        declarations.find("datasets", "jest")


def test_overrides_reach_every_value() -> None:
    changed = recipe.load(
        "jet-tagger",
        {
            "fit.epochs": 7,
            "compress.prune.sparsity": 0.3,
            "compress.1.fit.epochs": 9,
            "architecture.hidden": [4],
            "targets": [],
        },
    )
    assert changed.fit.epochs == 7
    assert changed.compress[0].sparsity == 0.3
    assert recipe.fit_of(changed, "quantized").epochs == 9
    assert changed.architecture.hyper == {"hidden": [4]}
    assert changed.targets == []


@pytest.mark.parametrize("text", ["fit.epochs", "=3", "a=[1"])
def test_an_override_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        recipe.parse_override(text)


def test_null_takes_a_section_of_a_fit_out() -> None:
    sections = {"noise": {"gaussian": {"sigma": 0.1}}, "dropout": {"hidden": 0.5}}
    written = {"name": "x", "dataset": "digits", "architecture": {"name": "mlp"}, "fit": sections}
    without = recipe.load({**written, "fit": {}})
    nothing = {f"fit.{key}": None for key in ("noise", "dropout", "augment", "regularize")}
    assert recipe.load(written) != without
    assert recipe.load(written, nothing) == without
    step = {"step": "prune", "sparsity": 0.5, "fit": {"noise": None}}
    pruned = recipe.load({**written, "compress": [step]})
    assert recipe.fit_of(pruned, "pruned").noise == without.fit.noise
    assert recipe.fit_of(pruned, "pruned").dropout == pruned.fit.dropout


def test_numbers_in_scientific_notation_are_numbers() -> None:
    assert recipe.parse_override("fit.learning_rate=1e-3") == ("fit.learning_rate", 1e-3)
    assert recipe.parse_override("a=[1e-3, {low: 1e-4}, b]")[1] == [1e-3, {"low": 1e-4}, "b"]


def test_a_dumped_recipe_loads_to_the_same() -> None:
    loaded = recipe.load("jet-tagger")
    assert recipe.load(yaml.safe_load(recipe.dump(loaded))) == loaded


def test_a_value_that_yaml_has_not_is_named() -> None:
    content = {"name": "x", "dataset": "digits", "architecture": "mlp", "seed": np.int64(3)}
    with pytest.raises(RecipeError, match=r"recipe: np.int64\(3\) is no value of YAML"):
        recipe.load(content)


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: x\nfit: [1, 2\n")
    with pytest.raises(RecipeError, match=r"recipe.yaml: not YAML, line \d"):
        recipe.load(path)


def test_yaml_never_makes_objects(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(RecipeError, match="not YAML"):
        recipe.load(path)
