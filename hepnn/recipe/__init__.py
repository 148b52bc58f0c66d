"""The recipe: a whole experiment as data.

Every key is checked; an unknown one is refused with the nearest that exists. `--set a.b=v`
changes one value; an item of a list is reached by its number, or by its `step` or `name`
(`compress.prune.sparsity`).
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, Field, model_validator

from hepnn import declarations
from hepnn.declarations import Declaration
from hepnn.errors import RecipeError
from hepnn.recipe.curve import Curve
from hepnn.recipe.fit import Adversary, EarlyStopping, Fit
from hepnn.recipe.search import AnyRange, Range, Space
from hepnn.recipe.splits import AnySplits, ColumnSplits, FileSplits, FractionSplits, HashSplits
from hepnn.recipe.steps import AnyStep, Beta, Cluster, Prune, Quantize, Step
from hepnn.recipe.tasks import (
    AnyTask,
    ClassifyTask,
    EmbedTask,
    GenerateTask,
    ReconstructTask,
    RegressTask,
    SegmentTask,
)
from hepnn.recipe.validation import Validation

__all__ = [
    "Adversary",
    "Architecture",
    "Beta",
    "Bounds",
    "ClassifyTask",
    "Cluster",
    "ColumnSplits",
    "Curve",
    "EarlyStopping",
    "EmbedTask",
    "FileSplits",
    "Fit",
    "FractionSplits",
    "GenerateTask",
    "HashSplits",
    "Prune",
    "Quantize",
    "Range",
    "Recipe",
    "ReconstructTask",
    "RegressTask",
    "SegmentTask",
    "Space",
    "Step",
    "TargetRequest",
    "Validation",
    "dump",
    "fit_of",
    "load",
    "parse_override",
    "seed_of",
    "with_rates",
]


class Architecture(Declaration):
    """An architecture's name and its hyper-parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def hyper(self) -> dict[str, Any]:
        """The hyper-parameters given, by name."""
        return dict(self.model_extra or {})


class TargetRequest(Declaration):
    """A target to ship a stage to; without `stage`, the last one.

    With `part`, the name of a layer, only the network up to its outputs is shipped. `options`
    change the kit's section of the target.
    """

    name: str
    stage: str | None = None
    part: str | None = None
    kit: str | None = None
    formats: list[str] | None = None
    options: dict[str, Any] = {}


class Bounds(Declaration):
    """What a lossy artefact may change: design bounds for post-training fixed point.

    What counts as a flip, and what may shift, is the task's `changes`.
    """

    flips: float = Field(0.002, ge=0, description="fraction of events decided otherwise")
    efficiency_shift: float = Field(
        0.005,
        ge=0,
        description="signal efficiency at fixed background rate, absolute; of tasks without one, "
        "the largest shift of their figure",
    )


class Recipe(Declaration):
    """The whole experiment."""

    name: str
    title: str = ""
    dataset: str
    inputs: list[str] | None = None
    limit: int | None = Field(None, ge=10)
    train_limit: int | None = Field(
        None, ge=2, description="so many of the training events, drawn by the seed"
    )
    task: AnyTask = ClassifyTask()
    architecture: Architecture
    seed: int = Field(1, ge=0)
    splits: AnySplits | None = None
    validation: Validation = Validation()
    scaling: Literal["standard", "minmax", "none"] | None = Field(
        None, description="of every feature; as the data card says by default"
    )
    stream: Literal["auto", "always", "never"] = Field(
        "auto", description="train from disk; where the inputs are larger than 1 GiB by default"
    )
    start: str | None = Field(
        None,
        description="run, or run/stage, whose weights the float stage takes over by layer name",
    )
    fit: Fit = Fit()
    curve: Curve | None = None
    compress: list[AnyStep] = []
    targets: list[TargetRequest] = []
    agreement: dict[str, Bounds] = Field({}, description="by artefact")
    search: dict[str, AnyRange] = Field(
        {}, description="what `hepnn tune` tries, by dotted key; nothing else looks at it"
    )

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        steps = [step.step for step in self.compress]
        if len(set(steps)) < len(steps):
            raise ValueError("compress has the same step twice")
        if "cluster" in steps[: steps.index("prune") if "prune" in steps else 0]:
            raise ValueError("compress: cluster comes after prune, which keeps no shared values")
        return self

    @property
    def stages(self) -> list[str]:
        """The stages this recipe makes, in order."""
        made = {"prune": "pruned", "cluster": "clustered", "quantize": "quantized"}
        return ["float", *(made[step.step] for step in self.compress)]


