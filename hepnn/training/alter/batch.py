"""A batch under way to the network."""

from __future__ import annotations

from typing import Any, NamedTuple


class Batch(NamedTuple):
    """What is changed.

    Attributes
    ----------
    x
        Inputs `(batch, *shape)`, as changed so far.
    y
        Labels, as changed so far; where a teacher's answers lie beside them, both.
    clean
        The inputs as they were.
    """

    x: Any
    y: Any
    clean: Any


def per_event(values: Any, like: Any) -> Any:
    """Return numbers `(batch,)` in a shape that goes with `(batch, ...)`."""
    import tensorflow as tf

    return tf.reshape(values, [-1] + [1] * (len(like.shape) - 1))
