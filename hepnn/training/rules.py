"""What is compiled and driven: the network itself, or the network inside another train step.

A network that is trained by more than its own loss says so by an attribute, and a recipe asks for
another rule than the gradient's by `fit.rule` or `fit.teacher`; the row of either names a `Rule`,
a Keras model around the network with another train step. Both drivers of `hepnn.training.engine`
take either. Callbacks, and whoever saves, see the network alone.
"""

from __future__ import annotations

from typing import Any

import keras

from hepnn import tables
from hepnn.errors import RecipeError
from hepnn.recipe import Fit

#: By `fit.rule`, or where `fit.teacher` is given.
ASKED = {
    "perceptron": "hepnn.training.perceptron:Perceptron",
    "teacher": "hepnn.training.distillation:Distilled",
}

#: By the attribute that a network has, where it is trained in another way.
RULES = {
    "auxiliary": "hepnn.training.auxiliary:Auxiliary",
    "discriminator": "hepnn.training.adversarial:Adversarial",
}


def wrap(model: keras.Model, plan: Fit | None = None, steps: int = 1, latent: int = 0) -> Any:
    """Return the model to compile and to drive; the network itself if it has no rule.

    Parameters
    ----------
    model
        The network.
    plan
        Of the fit.
    steps
        Batches an epoch.
    latent
        How many of the network's inputs are random numbers.

    Raises
    ------
    RecipeError
        If the network cannot be trained from random numbers, or only from them.
    """
    asked = None if plan is None else "teacher" if plan.teacher else plan.rule
    if plan is not None and asked in ASKED:
        rule = tables.load(ASKED, asked, "rule")(model)
        rule.follow(plan, steps, latent)
        return rule
    for attribute in RULES:
        if getattr(model, attribute, None):
            rule = tables.load(RULES, attribute, "rule")(model)
            rule.follow(plan or Fit(), steps, latent)
            return rule
    if latent:
        raise RecipeError(
            f"task generate: architecture {model.name} has no discriminator to train against"
        )
    return model


def release(driven: keras.Model) -> None:
    """Leave on a network nothing of the rule it was trained by."""
    if isinstance(driven, Rule):
        vars(driven.network).pop("optimizer", None)


class Rule(keras.Model):
    """A network inside another train step.

    Subclasses own, beside the network, what only training needs: variables of theirs are part
    of the checkpoint, and are gone after the fit.

    Parameters
    ----------
    network
        What is trained.
    """

    #: Whether losses, added up over the shares of several devices, are those of the whole batch.
    REPLICATED = False

    def __init__(self, network: keras.Model) -> None:
        super().__init__(name=network.name)
        self.network = network

    def follow(self, plan: Fit, steps: int, latent: int) -> None:
        """Take what is known of the training; as `wrap` has it."""

    def compile(self, **kwargs: Any) -> None:
        """Compile, and let callbacks find the optimizer on the network too."""
        super().compile(**kwargs)
        vars(self.network)["optimizer"] = self.optimizer

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the network's outputs."""
        return self.network(inputs, training=training)

    @property
    def stop_training(self) -> bool:
        """Whether a callback, which sees the network, wants to stop."""
        return bool(getattr(self.network, "stop_training", False))

    @stop_training.setter
    def stop_training(self, value: bool) -> None:
        if hasattr(self, "network"):  # Keras sets it before there is one
            self.network.stop_training = value
