"""Images mirrored: `x'[i, j] = x[i, width - 1 - j]`, or along the rows, or both.

A. Krizhevsky, I. Sutskever, G. E. Hinton, NeurIPS 2012, section 4.1.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hepnn.recipe.augment import Flip
from hepnn.training.alter.batch import Batch, per_event
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: Flip, inputs: Inputs, draws: Draws) -> Batch:
    """Return images `(batch, height, width, channels)`, half of them mirrored along each axis."""
    for axis, wanted in ((2, settings.horizontal), (1, settings.vertical)):
        if wanted:
            chosen = draws.happens([tf.shape(batch.x)[0]], 0.5)
            batch = batch._replace(x=_mirrored(batch.x, axis, chosen))
            if inputs.pixels:
                batch = batch._replace(y=_mirrored(batch.y, axis, chosen))
    return batch


def _mirrored(images: Any, axis: int, chosen: Any) -> Any:
    return tf.where(per_event(chosen, images), tf.reverse(images, [axis]), images)
