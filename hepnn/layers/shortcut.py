"""The shortcut without parameters of residual networks.

K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016
(arXiv:1512.03385), section 4.1, option A.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class PaddedIdentity2D(keras.layers.Layer):
    """The input at every `strides`-th pixel, with further channels of zeros.

    Parameters
    ----------
    filters
        Channels of the output; those of the input come first.
    strides
        Steps between the pixels that are kept, from the first one on.
    """

    def __init__(self, filters: int, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides

    def call(self, inputs: Any) -> Any:
        """Return `(batch, height / strides, width / strides, filters)`, sides rounded up."""
        kept = inputs[:, :: self.strides, :: self.strides]
        return ops.pad(kept, ((0, 0), (0, 0), (0, 0), (0, self.filters - inputs.shape[-1])))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the kept pixels."""
        batch, height, width, _ = input_shape
        return batch, -(-height // self.strides), -(-width // self.strides), self.filters

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}
