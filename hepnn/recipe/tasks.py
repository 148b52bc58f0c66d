"""What a network is trained for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hepnn.declarations import Declaration, named
from hepnn.recipe.losses import (
    AnyClassLoss,
    AnyRegressLoss,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)


class ClassifyTask(Declaration):
    """One logit a class, or the probabilities of a network that was not made here.

    `class_weights` multiply the loss of each event by its class's weight, on the validation
    events too. `balanced` is n / (K n_k), with n_k of the n training events of class k of K, so
    that all classes weigh alike (G. King, L. Zeng, Polit. Anal. 9 (2001) 137).
    """

    name: Literal["classify"] = "classify"
    outputs: Literal["logits", "probabilities"] = "logits"
    loss: AnyClassLoss = SparseCategoricalCrossentropy()
    class_weights: list[Annotated[float, Field(ge=0)]] | Literal["balanced"] | None = Field(
        None, description="in the order of the classes, or balanced"
    )


class RegressTask(Declaration):
    """One number a target."""

    name: Literal["regress"]
    loss: AnyRegressLoss = MeanSquaredError()


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


AnyTask = Annotated[
    ClassifyTask | RegressTask | SegmentTask | ReconstructTask | GenerateTask | EmbedTask,
    Field(discriminator="name"),
    BeforeValidator(named("classify")),
]
