"""Autoencoders: dense, convolutional, recurrent; denoising; with tied weights.

G. E. Hinton, R. R. Salakhutdinov, "Reducing the dimensionality of data with neural networks",
Science 313 (2006) 504: an encoder to a code of few numbers and a decoder back, both deep, trained
to repeat their inputs. On MNIST it is 784-1000-500-250-30 and the same backwards, logistic units
but for the linear code, 2,837,314 parameters; that is the default. P. Vincent et al., "Extracting
and composing robust features with denoising autoencoders", ICML 2008 (with Gaussian noise:
J. Mach. Learn. Res. 11 (2010) 3371): the input is corrupted, the output compared with the clean
one. J. Masci et al., "Stacked convolutional auto-encoders for hierarchical feature extraction",
ICANN 2011. N. Srivastava, E. Mansimov, R. Salakhutdinov, "Unsupervised learning of video
representations using LSTMs", ICML 2015 (arXiv:1502.04681): a recurrent encoder whose last state is
the code, and a recurrent decoder that unrolls it, here without seeing its own outputs (their
unconditional decoder).

Differences from the papers: no layer-wise pre-training; the output is linear, since it repeats
scaled inputs that need not be within 0 and 1, and the loss is the squared error; convolutions
have a stride of 2 in place of pooling; the recurrent encoder reads a sequence from its end, and
the decoder writes it from its beginning, which is their reversed target.

The encoder's layers are `encoder1`, ... and `latent`, by which names `encoder`, a classifier,
takes them over (`hepnn.architectures.encoder`).

Shapes: any event shape, for `dense`; `(batch, height, width, channels)` for `convolutional`;
`(batch, steps, features)` for `recurrent`; the outputs are of the shape of the inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal, get_args

from hepnn.architectures.narrow import Narrow
from hepnn.architectures.recurrent import CELLS
from hepnn.errors import RecipeError

_NARROW = {"activation": "relu", "latent": 2}

NARROW = {
    "autoencoder": Narrow((8,), (8,), {**_NARROW, "hidden": [6]}),
    "denoising-autoencoder": Narrow((8,), (8,), {**_NARROW, "hidden": [6], "denoising": 0.1}),
    "tied-autoencoder": Narrow((8,), (8,), {**_NARROW, "hidden": [6], "tied": True}),
    "convolutional-autoencoder": Narrow(
        (8, 8, 1),
        (8, 8, 1),
        {**_NARROW, "kind": "convolutional", "hidden": [2, 3], "upsampling": "nearest"},
    ),
    "convolutional-autoencoder-transposed": Narrow(
        (8, 8, 1), (8, 8, 1), {**_NARROW, "kind": "convolutional", "hidden": [2, 3]}
    ),
    "recurrent-autoencoder": Narrow(
        (4, 3),
        (4, 3),
        {"kind": "recurrent", "hidden": [3], "latent": 2, "cell": "gru", "gates": "hard"},
    ),
}

Kind = Literal["dense", "convolutional", "recurrent"]


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    kind: Kind = "dense",
    hidden: Sequence[int] = (1000, 500, 250),
    latent: int = 30,
    kernel: int = 3,
    activation: str = "sigmoid",
    denoising: float = 0.0,
    tied: bool = False,
    upsampling: Literal["transposed", "nearest"] = "transposed",
    cell: Literal["simple", "lstm", "gru"] = "lstm",
    gates: Literal["soft", "hard"] = "soft",
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape, output_shape
        Shape of one event, twice.
    nn
        Vocabulary.
    kind
        Of the layers.
    hidden
        Neurons, maps or units of the encoder's layers; the decoder has them backwards.
    latent
        Numbers of the code.
    kernel
        Side of the kernels of a convolutional one.
    activation
        Of all layers but the code and the output; recurrent ones have their own.
    denoising
        Standard deviation of the noise on the scaled inputs in training.
    tied
        Whether the decoder's kernels are the encoder's, transposed.
    upsampling
        Convolutional decoder: transposed convolutions, or pixels repeated and then convolved.
    cell, gates
        Of the recurrent layers, as of `recurrent`.

    Raises
    ------
    RecipeError
        If the shapes are not the same, or do not fit the kind.
    """
    check(input_shape, output_shape, kind, hidden, "autoencoder")
    if tied and kind == "recurrent":
        raise RecipeError("autoencoder: recurrent kernels cannot be tied; set tied: false")
    if tied and kind == "convolutional" and upsampling != "transposed":
        raise RecipeError("autoencoder: tied kernels need upsampling: transposed")
    inputs = nn.Input(input_shape, name="inputs")
    x = nn.GaussianNoise(denoising, name="noise")(inputs) if denoising else inputs
    recurrent = {"cell": cell, "gates": gates}
    x, shape, kernels = encode(x, nn, kind, hidden, kernel, activation, tied, **recurrent)
    if tied:
        x, matrix = nn.TiedDense(latent, name="latent")(x)
        kernels = [*kernels, matrix]
    else:
        x = nn.Dense(latent, name="latent")(x)
    outputs = decode(
        x,
        nn,
        kind,
        hidden,
        kernel,
        activation,
        upsampling,
        shape,
        input_shape,
        kernels,
        **recurrent,
    )
    return nn.Model(inputs, outputs, name="autoencoder")


