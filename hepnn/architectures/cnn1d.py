"""One-dimensional convolutional network.

A. Waibel, T. Hanazawa, G. Hinton, K. Shikano, K. J. Lang, "Phoneme recognition using time-delay
neural networks", IEEE Trans. ASSP 37 (1989) 328: the same neurons look at every window of a few
steps of a sequence, so that they find a feature wherever it stands, and what they find is summed
over time. Y. LeCun, Y. Bengio, "Convolutional networks for images, speech, and time series" (1995),
in The Handbook of Brain Theory and Neural Networks, put it beside the convolutions of images.

The defaults are Waibel's: 8 neurons on windows of 3 steps, then 3 on windows of 5. On its 15
frames of 16 coefficients these two layers have 392 and 123 parameters.

Differences from the paper: windows reach over the ends of a sequence, where they see zeros, so that
the steps stay as many and a mask keeps its meaning; what is found is averaged over the steps, not
the squares summed; ReLU; a dense layer at the end.

Shapes: `(batch, steps, features)`, the mask last, to `(batch, outputs)` logits. What stands where
the mask is 0 counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "cnn1d": Narrow((8, 3), (3,), {"filters": [4, 4], "kernels": [3, 3], "hidden": [4]}),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    filters: Sequence[int] = (8, 3),
    kernels: Sequence[int] = (3, 5),
    pooling: Literal["average", "max"] = "average",
    mask: bool = True,
    hidden: Sequence[int] = (),
    activation: str = "relu",
    dropout: float = 0.0,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        `(steps, features)`.
    output_shape
        `(outputs,)`.
    nn
        Vocabulary.
    filters, kernels
        Neurons of every convolution, and the steps of its window.
    pooling
        Over the steps of the last convolution.
    mask
        Whether the last feature is 1 for a step and 0 for padding.
    hidden
        Neurons of the dense layers.
    activation
        Of convolutions and dense layers.
    dropout
        Fraction dropped in training of what each dense layer takes in.

    Raises
    ------
    RecipeError
        If the input is no sequence, or filters and kernels are not as many.
    """
    if len(input_shape) != 2:
        raise RecipeError(f"cnn1d takes sequences (steps, features), not {input_shape}")
    if not filters or len(filters) != len(kernels):
        raise RecipeError(
            f"cnn1d: filters {tuple(filters)} and kernels {tuple(kernels)} must be as many"
        )
    if pooling not in ("average", "max"):
        raise RecipeError(f"cnn1d.pooling: no {pooling!r}; known: average, max")

    inputs = nn.Input(input_shape, name="inputs")

    def shown(x: Any, name: str) -> Any:
        if not mask:
            return x
        bits = nn.Mask(x.shape[-1], name=f"{name}_mask")(inputs)
        return nn.Masked(name=f"{name}_masked")([x, bits])

    x = shown(inputs, "inputs")
    for number, (width, kernel) in enumerate(zip(filters, kernels, strict=True), 1):
        name = f"conv{number}"
        x = nn.Conv1D(width, kernel, padding="same", activation=activation, name=name)(x)
        x = shown(x, name)
    pool = nn.GlobalMaxPooling1D if pooling == "max" else nn.GlobalAveragePooling1D
    x = pool(name="pool")(x)
    for number, neurons in enumerate(hidden, 1):
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
        x = nn.Dense(neurons, activation=activation, name=f"dense{number}")(x)
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="cnn1d")
