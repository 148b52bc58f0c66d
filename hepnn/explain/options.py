"""What a look into a network can be told."""

from __future__ import annotations

from dataclasses import dataclass

from hepnn.errors import RecipeError


@dataclass(frozen=True)
class Options:
    """Options of all methods.

    Attributes
    ----------
    seed : int
        Of random directions and of weights that are drawn anew.
    events : int
        Training events that are looked at, at most.
    points : int
        Of a landscape, along each direction; odd, so that the network itself is one.
    reach : float
        How far a landscape goes, in lengths of the weights.
    """

    seed: int = 1
    events: int = 1000
    points: int = 21
    reach: float = 1.0

    def __post_init__(self) -> None:
        if self.events < 1:
            raise RecipeError(f"events: {self.events}: at least one is looked at")
        if self.points < 3 or self.points % 2 == 0:
            raise RecipeError(f"points: {self.points}: an odd number of at least 3")
        if not 0 < self.reach < 100:
            raise RecipeError(f"reach: {self.reach}: a length between 0 and 100")
