"""The data card (`dataset.yaml`): where events lie, and how they become inputs and labels.

Every key that names a quantity takes an expression over the columns of the source
(`hepnn.data.expressions`); a column's name is the simplest one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from hepnn import declarations
from hepnn.declarations import Declaration
from hepnn.errors import nearest
from hepnn.recipe import AnySplits, FractionSplits


class Source(Declaration):
    """Where the events lie: a format of `hepnn.data.formats` and its options.

    `files` are paths or globs, relative to the card's folder and inside it, or absolute.
    """

    format: str
    files: list[str] = []
    tree: str | None = Field(None, description="root: the TTree or RNTuple")
    group: str | None = Field(None, description="hdf5: the group that holds the columns")
    set: str | None = Field(None, description="keras, sklearn, synthetic: name of the set")
    options: dict[str, Any] = Field({}, description="of the format or the set")
    objects: str | None = Field(
        None,
        description="one example an object of this jagged collection (its columns are PREFIX or "
        "PREFIX_name), not one an entry",
    )
    skip_unreadable: bool = Field(
        False, description="leave out files that cannot be read, and count them in the manifest"
    )


class Missing(Declaration):
    """The value that stands for a missing measurement, and what the network is given instead."""

    value: float = Field(float("nan"), description="NaN counts as missing in any case")
    fill: float = 0.0


class Feature(Declaration):
    """One quantity: its name, unit and meaning, and how the network is given it.

    `scaling` is `standard` (mean and spread), `minmax` (the range onto 0 to 1), `none`, or a
    transform before `standard`: `log`, `asinh`. Standard and minmax are rounded to powers of
    two and folded into the network; a transform, `clip` and `missing` are part of its interface.
    """

    name: str
    unit: str = "1"
    description: str = ""
    expression: str | None = Field(None, description="the quantity; the name's column by default")
    scaling: Literal["standard", "minmax", "log", "asinh", "none"] = "standard"
    clip: tuple[float | None, float | None] | None = None
    missing: Missing | None = None

    @property
    def source(self) -> str:
        """The expression that gives the quantity."""
        return self.expression or self.name

    @model_validator(mode="after")
    def _clip_is_a_range(self) -> Feature:
        low, high = self.clip or (None, None)
        if low is not None and high is not None and low >= high:
            raise ValueError(f"clip of {self.name!r}: {low} is not below {high}")
        return self


class Features(Declaration):
    """A group of single numbers: `(events, features)`."""

    kind: Literal["features"] = "features"
    features: list[Feature] = Field(min_length=1)


class Momenta(Declaration):
    """Which features of a list are the momenta of its objects, relative to a jet's axis.

    `eta` is a pseudorapidity, or any other coordinate in its plane with `phi`, an azimuth.
    `derived` says how other features follow from these three, and `additive` which ones are
    sums over the objects that are no momenta, as charges: what `fit.augment` does to the
    momenta it does to them.
    """

    pt: str
    eta: str
    phi: str
    derived: dict[str, str] = Field({}, description="expressions over these, by feature")
    additive: list[str] = []


class Sequence(Declaration):
    """A group of lists of one length: `(events, length, features [+ 1])`.

    The lists are cut at `length`, or padded with zeros. With `mask`, a last feature is 1 for
    an object and 0 for padding, so that the network, and its firmware, can tell them apart.
    """

    kind: Literal["sequence"]
    length: int = Field(ge=1)
    features: list[Feature] = Field(min_length=1)
    order_by: str | None = Field(None, description="an expression; largest first")
    padding: float = Field(0.0, description="what stands where there is no object")
    mask: bool = True
    momenta: Momenta | None = Field(None, description="what jets are augmented by")

    @model_validator(mode="after")
    def _momenta_are_features(self) -> Sequence:
        if self.momenta is not None:
            known = [feature.name for feature in self.features]
            given = self.momenta
            for name in (given.pt, given.eta, given.phi, *given.derived, *given.additive):
                if name not in known:
                    raise ValueError(f"momenta: no feature {name!r}; {nearest(name, known)}")
        return self


class Tokens(Declaration):
    """A group of lists of whole numbers below `vocabulary`: `(events, length)`; 0 is padding."""

    kind: Literal["tokens"]
    length: int = Field(ge=1)
    vocabulary: int = Field(ge=2)
    expression: str
    names: str | None = Field(None, description="file beside the card with a token's name a line")


class Axis(Declaration):
    """One axis of an image that is filled from constituents."""

    expression: str
    range: tuple[float, float]

    @model_validator(mode="after")
    def _rising(self) -> Axis:
        if self.range[0] >= self.range[1]:
            raise ValueError("range must rise")
        return self


class Pixels(Declaration):
    """How an image is filled: each constituent adds each channel's value to its pixel."""

    rows: Axis
    columns: Axis
    channels: list[Feature] = Field(min_length=1)


