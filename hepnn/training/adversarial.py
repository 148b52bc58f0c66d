"""Adversarial training: a generator against a discriminator, in alternating steps.

I. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014 (arXiv:1406.2661), algorithm 1:
`steps` times the discriminator D learns to tell a batch of real events from as many generated
ones, then the generator G learns once to make events that D takes for real. With logits d,

    D minimizes  -log sigmoid(d(x)) - log(1 - sigmoid(d(G(z))))
    G minimizes  -log sigmoid(d(G(z))), or with `saturating` the paper's log(1 - sigmoid(d(G(z))))

which has the same fixed point, but no gradient where D is sure (section 3). The noise z is drawn
anew for every batch; where a class follows it, D is told the class of both.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from hepnn.errors import RecipeError
from hepnn.recipe import Adversary, Fit
from hepnn.tasks.generate import GRID
from hepnn.training.optimizers import optimizer
from hepnn.training.rules import Rule
from hepnn.vocabularies.floating import Float


class Adversarial(Rule):
    """A generator together with the discriminator that it is trained against.

    `loss` is the generator's, `discriminator_loss` the discriminator's: 2 log 2 = 1.386 where it
    cannot tell. Neither says how good the events are; that is for whoever looks at them.

    Parameters
    ----------
    network
        The generator; its attribute `discriminator` makes the other.
    """

    def follow(self, plan: Fit, steps: int, latent: int) -> None:
        """Make the discriminator, and its optimizer.

        Parameters
        ----------
        plan
            Of the fit.
        steps
            Batches an epoch.
        latent
            How many of the inputs are random numbers; classes follow them.

        Raises
        ------
        RecipeError
            If the network is not trained from random numbers, or the plan asks for what only
            the descent of one loss has.
        """
        if not latent:
            raise RecipeError(f"architecture {self.network.name} is trained by task: generate")
        refused = {
            "schedule: plateau": plan.schedule.name == "plateau",
            "average": bool(plan.average),
            "regularize": plan.regularize.wanted,
            "precision": plan.precision != "float32",
        }
        for key in (key for key, asked in refused.items() if asked):
            raise RecipeError(
                f"fit.{key} is for the descent of one loss, and two networks play against each "
                "other here; fit.adversary has average and penalty"
            )
        self.latent = latent
        self.adversary = plan.adversary or Adversary()
        self.classes = self.network.input_shape[-1] - latent
        shape = self.network.output_shape[1:]
        self.discriminator = self.network.discriminator(shape, self.classes, nn=Float())
        self.noise = keras.random.SeedGenerator()
        self.discriminator_loss = keras.metrics.Mean(name="discriminator_loss")
        self.learner = self.network
        if self.adversary.average:
            self.learner = keras.models.clone_model(self.network)
            self.learner.set_weights(self.network.get_weights())
            self.averaged = self.add_weight(shape=(), initializer="zeros", trainable=False)
        rate = self.adversary.learning_rate or plan.learning_rate
        other = plan.model_copy(update={"learning_rate": rate})
        self.opponent = _with_momentum(
            optimizer(other, steps * self.adversary.steps), self.adversary.beta_1
        )
        self.opponent.build(self.discriminator.trainable_variables)
        # As weights of this model they are part of the checkpoint.
        self.slots = list(self.opponent.variables)

    @property
    def others(self) -> list[Any]:
        """The optimizers that have the fit's learning rate too."""
        return [] if self.adversary.learning_rate else [self.opponent]

    def compile(self, **kwargs: Any) -> None:
        """Compile for the generator, whose optimizer is the fit's."""
        _with_momentum(kwargs["optimizer"], self.adversary.beta_1)
        # Metrics of events against labels have no meaning, and the loss is this model's own.
        super().compile(optimizer=kwargs["optimizer"])

    @property
    def trainable_variables(self) -> list[Any]:
        """What the fit's optimizer moves: the generator alone."""
        return self.learner.trainable_variables if hasattr(self, "learner") else []

    def train_step(self, data: Any) -> Any:
        """Train the discriminator, on the batch or a part of it a step, and the generator once."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        steps = self.adversary.steps
        for first in range(steps):
            part = slice(first, None, steps)
            self._discriminate(x[part], y[part], None if weight is None else weight[part])
        self._generate(x, weight)
        return self.get_metrics_result()

    def test_step(self, data: Any) -> Any:
        """Look at both losses on other events, with their own noise."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        judged = self._judge(self.network(x, training=False), x, training=False)
        real = self._judge(y, x, training=False)
        self._loss_tracker.update_state(self._wish(judged, weight), sample_weight=ops.shape(x)[0])
        both = _mean(ops.softplus(-real) + ops.softplus(judged), weight)
        self.discriminator_loss.update_state(both, sample_weight=ops.shape(x)[0])
        return self.get_metrics_result()

    def _discriminate(self, x: Any, y: Any, weight: Any) -> None:
        made = self.learner(self._fresh(x), training=True)
        with tf.GradientTape() as tape:
            real, penalty = self._judge_real(y, x, weight)
            judged = self._judge(made, x, training=True)
            loss = _mean(ops.softplus(-real) + ops.softplus(judged), weight)
            total = loss + penalty
        variables = self.discriminator.trainable_variables
        self.opponent.apply(tape.gradient(total, variables), variables)
        self.discriminator_loss.update_state(loss, sample_weight=ops.shape(x)[0])

    def _generate(self, x: Any, weight: Any) -> None:
        with tf.GradientTape() as tape:
            made = self.learner(self._fresh(x), training=True)
            loss = self._wish(self._judge(made, x, training=True), weight)
            total = loss + sum(self.learner.losses)
        variables = self.learner.trainable_variables
        self.optimizer.apply(tape.gradient(total, variables), variables)
        self._loss_tracker.update_state(loss, sample_weight=ops.shape(x)[0])
        if self.adversary.average:
            self._average()

    def _fresh(self, x: Any) -> Any:
        """Return inputs with other noise, and the same classes."""
        shape = (ops.shape(x)[0], self.latent)
        noise = ops.round(keras.random.normal(shape, seed=self.noise) / GRID) * GRID
        return ops.concatenate([noise, x[:, self.latent :]], axis=-1)

    def _judge(self, events: Any, x: Any, training: bool) -> Any:
        """Return the discriminator's logits `(batch,)`."""
        given = [events, x[:, self.latent :]] if self.classes else events
        return self.discriminator(given, training=training)[:, 0]

    def _judge_real(self, events: Any, x: Any, weight: Any) -> tuple[Any, Any]:
        """Return the logits of real events, and the penalty on their gradient."""
        if not self.adversary.penalty:
            return self._judge(events, x, training=True), 0.0
        with tf.GradientTape() as tape:
            tape.watch(events)
            real = self._judge(events, x, training=True)
            total = ops.sum(real)
        slope = ops.reshape(tape.gradient(total, events), (ops.shape(x)[0], -1))
        squares = ops.sum(ops.square(slope), axis=-1)
        return real, self.adversary.penalty / 2 * _mean(squares, weight)

    def _wish(self, judged: Any, weight: Any) -> Any:
        """Return the generator's loss of the logits of what it made."""
        saturating = self.adversary.saturating
        return _mean(-ops.softplus(judged) if saturating else ops.softplus(-judged), weight)

    def _average(self) -> None:
        """Let the network follow what is trained: a moving average of the weights."""
        self.averaged.assign_add(1.0)
        keep = ops.minimum(self.adversary.average, self.averaged / (self.averaged + 10.0))
        trained = {id(variable) for variable in self.learner.trainable_variables}
        for mean, now in zip(self.network.variables, self.learner.variables, strict=True):
            mean.assign(mean * keep + now * (1.0 - keep) if id(now) in trained else now)


def _mean(values: Any, weight: Any) -> Any:
    """Return the weighted mean over the batch; nothing has the mean zero."""
    weight = ops.ones_like(values) if weight is None else ops.cast(weight, values.dtype)
    return tf.math.divide_no_nan(ops.sum(values * weight), ops.sum(weight))


def _with_momentum(of: Any, beta_1: float | None) -> Any:
    if beta_1 is not None and hasattr(of, "beta_1"):
        of.beta_1 = beta_1
    return of
