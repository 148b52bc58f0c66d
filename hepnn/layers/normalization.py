"""Normalizations that Keras lacks."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class LocalResponseNormalization(keras.layers.Layer):
    """Divide each map by the size of its neighbours at the same pixel.

    A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep convolutional
    neural networks", NIPS 2012, section 3.3: `b = a / (k + alpha sum a'^2)^beta`, the sum over
    `n` adjacent maps, fewer at the first and the last. No parameters are trained.

    Parameters
    ----------
    size
        `n`, the number of adjacent maps, odd.
    k, alpha, beta
        Constants; the defaults are the paper's, chosen there on a validation set.
    """

    def __init__(
        self,
        size: int = 5,
        k: float = 2.0,
        alpha: float = 1e-4,
        beta: float = 0.75,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if size % 2 == 0:
            raise ValueError(f"size must be odd, not {size}")
        self.size = size
        self.k = k
        self.alpha = alpha
        self.beta = beta

    def call(self, inputs: Any) -> Any:
        """Return the normalized maps, of the shape of the inputs."""
        maps, reach = inputs.shape[-1], self.size // 2
        padding = [(0, 0)] * (len(inputs.shape) - 1) + [(reach, reach)]
        squares = ops.pad(ops.square(inputs), padding)
        total = sum(squares[..., first : first + maps] for first in range(self.size))
        return inputs / ops.power(self.k + self.alpha * total, self.beta)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        constants = {"k": self.k, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), "size": self.size, **constants}
