"""Words for neurons: activations and initial weights by name.

In fixed point `linear` and `relu` are computed as they are, and so is the ReLU with a trained
slope, which is a product and sums. Every other function of one number is a table: its input lane,
one for all channels, saturates, and each of its values has an entry on the grid of the output
lane, which rounds half up and saturates.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from hgq.layers import QUnaryFunctionLUT

from hepnn.errors import RecipeError
from hepnn.layers import activations, initializers, ode

#: Where a trained slope starts: K. He et al., arXiv:1502.01852, section 2.1.
SLOPE = 0.25


class Neurons:
    """The float words."""

    NeuralODE = staticmethod(ode.NeuralODE)

    def Activation(self, activation: activations.Spec, *, name: str) -> Any:  # noqa: N802
        """Return an activation.

        Parameters
        ----------
        activation
            A name of `hepnn.layers.activations`, or a mapping of it and its parameters.
        name
            The layer's name.
        """
        if activations.parse(activation)[0] == activations.PARAMETRIC:
            return self._parametric(name)
        return activations.layer(activation, name=name)

    def initializer(self, spec: initializers.Spec) -> Any:
        """Return initial weights by a name of `hepnn.layers.initializers`, for one layer."""
        return initializers.get(spec)

    def plain(self, activation: activations.Spec) -> str | None:
        """Return an activation that a layer with a kernel takes as its own, in any vocabulary.

        None for one that needs the word `Activation` behind it.
        """
        name, _ = activations.parse(activation)
        return name if name in activations.PLAIN else None

    def _parametric(self, name: str) -> Callable[[Any], Any]:
        """Return `max(x, 0) + a min(x, 0)`, one `a` a channel.

        The second part is x less the first, so that it is made of what every target has.
        """
        nn: Any = self

        def call(x: Any) -> Any:
            positive = nn.Activation("relu", name=f"{name}_positive")(x)
            negative = nn.Subtract(name=f"{name}_negative")([x, positive])
            axes = "bdehijklm"[: len(x.shape) - 1]
            scaled = nn.EinsumDense(
                f"{axes}c,c->{axes}c",
                output_shape=tuple(x.shape[1:]),
                kernel_initializer=nn.initializer({"name": "constant", "value": SLOPE}),
                name=name,
            )(negative)
            return nn.Add(name=f"{name}_sum")([positive, scaled])

        return call


class FixedPointNeurons:
    """The same words on HGQ2's layers."""

    name: str

    @abstractmethod
    def table(self, layer: str, function: activations.Precise) -> tuple[Any, Any]:
        """Return the quantizers of a table's inputs and of its entries, one for all channels.

        Parameters
        ----------
        layer
            The layer's name.
        function
            What fills the table.
        """

    @abstractmethod
    def pressure(self) -> dict[str, Any]:
        """Return the arguments of every layer by which its bits are pressed down."""

    def Activation(self, activation: activations.Spec, *, name: str) -> Any:  # noqa: N802
        """Return an activation: as it is, of words, or as a table."""
        kind, parameters = activations.parse(activation)
        if kind in activations.PLAIN:
            return keras.layers.Activation(kind, name=name)
        if kind == activations.PARAMETRIC:
            return self._parametric(name)  # type: ignore[attr-defined]
        if kind in activations.TOGETHER:
            raise RecipeError(
                f"vocabulary {self.name} has no activation {kind!r}, which is no function of one "
                "number; networks end in logits"
            )
        function = activations.Precise(kind, **parameters)
        into, out = self.table(name, function)
        return QUnaryFunctionLUT(
            function,
            iq_conf=into,
            oq_conf=out,
            allow_heterogeneous_input=False,
            allow_heterogeneous_table=False,
            name=name,
            **self.pressure(),
        )


def held(low: float, high: float) -> tuple[bool, int]:
    """Return the sign and the integer bits without it that values need; the ends may saturate.

    >>> held(0.0, 0.9997), held(0.0, 1.0), held(-1.45, 1.45)
    ((False, 0), (False, 1), (True, 1))
    """
    largest = max(high, -low * (1 - 2.0**-12), 2.0**-8)
    return low < 0, int(np.floor(np.log2(largest))) + 1
