"""The kernels that are compressed, and how weights are held at zero while training.

A constraint acts right after the optimizer, so that every engine keeps it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

#: What follows a recurrent layer's name where its recurrent kernel is meant.
RECURRENT = ".recurrent_kernel"


class Mask(keras.constraints.Constraint):
    """Keep some weights at zero.

    Parameters
    ----------
    mask
        Zeros and ones, of the kernel's shape.
    """

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def __call__(self, w: Any) -> Any:
        """Return the masked weights."""
        return w * tf.cast(self.mask, w.dtype)


class Shared(keras.constraints.Constraint):
    """Let weights of one group be equal: to their mean, or to zero in the group 0.

    Parameters
    ----------
    groups
        Number of each weight's group, of the kernel's shape.
    within
        A constraint that the weights had, which acts first.
    """

    def __init__(self, groups: np.ndarray, within: Any = None) -> None:
        sizes = np.bincount(groups.ravel()).astype(np.float32)
        self._groups = tf.constant(groups.ravel(), tf.int32)
        self._scale = tf.constant((np.arange(len(sizes)) > 0) / np.maximum(sizes, 1), tf.float32)
        self._within = within

    def __call__(self, w: Any) -> Any:
        """Return the weights, each group's equal."""
        w = keras.ops.convert_to_tensor(w if self._within is None else self._within(w))
        flat = tf.reshape(w, [-1])
        sums = tf.math.unsorted_segment_sum(flat, self._groups, len(self._scale))
        return tf.reshape(tf.gather(sums * self._scale, self._groups), w.shape)


def prunable(model: keras.Model) -> dict[str, Any]:
    """Return the kernels that are pruned, by layer: all that are trained.

    The recurrent kernel of a layer `NAME` is `NAME.recurrent_kernel`.
    """
    recurrent = {
        f"{layer.name}{RECURRENT}": layer.recurrent_kernel
        for layer in model.layers
        if layer.trainable and isinstance(getattr(layer, "recurrent_kernel", None), keras.Variable)
    }
    kernels = {
        layer.name: layer.kernel
        for layer in model.layers
        if layer.trainable and isinstance(getattr(layer, "kernel", None), keras.Variable)
    } or {
        layer.name: layer._kernel  # noqa: SLF001 - behind a property in Keras
        for layer in model.layers
        if layer.trainable and hasattr(layer, "_kernel")
    }
    return {**kernels, **recurrent}
