"""A curve: the error of a network over one of its settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hepnn.declarations import Declaration


class Curve(Declaration):
    """What `hepnn curve` trains: the recipe with every value of a key, and every seed.

    Over `train_limit` it is a learning curve, over the width of a network its capacity. The
    seed also draws which training events a `train_limit` leaves.
    """

    over: str = Field(description="a key of the recipe, as in train_limit or architecture.hidden")
    values: list[Any] = Field(min_length=2)
    seeds: list[int] = Field([1, 2, 3], min_length=1)
    axis: Literal["value", "parameters"] = "value"
