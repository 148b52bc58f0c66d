"""Contrast: `x' = m + c (x - m)`, m each channel's mean over the image."""

from __future__ import annotations

import tensorflow as tf

from hepnn.recipe.augment import Contrast
from hepnn.training.alter.batch import Batch, per_event
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: Contrast, inputs: Inputs, draws: Draws) -> Batch:
    """Return images `(batch, height, width, channels)` of more or less contrast, the same mean."""
    amount = draws.uniform([tf.shape(batch.x)[0]], 1.0 - settings.amount, 1.0 + settings.amount)
    mean = tf.reduce_mean(batch.x, axis=[1, 2], keepdims=True)
    return batch._replace(x=mean + per_event(amount, batch.x) * (batch.x - mean))
