"""Highway network.

R. K. Srivastava, K. Greff, J. Schmidhuber, "Highway networks" (arXiv:1505.00387) and "Training
very deep networks" (arXiv:1507.06228): every layer decides, neuron by neuron, how much of its
input it transforms and how much it carries on,

    y = H(x) T(x) + x (1 - T(x)),    T(x) = sigmoid(W x + b),

eq. (3). The biases of the gates start negative, so that at first the layers carry and the gradient
reaches the first of them through tens of others. The paper's networks on MNIST have a plain first
layer that brings the images to 50 neurons, then highway layers of 50 (section 3.1): of `n` layers
with `w` neurons, `2 n w (w + 1)` weights besides those of the first and the last layer.

Here the layer is written `y = x + T(x) (H(x) - x)`, the same with one product instead of two.
`gate: hard` takes the straight line through the sigmoid's middle, clipped to 0 and 1; in fixed
point either gate is a table.

Shapes: any event shape, flattened, to `(batch, outputs)` logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "highway": Narrow((6,), (3,), {"width": 4, "layers": 1}),
    "highway-hard": Narrow((6,), (3,), {"width": 4, "layers": 2, "gate": "hard"}),
}

_GATES = {"sigmoid": "sigmoid", "hard": "hard_gate"}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    width: int = 50,
    layers: int = 9,
    activation: str | Mapping[str, Any] = "relu",
    gate: Literal["sigmoid", "hard"] = "sigmoid",
    carry: float = -2.0,
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
    width
        Neurons of every layer.
    layers
        Highway layers, behind the plain first one.
    activation
        Of the first layer and of H: a name of `hepnn.layers.activations`, or a mapping.
    gate
        Sigmoid, the paper's, or straight and clipped.
    carry
        Where the biases of the gates start; the paper takes -1 to -10, the deeper the lower.

    Raises
    ------
    RecipeError
        If there is no such gate.
    """
    if gate not in _GATES:
        raise RecipeError(f"highway has no gate {gate!r}: sigmoid or hard")

    def transform(x: Any, name: str) -> Any:
        own = nn.plain(activation)
        x = nn.Dense(width, activation=own, name=name)(x)
        return x if own else nn.Activation(activation, name=f"{name}_activation")(x)

    inputs = nn.Input(input_shape, name="inputs")
    x = inputs if len(input_shape) == 1 else nn.Flatten(name="flatten")(inputs)
    x = transform(x, "plain")
    for number in range(1, layers + 1):
        block = f"highway{number}"
        h = transform(x, f"{block}_transform")
        start = nn.initializer({"name": "constant", "value": carry})
        t = nn.Dense(width, bias_initializer=start, name=f"{block}_gate")(x)
        t = nn.Activation(_GATES[gate], name=f"{block}_gate_{gate}")(t)
        change = nn.Subtract(name=f"{block}_difference")([h, x])
        change = nn.Multiply(name=f"{block}_gated")([t, change])
        x = nn.Add(name=block)([x, change])
    outputs = nn.Dense(prod(output_shape), name="logits")(x)
    return nn.Model(inputs, outputs, name="highway")
