"""Keras's sum of two tensors, mended: with one event it may add along another axis.

Keras 3.15 with TensorFlow takes a second summand for a bias when only one of its axes is longer
than one, and that as long as the first summand's channels. With a batch of one event, features of
shape `(3, 1)` are such a "bias": they are added along the last axis and not along their own. What
follows is a wrong answer for single events, and for the last one of a batch that is cut short.
"""

from __future__ import annotations

from typing import Any


def mend() -> None:
    """Let Keras take for a bias only what has one axis. Doing it again changes nothing."""
    from keras.src.backend.tensorflow import numpy as of_keras

    given = of_keras.add
    if getattr(given, "mended", False):
        return

    def add(x1: Any, x2: Any) -> Any:
        if len(getattr(x2, "shape", ())) < 2 or not hasattr(x1, "shape"):
            return given(x1, x2)
        import tensorflow as tf
        from keras.src.backend.common import dtypes

        dtype = dtypes.result_type(x1.dtype, x2.dtype)
        x1, x2 = (of_keras.convert_to_tensor(x, dtype) for x in (x1, x2))
        return tf.add(x1, x2)

    add.mended = True  # type: ignore[attr-defined]
    of_keras.add = add
