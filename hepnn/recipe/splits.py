"""How the entries of a dataset are divided."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from hepnn import declarations
from hepnn.declarations import Declaration

Fraction = Annotated[float, Field(gt=0, lt=1)]


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
