"""The space of a search: which keys of a recipe are tried with which values."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from hepnn.declarations import Declaration


class Range(Declaration):
    """Numbers from `low` to `high`, both included: whole ones where both are written so.

    With `log`, every factor is as likely as any other. With `step`, only `low`, `low + step`, ...
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Range:
        numbers = (self.low, self.high, self.step or 0)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("low, high and step are finite numbers")
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} has no logarithm: with log, low is above 0")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other: list the values instead")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step {self.step} leads beyond high {self.high}")
        return self

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole."""
        return all(isinstance(one, int) for one in (self.low, self.high, self.step or 1))

    @property
    def count(self) -> float:
        """How many numbers it has."""
        if self.step is None and not self.whole:
            return math.inf
        return math.floor((self.high - self.low) / (self.step or 1) + 1e-9) + 1

    @property
    def values(self) -> list[int | float] | None:
        """Its numbers, where they can be listed."""
        if math.isinf(self.count):
            return None
        listed = [self.low + number * (self.step or 1) for number in range(int(self.count))]
        # A step such as 0.1 is no binary fraction: what is listed is what was meant.
        return listed if self.whole else [round(one, 12) for one in listed]


def _kind(content: Any) -> str | None:
    if isinstance(content, list | tuple):
        return "choices"
    return "range" if isinstance(content, dict | Range) else None


Choices = Annotated[list[Any], Field(min_length=1)]

#: What is tried for a key: a list of values, or a range of numbers.
AnyRange = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(
        _kind,
        custom_error_type="space",
        custom_error_message="expected a list of values, or a mapping of low and high",
    ),
]


class Space(Declaration):
    """What is tried, by the recipe's dotted keys."""

    search: dict[str, AnyRange] = Field(min_length=1)
