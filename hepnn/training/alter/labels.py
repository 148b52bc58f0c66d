"""Labels that are wrong: `P(y' = k | y) = rate / (classes - 1)` for every other class k.

With `fixed` the random numbers are made of the recipe's seed and the bits of the event's own
inputs, so that an event has the same label in every epoch and every stage, wherever it lies,
streamed or in memory: a multiply-add hash (M. Dietzfelbinger, STACS 1996) and a mixer of
xor-shifts and multiplications, as in MurmurHash3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hepnn.recipe.noise import LabelNoise
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: LabelNoise, inputs: Inputs, draws: Draws) -> Batch:
    """Return the same inputs, some with another class number `(batch,)`.

    Of labels beside a teacher's answers `(batch, 1 + outputs)` the first column is one.
    """
    y = batch.y
    first = y if len(y.shape) == 1 else y[:, 0]
    if settings.fixed:
        chance, which = (_of_event(batch.clean, inputs.seed, number) for number in range(2))
    else:
        chance, which = draws.uniform(tf.shape(first)), draws.uniform(tf.shape(first))
    others = inputs.classes - 1
    step = 1 + tf.minimum(tf.cast(which * others, tf.int32), others - 1)
    other = tf.cast((tf.cast(first, tf.int32) + step) % inputs.classes, y.dtype)
    wrong = tf.where(chance < settings.rate, other, first)
    if len(y.shape) == 1:
        return batch._replace(y=wrong)
    return batch._replace(y=tf.concat([wrong[:, None], y[:, 1:]], axis=1))


def _of_event(x: Any, seed: int, number: int) -> Any:
    """Return a number in (0, 1) for each event, float32, of its bits alone."""
    size = int(np.prod(x.shape[1:]))
    rng = np.random.default_rng([seed, number])
    odd = (rng.integers(0, 2**31, size, np.int64) * 2 + 1).astype(np.uint32)
    bits = tf.bitcast(tf.reshape(x, [-1, size]), tf.int32)
    summed = tf.reduce_sum(bits * tf.constant(odd.view(np.int32)), axis=1)
    mixed = tf.bitcast(summed, tf.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        shifted = tf.bitwise.right_shift(mixed, tf.constant(shift, tf.uint32))
        mixed = tf.bitwise.bitwise_xor(mixed, shifted) * tf.constant(factor, tf.uint32)
    whole = tf.cast(tf.bitwise.right_shift(mixed, tf.constant(9, tf.uint32)), tf.int32)
    return (tf.cast(whole, tf.float32) + 0.5) * 2.0**-23