def fit_of(recipe: Recipe, stage: str) -> Fit:
    """Return the fit of a stage: the recipe's, changed by its step's.

    Raises
    ------
    RecipeError
        If the step's `fit` has an unknown key or a bad value.
    """
    if stage == "float":
        return recipe.fit
    step = recipe.compress[recipe.stages.index(stage) - 1]
    merged = {**recipe.fit.model_dump(), **step.fit}
    if "quantized" in recipe.stages[: recipe.stages.index(stage) + 1]:
        if step.fit.get("precision", "float32") != "float32":
            raise RecipeError(
                f"compress.{step.step}.fit.precision: what fixed point gives is exact in float32 "
                "only; half the bits are for float stages"
            )
        merged["precision"] = "float32"
    fit = declarations.parse(Fit, merged, f"compress.{step.step}.fit")
    if fit.adversary is None:
        return fit
    # What a step does to the weights it does to those that are trained.
    return fit.model_copy(update={"adversary": fit.adversary.model_copy(update={"average": 0.0})})


def seed_of(recipe: Recipe, stage: str) -> int:
    """Return the seed of a stage's fit: of its order of events, its noise and its new weights."""
    return recipe.seed * 1000 + recipe.stages.index(stage)


def load(source: str | Path | dict[str, Any], overrides: dict[str, Any] | None = None) -> Recipe:
    """Read a recipe by short name, path or mapping, change it, and check all of it.

    Raises
    ------
    RecipeError
        If it is missing, not YAML, or says something unknown.
    """
    if isinstance(source, dict):
        content, where = source, "recipe"
    else:
        path = declarations.find("models", source)
        content, where = declarations.read_yaml(path), str(path)
    try:
        content = yaml.safe_load(yaml.safe_dump(content))
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: {error.args[-1]!r} is no value of YAML") from error
    for key, value in (overrides or {}).items():
        _set(content, key, value)
    recipe = declarations.parse(Recipe, content, where)
    for stage in recipe.stages:
        fit_of(recipe, stage)
    return recipe


def with_rates(recipe: Recipe, rates: dict[str, Any]) -> Recipe:
    """Return a recipe with other learning rates.

    Parameters
    ----------
    recipe
        The recipe.
    rates
        By dotted key, as `fit.learning_rate` or `compress.quantize.fit.learning_rate`.

    Raises
    ------
    RecipeError
        If something else is to be changed, or a rate is none.
    """
    for key in rates:
        if not re.fullmatch(r"(compress\.\w+\.)?fit\.learning_rate", key):
            raise RecipeError(
                f"--set {key}: a run that goes on takes new learning rates alone, as in "
                "fit.learning_rate=1e-4"
            )
    return load(recipe.model_dump(mode="json"), rates)


def parse_override(text: str, option: str = "--set") -> tuple[str, Any]:
    """Split `a.b=v`, which was given to an option; the value is YAML.

    >>> parse_override("architecture.hidden=[8, 8]")
    ('architecture.hidden', [8, 8])

    Raises
    ------
    RecipeError
        If there is no `=` or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"{option} {text!r}: expected key=value, as in fit.epochs=20")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"{option} {text!r}: the value is not YAML") from error
    return key, _numbers(parsed)


def _numbers(value: Any) -> Any:
    """Return a value with the numbers that YAML 1.1 reads as text, as 1e-3."""
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    if isinstance(value, dict):
        return {key: _numbers(one) for key, one in value.items()}
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return float(value)
    return value


def dump(recipe: Recipe) -> str:
    """Return the recipe as YAML, every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    parts = key.split(".")
    here: Any = content
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(here, list):
            index = _item(here, part, key)
            if last:
                here[index] = value
            here = here[index]
        elif isinstance(here, dict):
            if last:
                here[part] = value
            elif isinstance(here.get(part), str):  # the short form of a name
                here[part] = {"name": here[part]}
            elif not isinstance(here.get(part), dict | list):
                here[part] = {}
            here = here[part]
        else:
            raise RecipeError(f"--set {key}: {'.'.join(parts[:depth])} has no keys")


def _item(items: list[Any], part: str, key: str) -> int:
    if part.isdigit() and int(part) < len(items):
        return int(part)
    for index, item in enumerate(items):
        if isinstance(item, dict) and part in (item.get("step"), item.get("name")):
            return index
    raise RecipeError(f"--set {key}: the list has no item {part!r}")
