r"""Ordinary differential equations as layers.

R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud, "Neural ordinary differential equations",
NeurIPS 2018 (arXiv:1806.07366): the output is where a state arrives at time 1 that starts at the
input and moves by

.. math:: dz/dt = f(z, t; \theta).

`runge_kutta` takes a fixed number of equal steps, so that it compiles. Gradients follow the
steps backwards, or the paper's adjoint: with :math:`a = dL/dz`, three equations are solved from
time 1 to 0 (algorithm 1),

.. math::
    dz/dt = f, \qquad da/dt = -a\,\partial f/\partial z, \qquad
    dg/dt = -a\,\partial f/\partial\theta,

whose end is the gradient; of the way nothing is kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

#: The change of a state, a list of tensors, at a time.
Dynamics = Callable[[list[Any], float], list[Any]]


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method.

    Attributes
    ----------
    times
        Of the stages, in steps.
    stages
        For every stage after the first, the weights of the stages before.
    weights
        Of the stages in the step.
    """

    times: Sequence[float]
    stages: Sequence[Sequence[float]]
    weights: Sequence[float]


#: J. R. Dormand, P. J. Prince, J. Comput. Appl. Math. 6 (1980) 19, table 2: RK5(4)7M, whose error
#: after a step of h is of order h^6, and so of h^5 after a fixed time. The seventh stage serves
#: the choice of the step alone, and is left out.
DORMAND_PRINCE = Tableau(
    times=(0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1),
    stages=(
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    ),
    weights=(35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)


def runge_kutta(
    dynamics: Dynamics, state: list[Any], start: float, end: float, steps: int
) -> list[Any]:
    """Return where a state arrives, by Dormand and Prince's method of order 5.

    Parameters
    ----------
    dynamics
        Change of the state at a time.
    state
        Where it starts: tensors.
    start, end
        Times; the end may come before the start.
    steps
        How many equal steps are taken.

    Examples
    --------
    >>> grown = runge_kutta(lambda z, t: [z[0]], [np.float64(1.0)], 0.0, 1.0, 10)
    >>> abs(float(grown[0]) - np.e) < 1e-7
    True
    """
    step = (end - start) / steps
    for number in range(steps):
        now = start + number * step
        changes = [dynamics(state, now)]
        for time, weights in zip(DORMAND_PRINCE.times[1:], DORMAND_PRINCE.stages, strict=True):
            changes.append(dynamics(_moved(state, changes, weights, step), now + time * step))
        state = _moved(state, changes, DORMAND_PRINCE.weights, step)
    return state


def _moved(
    state: list[Any], changes: list[list[Any]], weights: Sequence[float], step: float
) -> list[Any]:
    """Return the state after a weighted sum of changes."""
    moved = []
    for part, *rates in zip(state, *changes, strict=True):
        for weight, rate in zip(weights, rates, strict=True):
            if weight:
                part = part + (step * weight) * rate
        moved.append(part)
    return moved


@keras.saving.register_keras_serializable(package="hepnn")
class NeuralODE(keras.layers.Layer):
    """A state that moves from time 0 to 1 by dynamics that are a network of one hidden layer.

    `f(z, t) = W2 tanh(W1 z + w t + b1) + b2`.

    Parameters
    ----------
    hidden
        Neurons of the dynamics' hidden layer.
    steps
        Of the solver.
    gradient
        `direct`, through the steps, or `adjoint`.
    """

    def __init__(
        self, hidden: int, steps: int = 4, gradient: str = "direct", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.hidden = hidden
        self.steps = steps
        self.gradient = gradient

    def build(self, input_shape: Any) -> None:
        """Make the weights of the dynamics."""
        size, hidden = input_shape[-1], self.hidden
        shapes = {
            "kernel_in": (size, hidden),
            "time": (hidden,),
            "bias_in": (hidden,),
            "kernel_out": (hidden, size),
            "bias_out": (size,),
        }
        self._weights_of_dynamics = [
            self.add_weight(
                name=name,
                shape=shape,
                initializer="glorot_uniform" if name.startswith("kernel") else "zeros",
            )
            for name, shape in shapes.items()
        ]
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the state at time 1, of the shape of the inputs."""
        weights = [ops.convert_to_tensor(weight) for weight in self._weights_of_dynamics]
        if self.gradient == "adjoint":
            return self._with_adjoint(inputs, *weights)
        return self._arrived(inputs, weights)

    def dynamics(self, z: Any, time: float, weights: Sequence[Any]) -> Any:
        """Return dz/dt at a time."""
        kernel_in, of_time, bias_in, kernel_out, bias_out = weights
        hidden = ops.tanh(ops.matmul(z, kernel_in) + (time * of_time + bias_in))
        return ops.matmul(hidden, kernel_out) + bias_out

    def _arrived(self, z: Any, weights: Sequence[Any]) -> Any:
        def move(state: list[Any], time: float) -> list[Any]:
            return [self.dynamics(state[0], time, weights)]

        return runge_kutta(move, [z], 0.0, 1.0, self.steps)[0]

    def _with_adjoint(self, inputs: Any, *weights: Any) -> Any:
        @tf.custom_gradient
        def solve(z: Any, *weights: Any) -> tuple[Any, Any]:
            arrived = self._arrived(z, weights)

            def backwards(upstream: Any) -> list[Any]:
                def move(state: list[Any], time: float) -> list[Any]:
                    z, a, *_ = state
                    with tf.GradientTape() as tape:
                        tape.watch([z, *weights])
                        change = self.dynamics(z, time, weights)
                    pulled = tape.gradient(change, [z, *weights], output_gradients=a)
                    return [change, *(-gradient for gradient in pulled)]

                nothing = [ops.zeros_like(weight) for weight in weights]
                state = runge_kutta(move, [arrived, upstream, *nothing], 1.0, 0.0, self.steps)
                return state[1:]

            return arrived, backwards

        return solve(inputs, *weights)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {
            **super().get_config(),
            "hidden": self.hidden,
            "steps": self.steps,
            "gradient": self.gradient,
        }
