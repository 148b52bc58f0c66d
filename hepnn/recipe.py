"""The recipe: a whole experiment as data.

Every key is checked; an unknown one is refused with the nearest that exists. `--set a.b=v`
changes one value; an item of a list is reached by its number, or by its `step` or `name`
(`compress.prune.sparsity`).
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from hepnn import declarations
from hepnn.declarations import Declaration
from hepnn.errors import RecipeError

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Architecture(Declaration):
    """An architecture's name and its hyper-parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def hyper(self) -> dict[str, Any]:
        """The hyper-parameters given, by name."""
        return dict(self.model_extra or {})


class FractionSplits(Declaration):
    """How the entries are divided: by a seeded permutation.

    The order of the entries that pass the selection is permuted in blocks of 2**20, each block
    by a seed of its own, so that a set larger than memory is divided as one in memory is.
    """

    by: Literal["fraction"] = "fraction"
    train: Fraction = 0.7
    validation: Fraction = 0.15
    test: Fraction = 0.15
    seed: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _sum(self) -> FractionSplits:
        if self.train + self.validation + self.test > 1 + 1e-9:
            raise ValueError("train, validation and test sum to more than 1")
        return self


class HashSplits(FractionSplits):
    """By a hash of what identifies an event, so that none is in two splits, in any file."""

    by: Literal["hash"]  # type: ignore[assignment]
    of: list[str] = Field(min_length=1, description="expressions that give whole numbers")


class FileSplits(Declaration):
    """By file: names or globs, as in the card's `source.files`."""

    by: Literal["file"]
    train: list[str] = Field(min_length=1)
    validation: list[str] = Field(min_length=1)
    test: list[str] = Field(min_length=1)


class ColumnSplits(Declaration):
    """By a condition for the test entries; the others are divided by a seeded permutation."""

    by: Literal["column"]
    test: str = Field(description="an expression that is true for test entries")
    validation: Fraction = 0.15
    seed: int = Field(1, ge=0)


AnySplits = Annotated[
    Annotated[FractionSplits, Tag("fraction")]
    | Annotated[HashSplits, Tag("hash")]
    | Annotated[FileSplits, Tag("file")]
    | Annotated[ColumnSplits, Tag("column")],
    Discriminator(declarations.tagged("by", "fraction")),
]


class ClassifyTask(Declaration):
    """One logit a class, or the probabilities of a network that was not made here."""

    name: Literal["classify"] = "classify"
    outputs: Literal["logits", "probabilities"] = "logits"


class RegressTask(Declaration):
    """One number a target."""

    name: Literal["regress"]


class SegmentTask(Declaration):
    """One logit a class and pixel.

    Where most pixels are of one class, `class_weights` of the cross-entropy or a share of the
    soft Dice loss, `dice`, let the others count.
    """

    name: Literal["segment"]
    class_weights: list[Annotated[float, Field(ge=0)]] | None = Field(
        None, description="in the order of the classes"
    )
    dice: float = Field(0.0, ge=0, le=1)


class ReconstructTask(Declaration):
    """The inputs again, behind a bottleneck.

    With `background`, only events of those classes are trained on, and how badly an event is
    reconstructed is a score for it to be of another class.
    """

    name: Literal["reconstruct"]
    background: list[str] | None = Field(None, min_length=1)


class GenerateTask(Declaration):
    """Events like those of the data, from noise; `conditional` on their class."""

    name: Literal["generate"]
    latent: int = Field(16, ge=1, description="normal random numbers that an event is made from")
    conditional: bool = False


class EmbedTask(Declaration):
    """Numbers that are not judged by labels."""

    name: Literal["embed"]


def _named(content: Any) -> Any:
    return {"name": content} if isinstance(content, str) else content


AnyTask = Annotated[
    ClassifyTask | RegressTask | SegmentTask | ReconstructTask | GenerateTask | EmbedTask,
    Field(discriminator="name"),
    BeforeValidator(_named),
]


