"""Images taken at other places than their pixels'."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hepnn.training.alter.batch import Batch
from hepnn.training.alter.inputs import Inputs


def grid(x: Any) -> tuple[Any, Any, int, int]:
    """Return row and column of every pixel, `(1, height, 1)` and `(1, 1, width)`, and the sides."""
    height, width = int(x.shape[1]), int(x.shape[2])
    rows = tf.reshape(tf.range(height, dtype=tf.float32), [1, height, 1])
    columns = tf.reshape(tf.range(width, dtype=tf.float32), [1, 1, width])
    return rows, columns, height, width


def taken_at(batch: Batch, rows: Any, columns: Any, inputs: Inputs) -> Batch:
    """Return images as they are at other places; a mask of classes goes with them.

    Parameters
    ----------
    batch
        Images `(batch, height, width, channels)`.
    rows, columns
        Where each pixel is taken from `(batch, height, width)`. Beyond the edge an image goes on
        as its edge. Images are interpolated bilinearly, masks take the nearest pixel.
    inputs
        What the labels are.
    """
    x, y = bilinear(batch.x, rows, columns), batch.y
    if inputs.pixels:
        y = nearest(y, rows, columns)
    return batch._replace(x=x, y=y)


def bilinear(x: Any, rows: Any, columns: Any) -> Any:
    """Return images interpolated at places `(batch, height, width)`."""
    above, left = tf.floor(rows), tf.floor(columns)
    down, right = (rows - above)[..., None], (columns - left)[..., None]
    corner = [[_pixels(x, above + i, left + j) for j in (0, 1)] for i in (0, 1)]
    upper, lower = (one + right * (two - one) for one, two in corner)
    return upper + down * (lower - upper)


def nearest(x: Any, rows: Any, columns: Any) -> Any:
    """Return the pixels `(batch, height, width, ...)` nearest to places."""
    return _pixels(x, tf.round(rows), tf.round(columns))


def _pixels(x: Any, rows: Any, columns: Any) -> Any:
    height, width = int(x.shape[1]), int(x.shape[2])
    rows = tf.clip_by_value(tf.cast(rows, tf.int32), 0, height - 1)
    columns = tf.clip_by_value(tf.cast(columns, tf.int32), 0, width - 1)
    flat = tf.reshape(x, [tf.shape(x)[0], height * width, *x.shape[3:]])
    return tf.gather(flat, rows * width + columns, batch_dims=1)
