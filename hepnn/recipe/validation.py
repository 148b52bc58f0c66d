"""How a training is validated: by events held out, once or several times."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hepnn.declarations import Declaration


class Validation(Declaration):
    """Hold-out, or folds of the training split (`hepnn.data.folds`, `hepnn.folding`).

    M. Stone, "Cross-validatory choice and assessment of statistical predictions", J. R. Stat.
    Soc. B 36 (1974) 111. Each of `folds` parts of the training split is held out once, judges
    the network that is trained on the others, and steers nothing: the best epoch and early
    stopping are chosen on the validation split, and the test split is looked at once, by the
    model that is left in the end. `stratified` folds have the classes of the whole; with
    `leave-one-out` every entry is a fold.

    `final` is what the run ships: the `ensemble` of the folds' networks, or one network
    `retrained` on the whole training split. With `fold`, that fold alone is trained.
    """

    by: Literal["holdout", "kfold", "stratified", "leave-one-out"] = "holdout"
    folds: int = Field(5, ge=2, description="of kfold and stratified")
    seed: int = Field(1, ge=0, description="of the permutation that the folds are cut from")
    final: Literal["ensemble", "retrained"] = "ensemble"
    fold: int | None = Field(None, ge=1, description="train this fold alone, counted from 1")

    @model_validator(mode="after")
    def _one_of_them(self) -> Validation:
        if self.fold is None:
            return self
        if self.by == "holdout":
            raise ValueError("fold: holdout has none; set by: kfold, stratified or leave-one-out")
        if self.by != "leave-one-out" and self.fold > self.folds:
            raise ValueError(f"fold {self.fold} of {self.folds} folds")
        return self

    @property
    def several(self) -> bool:
        """Whether a run with it trains all folds."""
        return self.by != "holdout" and self.fold is None
