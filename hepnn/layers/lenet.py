"""The layers of LeNet-5 that are no standard Keras layers.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86 (1998) 2278, section II.B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class ScaledTanh(keras.layers.Layer):
    """The squashing function `1.7159 tanh(2 x / 3)`, eq. (6) and appendix A."""

    def call(self, inputs: Any) -> Any:
        """Return the activation, of the shape of the inputs."""
        return 1.7159 * ops.tanh(inputs * (2.0 / 3.0))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return input_shape


@keras.saving.register_keras_serializable(package="hepnn")
class Subsampling2D(keras.layers.Layer):
    """Sum over a 2x2 neighbourhood, times a trainable coefficient, plus a trainable bias.

    One coefficient and one bias a map: 12 parameters for S2, 32 for S4.

    Parameters
    ----------
    pool_size
        Side of the neighbourhood; neighbourhoods do not overlap.
    """

    def __init__(self, pool_size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size

    def build(self, input_shape: Any) -> None:
        """Make the coefficient, started at the mean, and the bias: one each a map."""
        maps = (input_shape[-1],)
        mean = keras.initializers.Constant(1.0 / self.pool_size**2)
        self.coefficient = self.add_weight(name="coefficient", shape=maps, initializer=mean)
        self.bias = self.add_weight(name="bias", shape=maps, initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return `(batch, height / pool_size, width / pool_size, maps)`."""
        mean = ops.average_pool(inputs, self.pool_size, self.pool_size, "valid")
        return mean * self.pool_size**2 * self.coefficient + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the pooled shape."""
        batch, height, width, maps = input_shape
        return batch, height // self.pool_size, width // self.pool_size, maps

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "pool_size": self.pool_size}


@keras.saving.register_keras_serializable(package="hepnn")
class PartialConv2D(keras.layers.Layer):
    """A convolution whose output maps each see only some of the input maps (Table I).

    The kernel holds the connections that exist and no others: 60 of 5x5 and 16 biases, the
    1,516 parameters of C3.

    Parameters
    ----------
    connections
        For each output map, the input maps that it is connected to.
    kernel_size
        Side of the square kernel; no padding, stride 1.
    """

    def __init__(
        self, connections: Sequence[Sequence[int]], kernel_size: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.connections = [list(inputs) for inputs in connections]
        self.kernel_size = kernel_size

    def build(self, input_shape: Any) -> None:
        """Make the kernel of the connections that exist, uniform in +-2.4 / fan-in (sec. II.B)."""
        maps_in, maps_out = input_shape[-1], len(self.connections)
        mask = np.zeros((maps_in, maps_out), bool)
        for output, inputs in enumerate(self.connections):
            mask[inputs, output] = True
        where = np.flatnonzero(mask)
        position = np.full(maps_in * maps_out, len(where))
        position[where] = np.arange(len(where))
        self._position = position
        size = self.kernel_size
        bound = 2.4 / (size**2 * mask.sum(0).mean())
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, size, len(where)),
            initializer=keras.initializers.RandomUniform(-bound, bound),
        )
        self.bias = self.add_weight(name="bias", shape=(maps_out,), initializer="zeros")
        self._maps = (maps_in, maps_out)
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return `(batch, height - size + 1, width - size + 1, output maps)`."""
        size = self.kernel_size
        padded = ops.pad(self.kernel, ((0, 0), (0, 0), (0, 1)))
        full = ops.reshape(ops.take(padded, self._position, axis=-1), (size, size, *self._maps))
        return ops.conv(inputs, full, 1, "valid") + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape after the convolution."""
        batch, height, width, _ = input_shape
        lost = self.kernel_size - 1
        return batch, height - lost, width - lost, len(self.connections)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "connections": self.connections,
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable(package="hepnn")
class RadialBasis(keras.layers.Layer):
    """Euclidean radial basis units with fixed codes of -1 and +1, eq. (7).

    The paper draws its codes as 7x12 bitmaps and notes that random ones, equally likely -1 and
    +1, would do as well; those are taken here. What is returned is minus the distance's
    square, so that the nearest code has the highest score.

    Parameters
    ----------
    units
        Number of classes.
    seed
        Seed of the codes.
    """

    def __init__(self, units: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.seed = seed

    def build(self, input_shape: Any) -> None:
        """Draw the codes, which are not trained."""
        codes = np.random.default_rng(self.seed).choice([-1.0, 1.0], (input_shape[-1], self.units))
        self.codes = self.add_weight(
            name="codes",
            shape=codes.shape,
            initializer=lambda shape, dtype=None: ops.cast(codes, dtype),
            trainable=False,
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return `(batch, units)`."""
        square = ops.sum(ops.square(inputs), axis=-1, keepdims=True)
        return 2.0 * ops.matmul(inputs, self.codes) - square - float(self.codes.shape[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return `(batch, units)`."""
        return *input_shape[:-1], self.units

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "units": self.units, "seed": self.seed}