class Schedule(Declaration):
    """The learning rate over the training.

    `cosine` falls to `final` times the rate (I. Loshchilov, F. Hutter, arXiv:1608.03983),
    `exponential` falls to it by a constant factor a step, `constant` stays.
    """

    name: Literal["constant", "cosine", "exponential"] = "constant"
    final: float = Field(0.0, ge=0, le=1)
    warmup: float = Field(0.0, ge=0, lt=1, description="fraction of the steps, linear from 0")


class EarlyStopping(Declaration):
    """Stop when the monitored value has not improved for `patience` epochs."""

    monitor: str = "val_loss"
    patience: int = Field(10, ge=1)


class Adversary(Declaration):
    """What a generator is trained against (`hepnn.training.adversarial`).

    Both networks have the fit's optimizer, batches and schedule. `penalty` and `average` are no
    part of the first paper: they keep the two from circling around each other.
    """

    steps: int = Field(1, ge=1, description="of the discriminator, for one of the generator")
    learning_rate: float | None = Field(None, gt=0, description="of the discriminator")
    beta_1: float | None = Field(
        None, ge=0, lt=1, description="of Adam, for both; 0.5 in arXiv:1511.06434"
    )
    saturating: bool = Field(False, description="the generator minimizes log(1 - D(G(z)))")
    penalty: float = Field(
        0.0,
        ge=0,
        description="on the discriminator's gradient at real events, R1: arXiv:1801.04406",
    )
    average: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="moving average of the float stage's weights: arXiv:1806.04498",
    )


