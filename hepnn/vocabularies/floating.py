"""Float layers: Keras's own, and the few of `hepnn.layers` that papers need.

The class is also the list of words that a vocabulary has: the quantized vocabularies derive
from it and say anew what differs. A word that has no fixed-point form is refused there by
name, with what to use instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from hepnn.layers import lenet, normalization, shortcut
from hepnn.vocabularies.neurons import Neurons
from hepnn.vocabularies.representation import Representation
from hepnn.vocabularies.sequences import Sequences
from hepnn.vocabularies.sets import Sets

_AXES = "bdehijklmno"


class Float(Neurons, Representation, Sequences, Sets):
    """The float vocabulary.

    Attributes
    ----------
    scaling : dict or None
        Of `hepnn.data.scaling`. With it, `Input` takes physical quantities and puts the frozen
        layer `input_scaling` behind them, and `Model` starts from those quantities.
    """

    name = "float"
    scaling: dict[str, np.ndarray] | None = None

    # With weights.
    Dense = staticmethod(keras.layers.Dense)
    EinsumDense = staticmethod(keras.layers.EinsumDense)
    Conv1D = staticmethod(keras.layers.Conv1D)
    Conv2D = staticmethod(keras.layers.Conv2D)
    Conv2DTranspose = staticmethod(keras.layers.Conv2DTranspose)
    DepthwiseConv2D = staticmethod(keras.layers.DepthwiseConv2D)
    BatchNormalization = staticmethod(keras.layers.BatchNormalization)
    LayerNormalization = staticmethod(keras.layers.LayerNormalization)

    # Of several tensors.
    Add = staticmethod(keras.layers.Add)
    Subtract = staticmethod(keras.layers.Subtract)
    Multiply = staticmethod(keras.layers.Multiply)
    Maximum = staticmethod(keras.layers.Maximum)
    Concatenate = staticmethod(keras.layers.Concatenate)

    # Pooling.
    MaxPooling1D = staticmethod(keras.layers.MaxPooling1D)
    MaxPooling2D = staticmethod(keras.layers.MaxPooling2D)
    AveragePooling1D = staticmethod(keras.layers.AveragePooling1D)
    AveragePooling2D = staticmethod(keras.layers.AveragePooling2D)
    GlobalAveragePooling1D = staticmethod(keras.layers.GlobalAveragePooling1D)
    GlobalAveragePooling2D = staticmethod(keras.layers.GlobalAveragePooling2D)
    GlobalMaxPooling1D = staticmethod(keras.layers.GlobalMaxPooling1D)
    GlobalMaxPooling2D = staticmethod(keras.layers.GlobalMaxPooling2D)

    # Of shape.
    Flatten = staticmethod(keras.layers.Flatten)
    Reshape = staticmethod(keras.layers.Reshape)
    Permute = staticmethod(keras.layers.Permute)
    UpSampling1D = staticmethod(keras.layers.UpSampling1D)
    UpSampling2D = staticmethod(keras.layers.UpSampling2D)
    ZeroPadding1D = staticmethod(keras.layers.ZeroPadding1D)
    ZeroPadding2D = staticmethod(keras.layers.ZeroPadding2D)
    Cropping2D = staticmethod(keras.layers.Cropping2D)

    # Of training alone.
    Dropout = staticmethod(keras.layers.Dropout)
    SpatialDropout2D = staticmethod(keras.layers.SpatialDropout2D)
    GaussianNoise = staticmethod(keras.layers.GaussianNoise)

    # Of LeNet-5.
    ScaledTanh = staticmethod(lenet.ScaledTanh)
    Subsampling2D = staticmethod(lenet.Subsampling2D)
    PartialConv2D = staticmethod(lenet.PartialConv2D)
    RadialBasis = staticmethod(lenet.RadialBasis)

    # Of AlexNet.
    LocalResponseNormalization = staticmethod(normalization.LocalResponseNormalization)

    # Of residual networks.
    PaddedIdentity2D = staticmethod(shortcut.PaddedIdentity2D)

    def RepeatVector(self, n: int, *, name: str) -> Callable[[Any], Any]:  # noqa: N802
        """Return what puts a row of numbers at `n` steps, in words that all targets have."""

        def repeat(x: Any) -> Any:
            features = x.shape[-1]
            x = self.Reshape((1, 1, features), name=f"{name}_once")(x)
            x = self.UpSampling2D((n, 1), name=f"{name}_repeat")(x)
            return self.Reshape((n, features), name=name)(x)

        return repeat

    def Input(self, shape: tuple[int, ...], **kwargs: Any) -> Any:  # noqa: N802
        """Return the tensor that an architecture starts from."""
        raw = keras.Input(shape, **kwargs)
        if self.scaling is None:
            return raw
        scaled = self.input_scaling(shape, self.scaling)(raw)
        self._scaled = (scaled, raw)
        return scaled

    def Model(  # noqa: N802
        self,
        inputs: Any,
        outputs: Any,
        *,
        auxiliary: Sequence[tuple[Any, float]] = (),
        discriminator: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the network from the physical quantities to the outputs.

        `auxiliary` are logits of branches and the weights of their losses in training
        (`hepnn.training.auxiliary`); the network has them as attribute and does not contain them.
        `discriminator` makes, of an event's shape and the number of classes, the network that a
        generator is trained against (`hepnn.training.adversarial`).
        """
        scaled, raw = getattr(self, "_scaled", (None, None))
        model = keras.Model(raw if inputs is scaled else inputs, outputs, **kwargs)
        # Past Keras's bookkeeping: the branches are no part of what is saved.
        vars(model)["auxiliary"] = tuple(auxiliary)
        vars(model)["discriminator"] = discriminator
        return model

    def input_scaling(
        self, shape: tuple[int, ...], scaling: dict[str, np.ndarray], name: str = "input_scaling"
    ) -> Any:
        """Return the frozen layer that takes physical quantities to `(x - offset) * 2**-exponent`.

        Parameters
        ----------
        shape
            Shape of one event; the last axis counts the features.
        scaling
            `offset` and `exponent` `(features,)`, and the fixed-point grid `integer`,
            `fraction` `(features,)` of the physical quantities.
        name
            Of the layer.
        """
        layer = keras.layers.EinsumDense(**self._einsum(shape, name))
        layer.build((None, *shape))
        self._fill(layer, scaling)
        layer.trainable = False
        return layer

    @staticmethod
    def _einsum(shape: tuple[int, ...], name: str) -> dict[str, Any]:
        axes = _AXES[: len(shape)]
        return {
            "equation": f"{axes}c,c->{axes}c",
            "output_shape": shape,
            "bias_axes": "c",
            "name": name,
        }

    @staticmethod
    def _fill(layer: Any, scaling: dict[str, np.ndarray]) -> None:
        scale = 2.0 ** -np.asarray(scaling["exponent"], np.float64)
        layer.kernel.assign(scale.astype(np.float32))
        layer.bias.assign((-np.asarray(scaling["offset"]) * scale).astype(np.float32))
