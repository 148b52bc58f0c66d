"""Threshold logic units and the perceptron.

W. S. McCulloch, W. Pitts, "A logical calculus of the ideas immanent in nervous activity", Bull.
Math. Biophys. 5 (1943) 115: a neuron fires when the weighted sum of its inputs reaches its
threshold. F. Rosenblatt, "The perceptron: a probabilistic model for information storage and
organization in the brain", Psychol. Rev. 65 (1958) 386: its weights are learned, by changing them
after every wrong answer. A. B. J. Novikoff, Proc. Symp. Math. Theory of Automata 12 (1962) 615:
where some threshold unit is right about all examples, the rule finds one after finitely many
changes. M. Minsky, S. Papert, "Perceptrons" (1969): there is none for exclusive or.

One response unit a class, each with the output 1 or 0: it fires where its sum, the threshold
subtracted as a bias, is not negative. The decision is the first unit that fires. It is trained by
`fit: {rule: perceptron, optimizer: sgd}`; the step has no gradient. With `association` units,
Rosenblatt's random connections that are never trained, come between inputs and response units.

Shapes: any event shape, flattened, to `(batch, classes)` of ones and zeros. `(inputs + 1)`
weights a class.

Differences: Rosenblatt's association units have few connections each, of strength +1 or -1; here
they are connected to all inputs, with normally distributed weights and thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from hepnn.architectures.narrow import Narrow

NARROW = {
    "perceptron": Narrow((4,), (3,), {}),
    "perceptron-association": Narrow((4,), (3,), {"association": 8}),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    association: int = 0,
    initializer: str | Mapping[str, Any] = "normal",
) -> Any:
    """Build the network.

    Parameters
    ----------
    input_shape
        Shape of one event.
    output_shape
        `(classes,)`.
    nn
        Vocabulary.
    association
        Association units; none by default.
    initializer
        Where the weights of the response units start.
    """
    inputs = nn.Input(input_shape, name="inputs")
    x = inputs if len(input_shape) == 1 else nn.Flatten(name="flatten")(inputs)
    if association:
        random = [nn.initializer({"name": "normal", "sigma": 1.0}) for _ in range(2)]
        x = nn.Dense(
            association,
            kernel_initializer=random[0],
            bias_initializer=random[1],
            name="association",
        )(x)
        x = nn.Activation("step", name="association_step")(x)
    start = nn.initializer(initializer)
    x = nn.Dense(prod(output_shape), kernel_initializer=start, name="response")(x)
    return nn.Model(inputs, nn.Activation("step", name="response_step")(x), name="perceptron")
