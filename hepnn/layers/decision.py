"""The decision itself, where no more is asked of a classifier."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="hepnn")
class Largest(keras.layers.Layer):
    """One for the largest of the last axis, the first one of equals, and zero for the others.

    Between integers it is exact, and firmware needs comparisons alone. It has no gradient.
    Shapes: `(..., classes)` to the same.
    """

    def call(self, inputs: Any) -> Any:
        """Return zeros and a one."""
        # Keras's argmax looks at the sign of zeros, for which TFLite has no operation.
        return tf.one_hot(tf.argmax(inputs, axis=-1), inputs.shape[-1], dtype=inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the input."""
        return input_shape
