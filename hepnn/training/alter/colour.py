"""Channels changed against one another: `x' = b_c (g + s (x - g))`, g the channels' mean."""

from __future__ import annotations

import tensorflow as tf

from hepnn.recipe.augment import Colour
from hepnn.training.alter.batch import Batch, per_event
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: Colour, inputs: Inputs, draws: Draws) -> Batch:
    """Return images `(batch, height, width, channels)` of other saturation and balance."""
    x = batch.x
    events, channels = tf.shape(x)[0], int(x.shape[-1])
    if settings.saturation:
        amount = draws.uniform([events], 1.0 - settings.saturation, 1.0 + settings.saturation)
        grey = tf.reduce_mean(x, axis=-1, keepdims=True)
        x = grey + per_event(amount, x) * (x - grey)
    if settings.gain:
        gain = draws.uniform([events, 1, 1, channels], 1.0 - settings.gain, 1.0 + settings.gain)
        x = gain * x
    return batch._replace(x=x)