class Fit(Declaration):
    """One fit: optimizer, batches, epochs.

    `rule` is `gradient`, of the loss, or `perceptron` (`hepnn.training.perceptron`).
    `engine` is `auto` (the rule of `hepnn.training.engine`), `epoch` (a whole epoch as one
    compiled loop) or `keras` (`model.fit`).

    With a `teacher`, the network learns its answers beside the labels
    (`hepnn.training.distillation`), which count `teacher_weight`, at a `temperature`.
    """

    epochs: int = Field(50, ge=1)
    batch: int = Field(1024, ge=1)
    optimizer: Literal["sgd", "rmsprop", "adam", "adamw", "nadam", "lion"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    rule: Literal["gradient", "perceptron"] = "gradient"
    schedule: Schedule = Schedule()
    early_stopping: EarlyStopping | None = None
    keep: Literal["last", "best"] = "best"
    teacher: str | None = Field(None, description="run, or run/stage, whose answers are learned")
    temperature: float = Field(2.0, gt=0, description="of the classes' softmax, for the teacher")
    teacher_weight: float = Field(0.5, gt=0, le=1, description="of its answers, against labels")
    adversary: Adversary | None = None
    engine: Literal["auto", "epoch", "keras"] = "auto"

    @model_validator(mode="after")
    def _plain_descent(self) -> Fit:
        if self.rule == "perceptron" and self.optimizer != "sgd":
            raise ValueError("rule: perceptron takes optimizer: sgd, whose step is the rate alone")
        if self.rule == "perceptron" and self.teacher is not None:
            raise ValueError("rule: perceptron learns from labels alone, and takes no teacher")
        return self


class Step(Declaration):
    """A compression step; `fit` changes keys of the recipe's `fit` for this step."""

    fit: dict[str, Any] = {}


class Prune(Step):
    """Set the smallest weights to zero while training on.

    M. Zhu, S. Gupta, "To prune, or not to prune" (arXiv:1710.01878): `polynomial` is their
    eq. (1), from `initial` to `sparsity` between the fractions `begin` and `end` of the epochs.

    With `structure`, whole units go (`hepnn.compress.structure`): `neuron` of dense layers,
    `filter` of convolutions, `unit` both. `sparsity` is then the fraction of a layer's units.
    """

    step: Literal["prune"] = "prune"
    structure: Literal["weight", "neuron", "filter", "unit"] = "weight"
    sparsity: float = Field(0.75, ge=0, lt=1)
    schedule: Literal["polynomial", "constant"] = "polynomial"
    initial: float = Field(0.0, ge=0, lt=1)
    begin: float = Field(0.0, ge=0, le=1)
    end: float = Field(0.7, gt=0, le=1)
    layers: dict[str, float] = Field({}, description="sparsity of single layers, by name")


class Cluster(Step):
    """Let the weights of each kernel share a few values while training on.

    S. Han, H. Mao, W. J. Dally, "Deep Compression" (arXiv:1510.00149), section 3: `initial` is
    where k-means starts, `linear` or `density` as in their section 3.2, or `kmeans++`
    (D. Arthur, S. Vassilvitskii, SODA 2007) with its `seed`. Zeros of pruning are one of the
    values, and stay.
    """

    step: Literal["cluster"] = "cluster"
    clusters: int = Field(16, ge=2, le=256, description="values of each kernel")
    initial: Literal["linear", "density", "kmeans++"] = "linear"
    seed: int = Field(1, ge=0)
    layers: dict[str, Annotated[int, Field(ge=2, le=256)]] = Field(
        {}, description="clusters of single layers, by name"
    )


class Beta(Declaration):
    """The weight of the EBOPs over the training, in logarithmic steps from `first` to `last`.

    It reaches `last` after the fraction `ramp` of the epochs and stays there.
    """

    first: float = Field(1e-8, gt=0)
    last: float = Field(3e-6, gt=0)
    ramp: float = Field(0.8, gt=0, le=1)


class Quantize(Step):
    """Train on in fixed point.

    `hgq`: learned bit widths, pressed down by `beta`; with `ebops`, training stops pressing
    when the estimate is reached. They start at `weight_bits`, without the sign, and at
    `lane_fraction`. `qkeras`: `bits` for every weight and activation.
    """

    step: Literal["quantize"] = "quantize"
    method: Literal["hgq", "qkeras"] = "hgq"
    beta: Beta = Beta()
    ebops: float | None = Field(None, gt=0)
    bits: int = Field(6, ge=2, le=16)
    weight_bits: int = Field(8, ge=1, le=16)
    lane_fraction: int = Field(6, ge=0, le=12)
    rounding: Literal["RND", "TRN"] = Field("RND", description="of the data lanes of hgq")


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
    task: AnyTask = ClassifyTask()
    architecture: Architecture
    seed: int = Field(1, ge=0)
    splits: AnySplits | None = None
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
    compress: list[Annotated[Prune | Cluster | Quantize, Field(discriminator="step")]] = []
    targets: list[TargetRequest] = []
    agreement: dict[str, Bounds] = Field({}, description="by artefact")

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
    fit = declarations.parse(Fit, merged, f"compress.{step.step}.fit")
    if fit.adversary is None:
        return fit
    # What a step does to the weights it does to those that are trained.
    return fit.model_copy(update={"adversary": fit.adversary.model_copy(update={"average": 0.0})})


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
    content = yaml.safe_load(yaml.safe_dump(content))
    for key, value in (overrides or {}).items():
        _set(content, key, value)
    recipe = declarations.parse(Recipe, content, where)
    for stage in recipe.stages:
        fit_of(recipe, stage)
    return recipe


def parse_override(text: str) -> tuple[str, Any]:
    """Split `a.b=v`; the value is YAML.

    >>> parse_override("architecture.hidden=[8, 8]")
    ('architecture.hidden', [8, 8])

    Raises
    ------
    RecipeError
        If there is no `=` or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {text!r}: expected key=value, as in fit.epochs=20")
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {text!r}: the value is not YAML") from error
    if isinstance(parsed, str):  # YAML 1.1 reads 1e-3 as text
        with contextlib.suppress(ValueError):
            parsed = float(parsed)
    return key, parsed


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
