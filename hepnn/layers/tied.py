"""Tied weights: a decoder's layer whose kernel is the transpose of the encoder's.

The encoder's layer gives its kernel out as a second tensor, and the decoder's takes it in, so
that the kernel exists once and gets the gradient of both, wherever the network is saved to. Only
the bias is the decoder's own: P. Vincent et al., "Extracting and composing robust features with
denoising autoencoders", ICML 2008, section 2.2.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class TiedDense(keras.layers.Dense):
    """A fully connected layer that gives `[outputs, kernel]`; the arguments are `Dense`'s."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the activations `(batch, units)` and the kernel `(inputs, units)`."""
        return [super().call(inputs), ops.convert_to_tensor(self.kernel)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return both shapes."""
        return [super().compute_output_shape(input_shape), (input_shape[-1], self.units)]

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Return both tensors' shapes and types."""
        return _specs(self, inputs)


@keras.saving.register_keras_serializable(package="hepnn")
class TiedConv2D(keras.layers.Conv2D):
    """A convolution that gives `[outputs, kernel]`; the arguments are `Conv2D`'s."""

    def call(self, inputs: Any) -> Any:
        """Return the maps and the kernel `(height, width, maps in, maps out)`."""
        return [super().call(inputs), ops.convert_to_tensor(self.kernel)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return both shapes."""
        kernel = (*self.kernel_size, input_shape[-1], self.filters)
        return [super().compute_output_shape(input_shape), kernel]

    def compute_output_spec(self, inputs: Any) -> Any:
        """Return both tensors' shapes and types."""
        return _specs(self, inputs)


class _Transposed(keras.layers.Layer):
    """What the decoder's layers share: a bias of their own, and an activation."""

    def __init__(self, activation: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        """Make the bias: one a number, or map, that goes in to the encoder's layer."""
        self.bias = self.add_weight(name="bias", shape=(input_shape[1][-2],), initializer="zeros")
        super().build(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}


@keras.saving.register_keras_serializable(package="hepnn")
class TransposedDense(_Transposed):
    """A fully connected layer of another one's kernel, transposed: `[inputs, kernel]` go in."""

    def call(self, inputs: Any) -> Any:
        """Return `(batch, inputs of the encoder's layer)`."""
        x, kernel = inputs
        return self.activation(ops.matmul(x, ops.transpose(kernel)) + self.bias)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape that went in to the encoder's layer."""
        return (*input_shape[0][:-1], input_shape[1][0])


@keras.saving.register_keras_serializable(package="hepnn")
class TransposedConv2D(_Transposed):
    """The transposed convolution of another one's kernel: `[maps, kernel]` go in.

    Parameters
    ----------
    strides
        Of the encoder's convolution, padded to the same size.
    activation
        Of the outputs.
    """

    def __init__(self, strides: int = 1, activation: str | None = None, **kwargs: Any) -> None:
        super().__init__(activation, **kwargs)
        self.strides = strides

    def call(self, inputs: Any) -> Any:
        """Return `(batch, strides * height, strides * width, maps of the encoder's inputs)`."""
        x, kernel = inputs
        spread = ops.conv_transpose(x, kernel, self.strides, "same")
        return self.activation(spread + self.bias)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the spread shape."""
        (batch, height, width, _), kernel = input_shape
        return batch, height * self.strides, width * self.strides, kernel[-2]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "strides": self.strides}


def _specs(layer: Any, inputs: Any) -> list[Any]:
    return [
        keras.KerasTensor(shape, dtype=layer.compute_dtype)
        for shape in layer.compute_output_shape(inputs.shape)
    ]
