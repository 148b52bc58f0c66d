"""The learning rate over a fit: one declaration a schedule.

eta is `fit.learning_rate`, s the step counted from the end of the warm-up, S the steps from there
to the end of the fit, and E the steps of an epoch. Of W warm-up steps, the step k has the rate of
s = 0 times k / W (P. Goyal et al., arXiv:1706.02677, section 2.2).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hepnn.declarations import Finite, named


class Schedule(Finite):
    """What all schedules have."""

    warmup: float = Field(0.0, ge=0, lt=1, description="fraction of the steps, linear from 0")

    @property
    def length(self) -> int:
        """Return the epochs behind the warm-up that the schedule needs to do anything."""
        return 0


class Constant(Schedule):
    """Eta, always."""

    name: Literal["constant"] = "constant"


class StepDecay(Schedule):
    """eta factor^n, with n the falls so far: one each `every` epochs, or one at each of `at`."""

    name: Literal["step"] = "step"
    factor: float = Field(0.1, gt=0, lt=1)
    every: int | None = Field(None, ge=1, description="epochs; n = floor(s / (every E))")
    at: list[Annotated[int, Field(ge=1)]] = Field([], description="epochs, in rising order")

    @model_validator(mode="after")
    def _one_of_both(self) -> StepDecay:
        if (self.every is None) == (not self.at):
            raise ValueError("a step schedule has one of every and at")
        if self.at != sorted(set(self.at)):
            raise ValueError("at: epochs in rising order, each once")
        return self

    @property
    def length(self) -> int:
        """Return the epoch of the last fall that is asked for."""
        return self.at[-1] if self.at else self.every or 0


class Exponential(Schedule):
    """eta final^(s/S)."""

    name: Literal["exponential"] = "exponential"
    final: float = Field(0.01, gt=0, le=1, description="of the rate, at the end")


class InverseTime(Schedule):
    """eta / (1 + s / (half E)): 1/t (H. Robbins, S. Monro, Ann. Math. Stat. 22 (1951) 400)."""

    name: Literal["inverse_time"] = "inverse_time"
    half: float = Field(10.0, gt=0, description="epochs after which the rate is half of eta")


class Cosine(Schedule):
    """eta (final + (1 - final) (1 + cos(pi s/S)) / 2) (arXiv:1608.03983, eq. 5).

    With `epochs`, S is their steps, and the rate stays at its final value behind them.
    """

    name: Literal["cosine"] = "cosine"
    final: float = Field(0.0, ge=0, le=1, description="of the rate, at the end")
    epochs: int | None = Field(None, ge=1, description="of the fall; all that there are by default")

    @property
    def length(self) -> int:
        """Return the epochs of the fall."""
        return self.epochs or 0


class OneCycle(Schedule):
    """Up from `first` eta to eta in the fraction `rise` of S, and down to `final` eta.

    Both along half a cosine (L. Smith, N. Topin, arXiv:1708.07120; the cosine is fast.ai's). The
    momentum stays.
    """

    name: Literal["one_cycle"] = "one_cycle"
    first: float = Field(0.04, gt=0, le=1, description="of the rate, at s = 0")
    final: float = Field(4e-6, ge=0, le=1, description="of the rate, at s = S")
    rise: float = Field(0.3, gt=0, lt=1, description="fraction of S")
    epochs: int | None = Field(None, ge=2, description="of S; all that there are by default")

    @property
    def length(self) -> int:
        """Return the epochs of the cycle."""
        return self.epochs or 0


class Plateau(Schedule):
    """Eta times `factor` whenever `monitor` was no better for `patience` epochs.

    Better is lower by more than `least`; of an accuracy or an IoU, higher.
    """

    name: Literal["plateau"] = "plateau"
    monitor: str = "val_loss"
    factor: float = Field(0.5, gt=0, lt=1)
    patience: int = Field(5, ge=1, description="epochs")
    least: float = Field(0.0, ge=0, description="smaller changes are none")
    final: float = Field(0.0, ge=0, lt=1, description="of the rate: not below it")

    @property
    def length(self) -> int:
        """Return after how many epochs the first fall can be."""
        return self.patience + 1


def _written(content: Any) -> Any:
    # A constant rate was written with a final value before schedules had keys of their own.
    content = named("constant")(content)
    if isinstance(content, dict) and content["name"] == "constant" and content.get("final") == 0:
        return {key: value for key, value in content.items() if key != "final"}
    return content


AnySchedule = Annotated[
    Constant | StepDecay | Exponential | InverseTime | Cosine | OneCycle | Plateau,
    Field(discriminator="name"),
    BeforeValidator(_written),
]
