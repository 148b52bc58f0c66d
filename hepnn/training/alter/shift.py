"""Images moved by whole pixels: `x'[i, j] = x[i - a, j - b]`."""

from __future__ import annotations

import tensorflow as tf

from hepnn.recipe.augment import Shift
from hepnn.training.alter.batch import Batch, per_event
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs
from hepnn.training.alter.sampling import grid, nearest


def change(batch: Batch, settings: Shift, inputs: Inputs, draws: Draws) -> Batch:
    """Return images `(batch, height, width, channels)`, each moved by its own number of pixels."""
    rows, columns, _, _ = grid(batch.x)
    events, like = [tf.shape(batch.x)[0]], batch.x[..., 0]
    reach = settings.pixels + 0.5
    down, right = (
        per_event(tf.round(draws.uniform(events, -reach, reach)), like) for _ in range(2)
    )
    places = (
        tf.broadcast_to(rows - down, tf.shape(like)),
        tf.broadcast_to(columns - right, tf.shape(like)),
    )
    batch = batch._replace(x=nearest(batch.x, *places))
    return batch._replace(y=nearest(batch.y, *places)) if inputs.pixels else batch
