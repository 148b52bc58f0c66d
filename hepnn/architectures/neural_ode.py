"""Neural ordinary differential equation.

R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud, "Neural ordinary differential equations",
NeurIPS 2018 (arXiv:1806.07366): instead of a number of residual layers, each adding something to
its input, one layer that says how fast the state changes, and a solver that follows it from time
0 to 1. Because the solution is unique, trajectories never cross: what the classes' regions are
like is only deformed. E. Dupont, A. Doucet, Y. W. Teh, "Augmented neural ODEs" (arXiv:1904.01681):
with more dimensions than the inputs have they can be lifted over one another.

A linear layer brings the inputs to a state of `state` numbers, the solver moves it, a linear
layer reads the logits. With `s` numbers and `h` hidden neurons the dynamics have
`2 s h + 2 h + s` weights.

`solver: dormand_prince` takes `steps` of Dormand and Prince's method of order 5, each with six
evaluations; gradients go `direct` through them or by the paper's `adjoint`. `solver: euler` adds
`f(z)`, which is a residual network whose layers share their weights, `steps` times: it is made of
dense layers and sums, with ReLU for tanh, the step's length absorbed in the weights and the time
left out.

Differences from the paper: it solves with adaptive steps (an implicit Adams method and
Dormand-Prince in its later code); here their number is fixed, so that the network compiles. Its
dynamics on MNIST are convolutions; here they are a layer of neurons with tanh.

Shapes: any event shape, flattened, to `(batch, outputs)` logits.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal

from hepnn.architectures.narrow import Narrow
from hepnn.errors import RecipeError

NARROW = {
    "neural-ode": Narrow((3,), (2,), {"state": 4, "hidden": 6, "steps": 2}),
    "neural-ode-euler": Narrow(
        (3,), (2,), {"state": 4, "hidden": 4, "steps": 2, "solver": "euler"}
    ),
}


def build(
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    *,
    nn: Any,
    state: int = 8,
    hidden: int = 32,
    steps: int = 4,
    solver: Literal["dormand_prince", "euler"] = "dormand_prince",
    gradient: Literal["direct", "adjoint"] = "direct",
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
    state
        Numbers of the state that moves.
    hidden
        Neurons of the dynamics' hidden layer.
    steps
        Of the solver.
    solver
        Order 5, or order 1 from layers that every vocabulary has.
    gradient
        Through the steps, or by the adjoint equations.

    Raises
    ------
    RecipeError
        If there is no such solver or gradient, or if the two do not go together.
    """
    if solver not in ("dormand_prince", "euler"):
        raise RecipeError(f"neural_ode has no solver {solver!r}: dormand_prince or euler")
    if gradient not in ("direct", "adjoint"):
        raise RecipeError(f"neural_ode has no gradient {gradient!r}: direct or adjoint")
    if steps < 1:
        raise RecipeError(f"neural_ode takes one step or more, not {steps}")
    inputs = nn.Input(input_shape, name="inputs")
    z = inputs if len(input_shape) == 1 else nn.Flatten(name="flatten")(inputs)
    z = nn.Dense(state, name="state")(z)
    if solver == "dormand_prince":
        z = nn.NeuralODE(hidden, steps=steps, gradient=gradient, name="ode")(z)
    else:
        if gradient == "adjoint":
            raise RecipeError("neural_ode: solver euler has gradient: direct alone")
        inner = nn.Dense(hidden, activation="relu", name="dynamics_hidden")
        outer = nn.Dense(state, name="dynamics")
        for number in range(1, steps + 1):
            z = nn.Add(name=f"step{number}")([z, outer(inner(z))])
    outputs = nn.Dense(prod(output_shape), name="logits")(z)
    return nn.Model(inputs, outputs, name="neural_ode")
