"""Multilayer perceptron.

D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating
errors", Nature 323 (1986) 533: layers of neurons, each connected to all of the layer below,
trained by gradient descent through all layers. As 16-64-32-32-5 with ReLU it is the jet tagger
of J. Duarte et al., JINST 13 (2018) P07027 (arXiv:1804.06913), with 4,389 parameters.

Without hidden layers it is the linear classifier: each output is a template, a weight for every
input, that the event is multiplied with.

Shapes: any event shape, flattened, to `(batch, outputs)` logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from hepnn.architectures.narrow import Narrow

NARROW = {
    "mlp": Narrow((16,), (5,), {"hidden": [8, 4]}),
    "mlp-tanh": Narrow((6,), (3,), {"hidden": [4, 4], "activation": "tanh"}),
    "mlp-parametric": Narrow((6,), (3,), {"hidden": [4], "activation": "parametric_relu"}),
    "mlp-linear": Narrow((8, 8, 1), (3,), {"hidden": []}),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    hidden: Sequence[int] = (64, 32, 32),
    activation: str | Mapping[str, Any] = "relu",
    initializer: str | Mapping[str, Any] = "glorot_uniform",
    dropout: float = 0.0,
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        Shape of one event.
    output_shape
        `(outputs,)`.
    nn
        Vocabulary.
    hidden
        Neurons of each hidden layer.
    activation
        Activation of the hidden layers: a name of `hepnn.layers.activations`, or a mapping of it
        and its parameters, `{name: leaky_relu, slope: 0.25}`.
    initializer
        Where all weights start: a name of `hepnn.layers.initializers`, or a mapping of it and its
        parameters, `{name: normal, sigma: 0.05}`. Biases start at zero.
    dropout
        Fraction of hidden neurons dropped in training.
    """
    inputs = nn.Input(input_shape, name="inputs")
    x = inputs if len(input_shape) == 1 else nn.Flatten(name="flatten")(inputs)
    for number, units in enumerate(hidden, 1):
        own = nn.plain(activation)
        start = nn.initializer(initializer)
        x = nn.Dense(units, activation=own, kernel_initializer=start, name=f"dense{number}")(x)
        if own is None:
            x = nn.Activation(activation, name=f"activation{number}")(x)
        if dropout:
            x = nn.Dropout(dropout, name=f"dropout{number}")(x)
    start = nn.initializer(initializer)
    outputs = nn.Dense(prod(output_shape), kernel_initializer=start, name="logits")(x)
    return nn.Model(inputs, outputs, name="mlp")
