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

    def value(self, training: bool = False) -> Any:
        """Return the loss on the events, with the network as in use or as in a step of training.

        In training, batch normalization takes the averages of these events and dropout drops.
        """
        return self.loss(self.y, self.model(self.x, training=training))


def open_stage(run: Run, stage: str, events: int) -> Opened:
    """Open a stage of a run, with the first of its training events."""
    task = get(run.recipe.task)
    known = run.events("calibration")
    y = task.encode(known, scalings.of(run))[:events]
    weight = tf.constant(known.weight[:events])
    counts = run.manifest["data"].get("events_by_class", {})  # an adopted run has none
    each = task.loss(counts.get("train", ()))
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

    Those of at least two axes, no bias and none of a quantizer.
    """
    of_quantizers = {
        id(v) for layer in _layers(model) if hasattr(layer, "kif") for v in layer.variables
    }
    found = [v for v in model.trainable_variables if len(v.shape) > 1 and v.name != "bias"]
    return [v for v in found if id(v) not in of_quantizers and np.prod(v.shape) > 1]


def summed(model: keras.Model) -> list[tuple[int, ...]]:
    """Return of each of `kernels` the axes over which a neuron or a map sums its inputs.

    The last axis numbers the filters of most layers; a transposed convolution has its maps before
    its inputs, a depthwise one a filter for each input, an attention head a neuron for each of
    its numbers.
    """
    # The innermost layer comes last: a model's or a head's variables are also those inside.
    owner = {id(v): layer for layer in _layers(model) for v in layer.variables}
    return [_summed(owner[id(v)], len(v.shape)) for v in kernels(model)]


def _summed(layer: Any, axes: int) -> tuple[int, ...]:
    last = axes - 1
    if isinstance(layer, keras.layers.EinsumDense):
        inputs, outputs = layer.equation.split("->")
        kernel = inputs.split(",")[1]
        return tuple(place for place, axis in enumerate(kernel) if axis not in outputs)
    if isinstance(layer, keras.layers.Conv1DTranspose | keras.layers.Conv2DTranspose):
        return (*range(last - 1), last)
    if isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D):
        return tuple(range(last - 1))
    return tuple(range(last))


def _layers(model: keras.Model) -> list[Any]:
    return list(model._flatten_layers(include_self=False))  # noqa: SLF001 - cells have weights too
