"""Images turned around their middle.

A pixel at r from the middle takes what was at `R(angle) r`, between pixels bilinearly.
"""

from __future__ import annotations

import math

import tensorflow as tf

from hepnn.recipe.augment import Rotation
from hepnn.training.alter.batch import Batch, per_event
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs
from hepnn.training.alter.sampling import grid, taken_at


def change(batch: Batch, settings: Rotation, inputs: Inputs, draws: Draws) -> Batch:
    """Return images `(batch, height, width, channels)`, each turned by an angle of its own."""
    rows, columns, height, width = grid(batch.x)
    largest = math.radians(settings.degrees)
    angle = per_event(draws.uniform([tf.shape(batch.x)[0]], -largest, largest), batch.x[..., 0])
    middle = ((height - 1) / 2, (width - 1) / 2)
    down, right = rows - middle[0], columns - middle[1]
    cosine, sine = tf.cos(angle), tf.sin(angle)
    return taken_at(
        batch,
        middle[0] + cosine * down + sine * right,
        middle[1] - sine * down + cosine * right,
        inputs,
    )
