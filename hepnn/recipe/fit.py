"""One fit: how weights are moved."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hepnn.declarations import Declaration, Finite, named
from hepnn.recipe.augment import Augment
from hepnn.recipe.noise import Noise
from hepnn.recipe.optimizers import Adam, AnyOptimizer
from hepnn.recipe.regularizers import Clip, Dropout, Regularize
from hepnn.recipe.schedules import AnySchedule, Constant

_OrNothing = BeforeValidator(lambda content: {} if content is None else content)


class EarlyStopping(Declaration):
    """Stop when the monitored value has not improved for `patience` epochs."""

    monitor: str = "val_loss"
    patience: int = Field(10, ge=1)


class Adversary(Finite):
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


class Fit(Finite):
    """One fit: optimizer, batches, epochs.

    `rule` is `gradient`, of the loss, or `perceptron` (`hepnn.training.perceptron`).
    `engine` is `auto` (the rule of `hepnn.training.engine`), `epoch` (a whole epoch as one
    compiled loop), `graph` (the same loop, not compiled) or `keras` (`model.fit`).

    With a `teacher`, the network learns its answers beside the labels
    (`hepnn.training.distillation`), which count `teacher_weight`, at a `temperature`.

    `freeze` names layers that keep their weights: all up to and with one, or a list of names or
    patterns (`conv*`). `average` keeps and validates m = d m + (1 - d) w in place of the weights
    w, with d = min(average, t / (t + 10)) at the step t (B. Polyak, A. Juditsky, SIAM J. Control
    Optim. 30 (1992) 838). `precision` computes Keras's own layers but the last in half of the
    bits (P. Micikevicius et al., arXiv:1710.03740); weights, what is saved, and stages in fixed
    point stay float32.

    Of `regularize`, `dropout`, `noise` and `augment`, null is nothing, as if not written.
    """

    epochs: int = Field(50, ge=1)
    batch: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        1024, description="events a step, or all of them"
    )
    optimizer: AnyOptimizer = Adam()
    learning_rate: float = Field(1e-3, gt=0)
    rule: Literal["gradient", "perceptron"] = "gradient"
    schedule: AnySchedule = Constant()
    clip: Clip | None = Field(None, description="of the gradient")
    regularize: Annotated[Regularize, _OrNothing] = Regularize()
    dropout: Annotated[Dropout, _OrNothing] = Dropout()
    average: float = Field(0.0, ge=0, lt=1, description="of the weights; 0.999 is usual")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    freeze: str | list[str] = []
    early_stopping: EarlyStopping | None = None
    keep: Literal["last", "best"] = "best"
    teacher: str | None = Field(None, description="run, or run/stage, whose answers are learned")
    temperature: float = Field(2.0, gt=0, description="of the classes' softmax, for the teacher")
    teacher_weight: float = Field(0.5, gt=0, le=1, description="of its answers, against labels")
    adversary: Adversary | None = None
    noise: Annotated[Noise, _OrNothing] = Noise()
    augment: Annotated[Augment, _OrNothing] = Augment()
    engine: Literal["auto", "epoch", "graph", "keras"] = "auto"
    tensorboard: bool = Field(False, description="write TensorBoard's logs into the run")

    @model_validator(mode="before")
    @classmethod
    def _whole_batch(cls, content: Any) -> Any:
        chosen = named("adam")(content.get("optimizer")) if isinstance(content, dict) else None
        if not isinstance(chosen, dict) or chosen["name"] != "gradient_descent":
            return content
        if content.get("batch", "all") != "all":
            raise ValueError(
                "optimizer: gradient_descent takes the gradient of all events, batch: all; "
                "optimizer: sgd takes that of a batch"
            )
        return {**content, "batch": "all"}

    @model_validator(mode="after")
    def _plain_descent(self) -> Fit:
        step = self.optimizer.model_dump(exclude_defaults=True)
        if self.rule == "perceptron" and (self.optimizer.name != "sgd" or step):
            raise ValueError("rule: perceptron takes optimizer: sgd, whose step is the rate alone")
        if self.rule == "perceptron" and self.teacher is not None:
            raise ValueError("rule: perceptron learns from labels alone, and takes no teacher")
        lossy = {"average": self.average, "regularize": self.regularize.wanted}
        for key in (key for key, asked in lossy.items() if self.rule == "perceptron" and asked):
            raise ValueError(f"rule: perceptron minimizes no loss, and takes no {key}")
        return self

    @model_validator(mode="after")
    def _schedule_in_time(self) -> Fit:
        needed, warmup = self.schedule.length, self.schedule.warmup * self.epochs
        if needed and needed + warmup > self.epochs:
            behind = f" and {warmup:g} of warm-up" if warmup else ""
            raise ValueError(
                f"schedule {self.schedule.name} needs {needed} epochs{behind}, "
                f"longer than the training's {self.epochs}"
            )
        return self

    def batch_of(self, events: int) -> int:
        """Return the events a step, of so many."""
        return events if self.batch == "all" else self.batch
