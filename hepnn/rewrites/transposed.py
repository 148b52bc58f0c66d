"""A transposed convolution as an upsampling and a convolution.

Its definition: the map is spread out with zeros in between, and convolved with the kernel turned
by half a turn (V. Dumoulin, F. Visin, arXiv:1603.07285, section 4). The zeros are made by
repeating every pixel and multiplying with a constant pattern.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn.rewrites import graph

TITLE = "upsampling and convolution instead of a transposed convolution"
PROMISE = "outputs"


def applies(layer: Any, model: Any) -> bool:
    """Say whether a layer is a transposed convolution without dilation."""
    if graph.kind(layer) != "Conv2DTranspose" or layer.data_format != "channels_last":
        return False
    return set(layer.dilation_rate) == {1} and layer.output_padding is None


def rewritten(model: Any, layers: Sequence[str], x: np.ndarray) -> Any:
    """Return the network with these layers in two steps."""
    made = [_Form(model.get_layer(name)) for name in layers]
    copy = graph.copied(model, {form.name: form for form in made})
    for form in made:
        form.fill()
    return copy


class _Form:
    """The layers that stand for one."""

    def __init__(self, layer: Any) -> None:
        import keras

        self._layer, self.name = layer, layer.name
        (rows, columns), steps = layer.kernel_size, layer.strides
        height, width = layer.input.shape[1:3]
        out = layer.output.shape[1:3]
        # What a convolution without padding makes of the spread map, and what of it is kept.
        pads = []
        for size, kernel, step, wanted in zip(
            (height, width), (rows, columns), steps, out, strict=True
        ):
            whole = (size - 1) * step + kernel
            cut = max(whole - wanted, 0) if layer.padding == "same" else 0
            before = kernel - 1 - cut // 2
            spread = size * step
            pads.append((before, wanted + kernel - 1 - before - spread))
        self._upsample = keras.layers.UpSampling2D(steps, name=f"{self.name}_upsampling")
        self._pads, self._steps = pads, steps
        self._pattern = keras.layers.EinsumDense(
            "bhwc,hwc->bhwc",
            output_shape=(height * steps[0], width * steps[1], layer.input.shape[-1]),
            trainable=False,
            name=f"{self.name}_pattern",
        )
        config = layer.get_config()
        self._convolve = keras.layers.Conv2D(
            layer.filters,
            layer.kernel_size,
            activation=config["activation"],
            use_bias=layer.use_bias,
            name=self.name,
        )

    def __call__(self, inputs: Any) -> Any:
        import keras

        (top, bottom), (left, right) = self._pads
        spread = self._upsample(inputs)
        spread = self._pattern(spread)
        cut = ((max(-top, 0), max(-bottom, 0)), (max(-left, 0), max(-right, 0)))
        if np.any(cut):
            spread = keras.layers.Cropping2D(cut, name=f"{self.name}_cropping")(spread)
        pad = ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0)))
        if np.any(pad):
            spread = keras.layers.ZeroPadding2D(pad, name=f"{self.name}_padding")(spread)
        return self._convolve(spread)

    def fill(self) -> None:
        """Take the weights over: turned, and inputs and outputs exchanged."""
        pattern = np.zeros(self._pattern.kernel.shape, np.float32)
        pattern[:: self._steps[0], :: self._steps[1]] = 1
        self._pattern.set_weights([pattern])
        kernel, *bias = self._layer.get_weights()
        self._convolve.set_weights([kernel[::-1, ::-1].transpose(0, 1, 3, 2), *bias])
