"""Parts of the inputs hidden: `x' = (1 - m) x + m x_0`, m drawn.

With a rate, m is 1 with that chance for each feature, pixel, object or token (P. Vincent et al.,
ICML 2008); with a size, inside of squares with a random pixel in their middle (T. DeVries,
G. W. Taylor, arXiv:1708.04552). x_0 is the middle of the scaling, where the scaled input is 0;
of objects and tokens it is padding, and the mask says so.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hepnn.recipe.noise import Occlusion
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: Occlusion, inputs: Inputs, draws: Draws) -> Batch:
    """Return inputs `(batch, *shape)` with parts of them hidden."""
    x = batch.x
    if settings.size is not None:
        hidden = _squares(x, settings.size, settings.patches, draws)
    else:
        assert settings.rate is not None
        # All channels of a pixel, all features of an object.
        positions = x[..., 0] if inputs.kind in ("image", "sequence") else x
        hidden = draws.happens(tf.shape(positions), settings.rate)
        if len(positions.shape) < len(x.shape):
            hidden = hidden[..., None]
    return batch._replace(x=tf.where(hidden, _nothing(inputs), x))


def _nothing(inputs: Inputs) -> Any:
    """Return what stands for nothing, of each feature."""
    if inputs.kind == "tokens":
        return tf.constant(0.0)
    nothing = inputs.offset.astype("float32")
    if inputs.kind == "sequence":
        nothing[:] = inputs.group.get("padding", 0.0)
        if inputs.masked:
            nothing[-1] = 0.0
    return tf.constant(nothing)


def _squares(x: Any, size: int, patches: int, draws: Draws) -> Any:
    """Return which pixels `(batch, height, width, 1)` lie in a square."""
    height, width = int(x.shape[1]), int(x.shape[2])
    hidden = tf.zeros([tf.shape(x)[0], height, width], tf.bool)
    for _ in range(patches):
        inside = []
        for side in (height, width):
            middle = tf.floor(draws.uniform([tf.shape(x)[0], 1]) * side)
            first = middle - size // 2
            place = tf.range(side, dtype=tf.float32)[None]
            inside.append((place >= first) & (place < first + size))
        hidden |= inside[0][:, :, None] & inside[1][:, None, :]
    return hidden[..., None]
