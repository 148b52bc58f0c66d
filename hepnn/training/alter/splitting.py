"""Constituents split in two of the same direction: `pT_a + pT_b = pT`.

B. M. Dillon et al., arXiv:2108.04253: what a jet is must not hang on collinear splittings. The
harder part's share is between 1/2 and 1: then the difference of the two float32 numbers has no
rounding (P. H. Sterbenz, "Floating-point computation", 1974), and the sum of the two is exactly
what was split. What adds up, as a charge, goes with the harder part.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hepnn.recipe.augment import Splitting
from hepnn.training.alter import momenta
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs
from hepnn.training.alter.momenta import Constituents


def change(batch: Batch, settings: Splitting, inputs: Inputs, draws: Draws) -> Batch:
    """Return jets `(batch, length, features)` with some constituents split, in falling pT.

    A list that is full is left alone.
    """
    x, found = batch.x, momenta.read(batch.x, inputs)
    shape, length = tf.shape(found.pt), int(x.shape[1])
    chance, share = draws.uniform(shape), draws.uniform(shape, 0.5, 1.0)
    chosen = found.real & (chance < settings.rate)
    room = length - _count(found.real)
    # The chosen ones first, in random order; the n-th is split into the n-th free place.
    rank = _ranks(tf.where(chosen, chance, 2.0))
    chosen &= rank < room
    harder = tf.where(chosen, found.pt * share, found.pt)
    free = tf.cumsum(tf.cast(~found.real, tf.int32), axis=1) - 1
    filled = ~found.real & (free < _count(chosen))
    parent = tf.where(
        filled,
        tf.gather(tf.argsort(rank, axis=1), tf.maximum(free, 0), batch_dims=1),
        tf.broadcast_to(tf.range(length), shape),
    )
    pt = tf.where(filled, tf.gather(found.pt - harder, parent, batch_dims=1), harder)
    eta, phi = (tf.gather(one, parent, batch_dims=1) for one in (found.eta, found.phi))
    made = Constituents(pt, eta, phi, found.real | filled)
    x = tf.gather(x, parent, batch_dims=1)
    x = momenta.write(_without(x, filled, inputs), made, inputs)
    order = tf.argsort(tf.where(made.real, -made.pt, 1.0), axis=1, stable=True)
    return batch._replace(x=tf.gather(x, order, batch_dims=1))


def _without(x: Any, filled: Any, inputs: Inputs) -> Any:
    """Return inputs whose new constituents have nothing of what adds up."""
    additive = inputs.group["momenta"]["additive"]
    columns = [
        tf.where(filled, 0.0, x[..., place]) if name in additive else x[..., place]
        for place, name in enumerate(inputs.names)
    ]
    return tf.stack(columns, axis=-1)


def _count(what: Any) -> Any:
    return tf.reduce_sum(tf.cast(what, tf.int32), axis=1, keepdims=True)


def _ranks(values: Any) -> Any:
    """Return the place of each value in rising order."""
    return tf.argsort(tf.argsort(values, axis=1, stable=True), axis=1)