class Image(Declaration):
    """A group of images: `(events, height, width, channels)`, stored or filled from constituents.

    A stored image is the column `expression`, by default the group's name; its pixels share one
    scaling.
    """

    kind: Literal["image"]
    shape: tuple[int, int, int]
    description: str = ""
    unit: str = "1"
    expression: str | None = None
    scaling: Literal["standard", "minmax", "log", "asinh", "none"] = "standard"
    pixels: Pixels | None = None

    @model_validator(mode="after")
    def _channels(self) -> Image:
        if self.pixels is not None and len(self.pixels.channels) != self.shape[2]:
            raise ValueError(
                f"shape has {self.shape[2]} channels, pixels.channels {len(self.pixels.channels)}"
            )
        return self


Group = Annotated[
    Annotated[Features, Tag("features")]
    | Annotated[Sequence, Tag("sequence")]
    | Annotated[Tokens, Tag("tokens")]
    | Annotated[Image, Tag("image")],
    Discriminator(declarations.tagged("kind", "features")),
]


class Classes(Declaration):
    """One class an example: a column of class numbers, or a condition for each class.

    Under `where`, an example takes the first class whose condition holds, and is left out
    where none does.
    """

    kind: Literal["classes"] = "classes"
    column: str | None = None
    classes: list[str] = []
    where: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_way(self) -> Classes:
        if (self.column is None) == (not self.where):
            raise ValueError("give either column or where")
        if self.where and self.classes and list(self.where) != self.classes:
            raise ValueError("classes and the keys of where differ")
        if len(self.names) < 2:
            raise ValueError("at least two classes")
        return self

    @property
    def names(self) -> list[str]:
        """The classes, in the order of their numbers."""
        return self.classes or list(self.where)


class Values(Declaration):
    """Numbers to be predicted: `(events, targets)`."""

    kind: Literal["values"]
    targets: list[Feature] = Field(min_length=1)


class Mask(Declaration):
    """A class for every pixel: `(events, height, width)`."""

    kind: Literal["mask"]
    column: str
    classes: list[str] = Field(min_length=2)
    shape: tuple[int, int]


class Boxes(Declaration):
    """Boxes with classes: `(events, length, 5)`: row, column, height, width, class + 1.

    The first four are in pixels, centre and full size; rows of zeros are padding.
    """

    kind: Literal["boxes"]
    column: str
    classes: list[str] = Field(min_length=1)
    length: int = Field(ge=1)


class TokenLabels(Declaration):
    """A sequence of whole numbers below `vocabulary`: `(events, length)`."""

    kind: Literal["tokens"]
    column: str
    length: int = Field(ge=1)
    vocabulary: int = Field(ge=2)


class Unlabelled(Declaration):
    """Nothing to be predicted but the input itself."""

    kind: Literal["none"] = "none"


Labels = Annotated[
    Annotated[Classes, Tag("classes")]
    | Annotated[Values, Tag("values")]
    | Annotated[Mask, Tag("mask")]
    | Annotated[Boxes, Tag("boxes")]
    | Annotated[TokenLabels, Tag("tokens")]
    | Annotated[Unlabelled, Tag("none")],
    Discriminator(declarations.tagged("kind", "classes")),
]


class Weights(Declaration):
    """Weights of the examples, multiplied with one another.

    `column` takes them from the source; `flat` makes every class flat in bins of kinematic
    quantities (the training split's; examples outside the bins keep the outermost bin's
    weight); `balance` gives every class the same sum.
    """

    column: str | None = None
    balance: bool = False
    flat: dict[str, list[float]] = Field({}, description="edges of the bins, by expression")
    allow_negative: bool = False

    @model_validator(mode="after")
    def _edges(self) -> Weights:
        for name, edges in self.flat.items():
            if len(edges) < 3 or any(b <= a for a, b in zip(edges, edges[1:], strict=False)):
                raise ValueError(f"flat.{name}: at least three edges, rising")
        return self


class Card(Declaration):
    """A dataset."""

    name: str
    title: str
    source: Source
    selection: str | None = Field(None, description="what is kept: true or false an example")
    new_variables: dict[str, str] = Field({}, description="expressions by the name they get")
    inputs: dict[str, Group] = Field(min_length=1)
    labels: Labels
    weights: Weights = Weights()
    observers: list[Feature] = []
    splits: AnySplits = FractionSplits()
    licence: str
    made_by: dict[str, Any] = {}
    checksums: dict[str, str] = {}
    limits: list[str] = []


def load(name: str | Path) -> tuple[Card, Path]:
    """Read a card by short name or path; return it with its folder.

    Raises
    ------
    RecipeError
        If it is missing or says something unknown.
    """
    path = declarations.find("datasets", name)
    return declarations.parse(Card, declarations.read_yaml(path), path), path.parent