def check(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    kind: str,
    hidden: Sequence[int],
    name: str,
) -> None:
    """Refuse shapes that do not fit.

    Raises
    ------
    RecipeError
        If the outputs are not of the shape of the inputs, or the kind does not take it.
    """
    if tuple(input_shape) != tuple(output_shape):
        raise RecipeError(
            f"{name} puts out events of the shape of its inputs, {input_shape}, not "
            f"{output_shape}: set task: reconstruct"
        )
    check_kind(input_shape, kind, hidden, name)


def check_kind(input_shape: tuple[int, ...], kind: str, hidden: Sequence[int], name: str) -> None:
    """Refuse an event shape that an encoder does not take.

    Raises
    ------
    RecipeError
        If the kind is unknown, or the shape is none of its.
    """
    if kind == "convolutional":
        if len(input_shape) != 3:
            raise RecipeError(
                f"{name} of kind: convolutional takes images (height, width, channels), not "
                f"{input_shape}"
            )
        step = 2 ** len(hidden)
        if any(side % step for side in input_shape[:2]):
            raise RecipeError(
                f"{name}: sides of {input_shape} cannot be halved {len(hidden)} times; set fewer "
                f"hidden layers, or take images whose sides are a multiple of {step}"
            )
    elif kind == "recurrent":
        if len(input_shape) != 2:
            raise RecipeError(
                f"{name} of kind: recurrent takes sequences (steps, features), not {input_shape}"
            )
    elif kind != "dense":
        raise RecipeError(f"{name} has no kind {kind!r}; known: {', '.join(get_args(Kind))}")


def encode(
    x: Any,
    nn: Any,
    kind: str,
    hidden: Sequence[int],
    kernel: int,
    activation: str,
    tied: bool = False,
    cell: str = "lstm",
    gates: str = "soft",
) -> tuple[Any, tuple[int, ...], list[Any]]:
    """Return what the code is made of, its shape before it was flattened, and tied kernels."""
    if kind == "recurrent":
        for number, units in enumerate(hidden, 1):
            x = getattr(nn, CELLS[cell])(
                units,
                gates=gates,
                go_backwards=True,
                return_sequences=number < len(hidden),
                name=f"encoder{number}",
            )(x)
        return x, tuple(x.shape[1:]), []
    kernels = []
    flat = kind == "dense"
    if flat and len(x.shape) > 2:
        x = nn.Flatten(name="flatten")(x)
    for number, width in enumerate(hidden, 1):
        name = f"encoder{number}"
        if flat:
            layer = (nn.TiedDense if tied else nn.Dense)(width, name=name)
        else:
            convolution = nn.TiedConv2D if tied else nn.Conv2D
            layer = convolution(width, kernel, strides=2, padding="same", name=name)
        if tied:
            x, matrix = layer(x)
            kernels.append(matrix)
        else:
            x = layer(x)
        x = nn.Activation(activation, name=f"{name}_squash")(x)
    shape = tuple(x.shape[1:])
    return x if flat else nn.Flatten(name="flatten")(x), shape, kernels


def decode(
    x: Any,
    nn: Any,
    kind: str,
    hidden: Sequence[int],
    kernel: int,
    activation: str,
    upsampling: str,
    shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    kernels: Sequence[Any] = (),
    cell: str = "lstm",
    gates: str = "soft",
) -> Any:
    """Return an event made of a code: the encoder's layers backwards.

    Parameters
    ----------
    shape
        What `encode` gave, before it was flattened.
    output_shape
        Of an event.
    kernels
        Of the encoder's layers and the code, in their order, where they are tied.
    """
    left = list(kernels)

    def dense(x: Any, width: int, name: str) -> Any:
        if left:
            return nn.TransposedDense(name=name)([x, left.pop()])
        return nn.Dense(width, name=name)(x)

    def spread(x: Any, maps: int, name: str) -> Any:
        if left:
            return nn.TransposedConv2D(2, name=name)([x, left.pop()])
        if upsampling == "transposed":
            return nn.Conv2DTranspose(maps, kernel, strides=2, padding="same", name=name)(x)
        x = nn.UpSampling2D(2, name=f"{name}_repeat")(x)
        return nn.Conv2D(maps, kernel, padding="same", name=name)(x)

    names = [f"decoder{number}" for number in range(1, len(hidden) + 1)]
    if kind == "recurrent":
        x = nn.RepeatVector(output_shape[0], name="repeated")(x)
        for units, name in zip(hidden[::-1], names, strict=True):
            x = getattr(nn, CELLS[cell])(units, gates=gates, return_sequences=True, name=name)(x)
        return dense(x, output_shape[1], "output")
    if kind == "dense":
        for width, name in zip(hidden[::-1], names, strict=True):
            x = nn.Activation(activation, name=f"{name}_squash")(dense(x, width, name))
        x = dense(x, prod(output_shape), "output")
        return x if len(output_shape) == 1 else nn.Reshape(output_shape, name="event")(x)
    x = nn.Activation(activation, name="code_squash")(dense(x, prod(shape), "code"))
    x = nn.Reshape(shape, name="maps")(x)
    for maps, name in zip(hidden[-2::-1], names, strict=False):
        x = nn.Activation(activation, name=f"{name}_squash")(spread(x, maps, name))
    return spread(x, output_shape[-1], "output")
