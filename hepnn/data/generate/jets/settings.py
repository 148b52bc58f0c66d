"""What can be chosen of the jets."""

from __future__ import annotations

from pydantic import Field, model_validator

from hepnn.declarations import Declaration


class Settings(Declaration):
    """Settings of the generator `jets`."""

    per_class: int = Field(20_000, ge=1, description="jets of each of the five classes")
    constituents: int | None = Field(
        None, ge=0, description="jets a class whose constituents are kept; by default a fifth"
    )
    mpi: bool = Field(
        True, description="multiparton interactions; without them it takes less than half the time"
    )
    detector: bool = Field(
        False, description="tracks and calorimeter towers in place of the generator's particles"
    )
    substructure: bool = Field(
        False, description="eight more features, as N-subjettiness, of the jets before grooming"
    )

    @property
    def with_constituents(self) -> int:
        """Jets a class whose constituents are kept."""
        return self.per_class // 5 if self.constituents is None else self.constituents

    @model_validator(mode="after")
    def _not_more_than_there_are(self) -> Settings:
        if self.with_constituents > self.per_class:
            raise ValueError(f"constituents must be at most per_class, {self.per_class}")
        return self
