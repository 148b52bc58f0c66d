"""Depthwise convolution in fixed point, on HGQ2's quantizers.

L. Sifre, "Rigid-motion scattering for image classification" (PhD thesis, Ecole Polytechnique,
2014), and F. Chollet (arXiv:1610.02357): each map is convolved with kernels of its own, and maps
are mixed by a convolution of 1x1 behind it. HGQ2 has no such layer.
"""

from __future__ import annotations

from typing import Any

import keras
from hgq.layers.core.base import QLayerBaseSingleInput
from hgq.quantizer import Quantizer, QuantizerConfig
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class QDepthwiseConv2D(QLayerBaseSingleInput, keras.layers.DepthwiseConv2D):
    """Keras's `DepthwiseConv2D` whose inputs, kernel and bias are on lanes.

    Parameters
    ----------
    kernel_size
        Sides of the kernels.
    iq_conf, kq_conf, bq_conf
        Quantizers of inputs, kernel `(height, width, maps, multiplier)` and bias.
    **kwargs
        Those of `keras.layers.DepthwiseConv2D`, and HGQ2's own.
    """

    def __init__(
        self,
        kernel_size: Any,
        kq_conf: QuantizerConfig | None = None,
        bq_conf: QuantizerConfig | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(kernel_size=kernel_size, **kwargs)
        kq_conf = kq_conf or QuantizerConfig("default", "weight")
        self._kq = Quantizer(kq_conf, name=f"{self.name}_kq")
        bq_conf = bq_conf or QuantizerConfig("default", "bias")
        self._bq = Quantizer(bq_conf, name=f"{self.name}_bq") if self.use_bias else None

    @property
    def kq(self) -> Any:
        """Quantizer of the kernel."""
        return self._kq

    @property
    def bq(self) -> Any:
        """Quantizer of the bias, None without one."""
        return self._bq

    @property
    def qkernel(self) -> Any:
        """The kernel on its lane."""
        return self.kq(self.kernel)

    @property
    def qbias(self) -> Any:
        """The bias on its lane, None without one."""
        return None if self.bq is None else self.bq(self.bias)

    def build(self, input_shape: Any) -> None:
        """Make the weights and the quantizers."""
        super().build(input_shape)
        self.kq.build(ops.shape(self.kernel))
        if self.bq is not None:
            self.bq.build(ops.shape(self.bias))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return `(batch, height, width, maps * multiplier)`."""
        if self.enable_iq:
            inputs = self.iq(inputs, training=training)
        outputs = self._convolved(inputs, self.qkernel)
        if self.bq is not None:
            outputs = outputs + ops.reshape(self.qbias, (1, 1, 1, -1))
        return outputs if self.activation is None else self.activation(outputs)

    def _convolved(self, inputs: Any, kernel: Any) -> Any:
        return ops.depthwise_conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )

    def _compute_ebops(self, shape: Any) -> Any:
        bits = self._convolved(self.iq.bits_(shape), self.kq.bits_(ops.shape(self.kernel)))
        total = ops.sum(bits)
        if self.bq is not None:
            pixels = ops.cast(ops.size(bits) / self.bias.shape[0], self.dtype)
            total = total + ops.sum(self.bq.bits_(ops.shape(self.bias))) * pixels
        return total

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "kq_conf": self.kq.config,
            "bq_conf": None if self.bq is None else self.bq.config,
        }
