"""What a network is trained for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from hepnn.declarations import Declaration


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
