"""One fit: how weights are moved."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hepnn.declarations import Declaration


class Schedule(Declaration):
    """The learning rate over the training.

    `cosine` falls to `final` times the rate (I. Loshchilov, F. Hutter, arXiv:1608.03983),
    `exponential` falls to it by a constant factor a step, `constant` stays.
    """

    name: Literal["constant", "cosine", "exponential"] = "constant"
    final: float = Field(0.0, ge=0, le=1)
    warmup: float = Field(0.0, ge=0, lt=1, description="fraction of the steps, linear from 0")


class EarlyStopping(Declaration):
    """Stop when the monitored value has not improved for `patience` epochs."""

    monitor: str = "val_loss"
    patience: int = Field(10, ge=1)


class Adversary(Declaration):
    """What a generator is trained against (`hepnn.training.adversarial`).

    Both networks have the fit's optimizer, batches and schedule. `penalty` and `average` are no
    part of the first paper: they keep the two from circling around each other.
    """

    steps: int = Field(1, ge=1, description="of the discriminator, for one of the generator")
    learning_rate: float | None = Field(None, gt=0, description="of the discriminator")
    beta_1: float | None = Field(
        None, ge=0, lt=1, description="of Adam, for both; 0.5 in arXiv:1511.06434"
    )
    saturating: bool = Field(False, description="the generator minimizes log(1 - D(G(z)))")
    penalty: float = Field(
        0.0,
        ge=0,
        description="on the discriminator's gradient at real events, R1: arXiv:1801.04406",
    )
    average: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="moving average of the float stage's weights: arXiv:1806.04498",
    )


class Fit(Declaration):
    """One fit: optimizer, batches, epochs.

    `rule` is `gradient`, of the loss, or `perceptron` (`hepnn.training.perceptron`).
    `engine` is `auto` (the rule of `hepnn.training.engine`), `epoch` (a whole epoch as one
    compiled loop) or `keras` (`model.fit`).

    With a `teacher`, the network learns its answers beside the labels
    (`hepnn.training.distillation`), which count `teacher_weight`, at a `temperature`.
    """

    epochs: int = Field(50, ge=1)
    batch: int = Field(1024, ge=1)
    optimizer: Literal["sgd", "rmsprop", "adam", "adamw", "nadam", "lion"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    rule: Literal["gradient", "perceptron"] = "gradient"
    schedule: Schedule = Schedule()
    early_stopping: EarlyStopping | None = None
    keep: Literal["last", "best"] = "best"
    teacher: str | None = Field(None, description="run, or run/stage, whose answers are learned")
    temperature: float = Field(2.0, gt=0, description="of the classes' softmax, for the teacher")
    teacher_weight: float = Field(0.5, gt=0, le=1, description="of its answers, against labels")
    adversary: Adversary | None = None
    engine: Literal["auto", "epoch", "keras"] = "auto"
    tensorboard: bool = Field(False, description="write TensorBoard's logs into the run")

    @model_validator(mode="after")
    def _plain_descent(self) -> Fit:
        if self.rule == "perceptron" and self.optimizer != "sgd":
            raise ValueError("rule: perceptron takes optimizer: sgd, whose step is the rate alone")
        if self.rule == "perceptron" and self.teacher is not None:
            raise ValueError("rule: perceptron learns from labels alone, and takes no teacher")
        return self
