"""A window of an image, resized to the whole.

Its sides are a share `sqrt(area)` of the image's, its place is uniform inside.
"""

from __future__ import annotations

import tensorflow as tf

from hepnn.recipe.augment import Crop
from hepnn.training.alter.batch import Batch, per_event
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs
from hepnn.training.alter.sampling import grid, taken_at


def change(batch: Batch, settings: Crop, inputs: Inputs, draws: Draws) -> Batch:
    """Return windows of images `(batch, height, width, channels)`, in the size of the images."""
    rows, columns, height, width = grid(batch.x)
    events = [tf.shape(batch.x)[0]]
    like = batch.x[..., 0]
    side = per_event(tf.sqrt(draws.uniform(events, settings.area, 1.0)), like)
    first = [per_event(draws.uniform(events), like) * (1.0 - side) for _ in range(2)]
    return taken_at(
        batch,
        side * rows + first[0] * (height - 1),
        side * columns + first[1] * (width - 1),
        inputs,
    )
