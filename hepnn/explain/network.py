"""A run's network with the loss that it was trained on."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from hepnn import preparation
from hepnn.run import Run
from hepnn.tasks import get
from hepnn.tasks import scaling as scalings
from hepnn.training import network


class Opened(NamedTuple):
    """A network and some of the events that it was trained on.

    Attributes
    ----------
    model
        Keras model.
    loss
        Of labels and outputs: a scalar, the task's, weighted, without penalties.
    x, y, weight
        Tensors: inputs, encoded labels, weights.
    """

    model: keras.Model
    loss: Any
    x: Any
    y: Any
    weight: Any

    def value(self) -> Any:
        """Return the loss on the events, as in use: nothing is dropped, nothing is averaged."""
        return self.loss(self.y, self.model(self.x, training=False))


def open_stage(run: Run, stage: str, events: int) -> Opened:
    """Open a stage of a run, with the first of its training events."""
    task = get(run.recipe.task)
    known = run.events("calibration")
    y = task.encode(known, scalings.of(run))[:events]
    weight = tf.constant(known.weight[:events])
    each = task.loss(run.manifest["data"]["events_by_class"].get("train", ()))
    if isinstance(each, keras.losses.Loss):
        each.reduction = "none"

    def loss(wanted: Any, outputs: Any) -> Any:
        values = each(wanted, outputs)
        values = tf.reduce_mean(tf.reshape(values, [tf.shape(values)[0], -1]), axis=1)
        return tf.reduce_sum(values * weight) / tf.reduce_sum(weight)

    model = network.of_run(run, stage)
    return Opened(model, loss, tf.constant(known.x[:events]), tf.constant(y), weight)


def anew(run: Run, seed: int) -> keras.Model:
    """Return the network of a run's recipe as it begins, in float, with weights drawn anew."""
    keras.utils.set_random_seed(seed)
    shapes = get(run.recipe.task).shapes(tuple(run.manifest["data"]["shape"]), run.classes)
    scaling = preparation.scaling_of(run)
    return network.assemble(run.recipe.architecture, *shapes, "float", scaling)


def kernels(model: keras.Model) -> list[Any]:
    """Return the trainable variables that have filters, from the input to the output.

    Those of at least two axes, and none of a quantizer.
    """
    layers = model._flatten_layers(include_self=False)  # noqa: SLF001 - cells have weights too
    of_quantizers = {id(v) for layer in layers if hasattr(layer, "kif") for v in layer.variables}
    found = [v for v in model.trainable_variables if len(v.shape) > 1]
    return [v for v in found if id(v) not in of_quantizers and np.prod(v.shape) > 1]
