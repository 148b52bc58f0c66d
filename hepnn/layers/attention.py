"""What attention needs beside Keras's layers: a product of two tensors, a softmax, positions.

A. Vaswani et al., "Attention Is All You Need", NIPS 2017 (arXiv:1706.03762), section 3.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class Einsum(keras.layers.Layer):
    """The Einstein sum of two tensors.

    Parameters
    ----------
    equation
        With the batch, as in `abcd,aecd->acbe`.
    """

    def __init__(self, equation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.equation = equation

    def call(self, inputs: Any) -> Any:
        """Return the sum of the products of two tensors."""
        return ops.einsum(self.equation, *inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the sizes of the axes that stay."""
        into, _, out = self.equation.partition("->")
        sizes: dict[str, Any] = {}
        for axes, shape in zip(into.split(","), input_shape, strict=True):
            sizes |= dict(zip(axes, shape, strict=True))
        return tuple(sizes[axis] for axis in out)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "equation": self.equation}


@keras.saving.register_keras_serializable(package="hepnn")
class ScaledSoftmax(keras.layers.Layer):
    """The softmax of eq. (1) over the last axis, of scores times a constant.

    Parameters
    ----------
    scale
        One over the root of the keys' width.
    """

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        """Return weights of the scores' shape, that add up to 1."""
        return ops.softmax(inputs * self.scale, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the scores' shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "scale": self.scale}


def sinusoids(places: int, width: int) -> np.ndarray:
    """Return the positional encoding `(places, width)` of section 3.5.

    Sines of `place / 10000**(2 i / width)` in the even columns, their cosines in the odd ones.

    >>> sinusoids(2, 2).round(3)
    array([[0.   , 1.   ],
           [0.841, 0.54 ]])
    """
    column = np.arange(width)
    angle = np.arange(places)[:, None] / 10000.0 ** (2 * (column // 2) / width)
    return np.where(column % 2, np.cos(angle), np.sin(angle))
