"""The data card (`dataset.yaml`): what a dataset is and where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from hepnn import declarations
from hepnn.declarations import Declaration
from hepnn.recipe import Splits


class Source(Declaration):
    """Where the events lie: a format of `hepnn.data.table` and its options."""

    format: str
    files: list[str] = []
    set: str | None = Field(None, description="name of a set that a library ships")


class Feature(Declaration):
    """One column: its name, unit and meaning."""

    name: str
    unit: str = "1"
    description: str = ""


class Labels(Declaration):
    """The column of class numbers, and what the numbers mean."""

    column: str
    classes: list[str] = Field(min_length=2)


class Image(Declaration):
    """Inputs that are images instead of columns."""

    shape: tuple[int, int, int]
    description: str = ""
    unit: str = "1"


class Constituents(Declaration):
    """Variable-length inputs beside the flat ones."""

    file: str
    length: int
    features: list[Feature]


class Inputs(Declaration):
    """Flat features, or images."""

    features: list[Feature] = []
    image: Image | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Inputs:
        if bool(self.features) == (self.image is not None):
            raise ValueError("give either features or image")
        return self


class Card(Declaration):
    """A dataset."""

    name: str
    title: str
    source: Source
    inputs: Inputs
    labels: Labels
    weights: str | None = Field(None, description="column of event weights")
    observers: list[Feature] = []
    constituents: Constituents | None = None
    splits: Splits = Splits()
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
