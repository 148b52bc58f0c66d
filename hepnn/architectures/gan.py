"""Generative adversarial networks: a generator, and the discriminator it is trained against.

I. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014 (arXiv:1406.2661): two networks
trained against each other, one that makes events from noise and one that tells them from real
events. Two forms, with two papers' sizes:

`hidden`
    Dense layers. The default is the network of the paper's published code for MNIST: 100 random
    numbers, two layers of 1,200 rectifiers, 784 pixels; 2,503,984 parameters. Its discriminator
    has two maxout layers of 240 units and 5 pieces, with dropout.
`filters`
    Convolutions: A. Radford, L. Metz, S. Chintala, "Unsupervised representation learning with
    deep convolutional generative adversarial networks" (DCGAN, arXiv:1511.06434), figure 1. A
    dense layer makes a small map, and each further layer doubles its sides; published are 100
    random numbers and `filters: [1024, 512, 256, 128]` to 64x64x3. The discriminator halves the
    sides by strides, with the same filters the other way round.

Either is conditional (M. Mirza, S. Osindero, "Conditional generative adversarial nets",
arXiv:1411.1784) if the class, one-hot, follows the random numbers: the discriminator is told it
too, as further inputs or as constant maps.

Differences from the papers: what comes out is linear by default, since events are scaled and not
squeezed into a range (`output` takes `sigmoid`, `tanh` or `relu`); the class meets the first
layer beside the noise, with no layer of its own; the convolutional discriminator has no batch
normalization, whose statistics would differ between the real and the generated batch; for fixed
point, `upsampling: nearest` and a convolution take the place of the strided transposed one
(A. Odena et al., "Deconvolution and checkerboard artifacts", doi:10.23915/distill.00003).

Shapes: `(batch, latent + classes)` to `(batch, *event)`; the discriminator, which is only
trained with and never shipped, takes events, and the classes, to one logit: real.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import partial
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError, nearest

NARROW = {
    "gan": Narrow((6,), (4,), {"hidden": [8, 6]}),
    "gan-convolutional": Narrow(
        (4,), (8, 8, 1), {"filters": [4, 2], "kernel": 3, "upsampling": "nearest"}
    ),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    hidden: Sequence[int] = (1200, 1200),
    filters: Sequence[int] = (),
    kernel: int = 5,
    upsampling: Literal["transposed", "nearest"] = "transposed",
    normalization: Literal["batch", "none"] = "batch",
    activation: str = "relu",
    output: str = "linear",
    discriminator: Mapping[str, Any] | None = None,
) -> Any:
    """Build the generator; the discriminator is made when it is trained.

    Parameters
    ----------
    input_shape
        `(latent,)`, or `(latent + classes,)`.
    output_shape
        Shape of one event: features, or `(height, width, channels)`.
    nn
        Vocabulary.
    hidden
        Neurons of each hidden layer of the dense form.
    filters
        With these the form is convolutional: maps of each layer before the last.
    kernel
        Side of the kernels.
    upsampling
        How sides are doubled: by a transposed convolution (the paper's), or by repeating pixels
        before a convolution.
    normalization
        Behind the convolutional form's layers but the last: `batch` (the paper's) or `none`.
    activation
        Of the hidden layers.
    output
        Activation of the event.
    discriminator
        Hyper-parameters of `discriminate`.

    Raises
    ------
    RecipeError
        If the input is no row of numbers, the sides cannot be doubled to the event's, or the
        discriminator has no such hyper-parameter.
    """
    if len(input_shape) != 1:
        raise RecipeError(f"gan makes events from a row of random numbers, not {input_shape}")
    if upsampling not in ("transposed", "nearest"):
        raise RecipeError(f"gan: upsampling is transposed or nearest, not {upsampling!r}")
    against = {"filters": tuple(reversed(filters)), **(discriminator or {})}
    known = list(inspect.signature(discriminate).parameters)[2:]
    for key in against:
        if key not in known:
            raise RecipeError(f"gan's discriminator has no {key!r}; {nearest(key, known)}")
    inputs = nn.Input(input_shape, name="inputs")
    x = inputs
    if filters:
        small = _halved(output_shape, len(filters))
        x = nn.Dense(prod(small) * filters[0], name="project")(x)
        x = nn.Reshape((*small, filters[0]), name="small")(x)
        for number, maps in enumerate((*filters[1:], output_shape[-1]), 1):
            if normalization == "batch":
                x = nn.BatchNormalization(name=f"normalize{number}")(x)
            x = nn.Activation(activation, name=f"activate{number}")(x)
            if upsampling == "transposed":
                double = nn.Conv2DTranspose(
                    maps, kernel, strides=2, padding="same", name=f"double{number}"
                )
                x = double(x)
            else:
                x = nn.UpSampling2D(2, name=f"up{number}")(x)
                x = nn.Conv2D(maps, kernel, padding="same", name=f"double{number}")(x)
    else:
        for number, units in enumerate(hidden, 1):
            x = nn.Dense(units, activation=activation, name=f"dense{number}")(x)
        x = nn.Dense(prod(output_shape), name="event")(x)
        if len(output_shape) > 1:
            x = nn.Reshape(output_shape, name="shape")(x)
    if output != "linear":
        x = nn.Activation(output, name="output")(x)
    return nn.Model(inputs, x, name="gan", discriminator=partial(discriminate, **against))


def discriminate(
    event_shape: tuple[int, ...],
    classes: int,
    *,
    nn: Any,
    hidden: Sequence[int] = (240, 240),
    pieces: int = 5,
    filters: Sequence[int] = (),
    kernel: int = 5,
    activation: str = "leaky_relu",
    dropout: float = 0.5,
) -> Any:
    """Build the discriminator.

    Parameters
    ----------
    event_shape
        Shape of one event.
    classes
        How many there are if it is told the class, else 0.
    nn
        Vocabulary.
    hidden
        Units of each layer of the dense form.
    pieces
        Of the dense form: the largest of so many linear maps a unit (maxout, arXiv:1302.4389).
        One has `activation` instead.
    filters, kernel
        Of the convolutional form: maps of each layer, and the side of the kernels.
    activation
        Behind convolutions, and behind dense layers of one piece; Keras's leaky rectifier has
        the slope 0.2 of DCGAN.
    dropout
        Fraction dropped behind each dense layer.
    """
    inputs = [nn.Input(event_shape, name="event")]
    x = inputs[0]
    label = None
    if classes:
        label = nn.Input((classes,), name="class")
        inputs.append(label)
    if filters:
        if label is not None:
            maps = nn.Reshape((1, 1, classes), name="class_pixel")(label)
            maps = nn.UpSampling2D(event_shape[:2], name="class_maps")(maps)
            x = nn.Concatenate(name="with_class")([x, maps])
        for number, of_layer in enumerate(filters, 1):
            x = nn.Conv2D(of_layer, kernel, strides=2, padding="same", name=f"halve{number}")(x)
            x = nn.Activation(activation, name=f"activate{number}")(x)
        x = nn.Flatten(name="flatten")(x)
        return nn.Model(inputs, nn.Dense(1, name="real")(x), name="discriminator")
    if len(event_shape) > 1:
        x = nn.Flatten(name="flatten")(x)
    if label is not None:
        x = nn.Concatenate(name="with_class")([x, label])
    for number, units in enumerate(hidden, 1):
        x = nn.Dense(units * pieces, name=f"dense{number}")(x)
        if pieces > 1:
            x = nn.Reshape((pieces, units), name=f"pieces{number}")(x)
            x = nn.GlobalMaxPooling1D(name=f"maxout{number}")(x)
        else:
            x = nn.Activation(activation, name=f"activate{number}")(x)
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
    return nn.Model(inputs, nn.Dense(1, name="real")(x), name="discriminator")


def _halved(shape: tuple[int, ...], times: int) -> tuple[int, int]:
    """Return the sides of an image after halving them so many times."""
    if len(shape) != 3:
        raise RecipeError(f"gan with filters makes images (height, width, channels), not {shape}")
    if any(side % 2**times for side in shape[:2]):
        raise RecipeError(
            f"gan with {times} filters doubles the sides {times} times: {shape[0]}x{shape[1]} "
            f"pixels are no multiple of {2**times}"
        )
    return shape[0] // 2**times, shape[1] // 2**times
