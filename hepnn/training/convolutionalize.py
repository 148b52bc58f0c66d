"""A trained classifier as a fully convolutional network: heat maps on larger images.

J. Long, E. Shelhamer, T. Darrell, "Fully convolutional networks for semantic segmentation", CVPR
2015 (arXiv:1411.4038), section 3.1: a dense layer behind flattened maps is a convolution whose
kernel is as large as those maps, and a dense layer behind another is a 1x1 convolution. With the
same weights, an image of the original size gives the same logits, and a larger one a map of them
for each class: every cell is the classifier's answer on the crop that it sees, computed once for
all crops together. A mean over all pixels becomes a sliding mean.

Cells are as many pixels apart as the network's strides multiply to. Where convolutions pad with
zeros (`padding: same`), the classifier sees zeros around its crop and a cell the image that goes
on there, so that the two agree in the middle of a receptive field only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from hepnn.errors import HepnnError

#: Layers of each number for itself.
_ELEMENTWISE = (
    "Activation",
    "Dropout",
    "ELU",
    "GaussianNoise",
    "LeakyReLU",
    "ReLU",
    "ScaledTanh",
)

#: Layers that treat every pixel alike, whatever the size of the image.
_LOCAL = (
    *_ELEMENTWISE,
    "Add",
    "Average",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Cropping2D",
    "DepthwiseConv2D",
    "LayerNormalization",
    "LocalResponseNormalization",
    "MaxPooling2D",
    "Maximum",
    "Multiply",
    "PaddedIdentity2D",
    "PartialConv2D",
    "RadialBasis",
    "SeparableConv2D",
    "Softmax",
    "SpatialDropout2D",
    "Subsampling2D",
    "Subtract",
    "UpSampling2D",
    "ZeroPadding2D",
)

_GLOBAL: dict[str, Callable[..., Any]] = {
    "GlobalAveragePooling2D": keras.layers.AveragePooling2D,
    "GlobalMaxPooling2D": keras.layers.MaxPooling2D,
}


def convolutionalize(model: keras.Model, input_shape: tuple[int | None, ...]) -> keras.Model:
    """Return the fully convolutional network of a trained classifier.

    Parameters
    ----------
    model
        Float classifier of images, `(batch, height, width, channels)` to `(batch, classes)`.
        Its weights are copied.
    input_shape
        `(height, width, channels)` of the images to come, at least the classifier's own; None
        for any height or width.

    Returns
    -------
    keras.Model
        `(batch, height, width, channels)` to heat maps `(batch, rows, columns, classes)`.

    Raises
    ------
    HepnnError
        If the classifier is of no images, the new ones are smaller or have other channels, or
        a layer does not treat all pixels alike.
    """
    _check_images(model, input_shape)
    inputs = keras.Input(input_shape, name="inputs")
    maps = {id(model.inputs[0]): inputs}
    flattened: dict[int, tuple[int, ...]] = {}  # their shapes before
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        before, after = _call(layer, maps)
        kind = type(layer).__name__
        entering = [maps[id(tensor)] for tensor in before]
        x = entering[0] if len(entering) == 1 else entering
        shape = flattened.get(id(before[0]))
        if kind == "Flatten":
            flattened[id(after)] = shape or tuple(before[0].shape[1:])
            maps[id(after)] = x
        elif kind == "Dense":
            maps[id(after)] = _convolution(layer, x, shape)
        elif shape is not None:
            if kind not in _ELEMENTWISE:
                raise _refusal(layer)
            flattened[id(after)] = shape
            maps[id(after)] = _copy(layer, x)
        elif kind in _GLOBAL:
            window = tuple(before[0].shape[1:3])
            maps[id(after)] = _GLOBAL[kind](window, strides=1, name=layer.name)(x)
        elif layer.name == "input_scaling":
            maps[id(after)] = _copy(layer, x, output_shape=input_shape)
        elif kind in _LOCAL:
            maps[id(after)] = _copy(layer, x)
        else:
            raise _refusal(layer)
    return keras.Model(inputs, maps[id(model.outputs[0])], name=model.name)


def _check_images(model: keras.Model, input_shape: tuple[int | None, ...]) -> None:
    own = tuple(model.inputs[0].shape[1:])
    if len(own) != 3 or len(model.outputs[0].shape) != 2:
        raise HepnnError(f"{model.name} is no classifier of images: {own} to logits")
    sides = zip(input_shape[:2], own[:2], strict=False)
    smaller = any(side is not None and side < least for side, least in sides)
    if len(input_shape) != 3 or input_shape[2] != own[2] or smaller:
        raise HepnnError(f"{model.name} sees {own}: images of {input_shape} do not hold that")


def _call(layer: Any, known: dict[int, Any]) -> tuple[list[Any], Any]:
    """Return the tensors that a layer takes and gives within the network."""
    nodes = [
        node
        for node in layer._inbound_nodes  # noqa: SLF001 - Keras has no other way
        if all(id(tensor) in known for tensor in node.input_tensors)
    ]
    if len(nodes) != 1:
        raise HepnnError(f"layer {layer.name!r} is called more than once")
    return nodes[0].input_tensors, nodes[0].output_tensors[0]


def _convolution(layer: Any, x: Any, shape: tuple[int, ...] | None) -> Any:
    """Apply a dense layer as a convolution as large as the maps that it saw flattened."""
    window = (1, 1) if shape is None else shape[:2]
    convolution = keras.layers.Conv2D(
        layer.units,
        window,
        activation=layer.activation,
        use_bias=layer.use_bias,
        name=layer.name,
    )
    found = convolution(x)
    kernel, *bias = layer.get_weights()
    convolution.set_weights([np.reshape(kernel, convolution.kernel.shape), *bias])
    return found


def _copy(layer: Any, x: Any, **changes: Any) -> Any:
    new = type(layer).from_config({**layer.get_config(), **changes})
    found = new(x)
    new.set_weights(layer.get_weights())
    new.trainable = layer.trainable
    return found


def _refusal(layer: Any) -> HepnnError:
    kind = type(layer).__name__
    if type(layer).__module__.split(".")[0] == "hgq":
        return HepnnError(f"layer {layer.name!r} is fixed point; convolutionalize the float stage")
    return HepnnError(f"layer {layer.name!r}, {kind}, needs images of one size")
