"""Activation functions, by name.

Keras has most of them under its own names; here are the others that textbooks list, and the
parameters that some have:

| name | function | |
|---|---|---|
| `identity` | x | Keras's `linear` |
| `step` | 1 for x >= 0, else 0 | derivative 0 everywhere |
| `arctan` | arctan x | |
| `hard_gate` | x / 4 + 1/2, clipped to 0 and 1 | the tangent of the sigmoid at 0 |
| `leaky_relu` | x for x >= 0, else `slope` x | slope 0.01 by default |
| `elu` | x for x >= 0, else `alpha` (exp x - 1) | alpha 1 by default |

A. L. Maas, A. Y. Hannun, A. Y. Ng, ICML workshop 2013 (`leaky_relu`); D.-A. Clevert,
T. Unterthiner, S. Hochreiter, arXiv:1511.07289 (`elu`).

In fixed point a function of one number is a table over all the values that its input lane has.
`Precise` is the function that fills it, and that Keras computes: in double precision, rounded
to single once. Then two libraries that evaluate it agree to the last bit, although their
exponentials do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from hepnn.errors import RecipeError, nearest

#: An activation in a recipe: a name, or a mapping with `name` and parameters.
Spec = str | Mapping[str, Any]


@keras.saving.register_keras_serializable(package="hepnn")
def step(x: Any) -> Any:
    """Return 1 where x is not negative, else 0."""
    return ops.cast(x >= 0, x.dtype)


@keras.saving.register_keras_serializable(package="hepnn")
def arctan(x: Any) -> Any:
    """Return the arc tangent, of two arguments: TFLite has no other."""
    return ops.arctan2(x, ops.ones_like(x))


@keras.saving.register_keras_serializable(package="hepnn")
def hard_gate(x: Any) -> Any:
    """Return x / 4 + 1/2, clipped to 0 and 1."""
    return ops.clip(0.25 * x + 0.5, 0.0, 1.0)


#: Functions that are here and not in Keras.
OWN: dict[str, Callable[..., Any]] = {"step": step, "arctan": arctan, "hard_gate": hard_gate}

#: Keras's functions of one number.
KERAS = (
    "linear",
    "relu",
    "relu6",
    "leaky_relu",
    "sigmoid",
    "hard_sigmoid",
    "log_sigmoid",
    "tanh",
    "hard_tanh",
    "tanh_shrink",
    "softplus",
    "softsign",
    "elu",
    "selu",
    "celu",
    "silu",
    "hard_silu",
    "gelu",
    "mish",
    "exponential",
)

#: Functions of several numbers, each with the others in it.
TOGETHER = ("softmax", "log_softmax")

_ALIASES = {"identity": "linear", "swish": "silu", "hard_swish": "hard_silu"}

#: Parameters of those that have any, with their usual values.
PARAMETERS: dict[str, dict[str, float]] = {"leaky_relu": {"slope": 0.01}, "elu": {"alpha": 1.0}}

#: The name of the activation with a trained slope, which is no function but a layer.
PARAMETRIC = "parametric_relu"

#: Those that firmware computes as it is, without a table.
PLAIN = ("linear", "relu")


def parse(spec: Spec) -> tuple[str, dict[str, float]]:
    """Return an activation's name and parameters.

    >>> parse({"name": "leaky_relu", "slope": 0.25})
    ('leaky_relu', {'slope': 0.25})

    Raises
    ------
    RecipeError
        If the name or a parameter is unknown.
    """
    given = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
    name = given.pop("name", None)
    if not isinstance(name, str):
        raise RecipeError(f"activation {spec!r}: a name, or a mapping with name and parameters")
    name = _ALIASES.get(name, name)
    known = (*OWN, *KERAS, *TOGETHER, PARAMETRIC)
    if name not in known:
        raise RecipeError(f"unknown activation {name!r}; {nearest(name, known)}")
    parameters = dict(PARAMETERS.get(name, {}))
    for key, value in given.items():
        if key not in parameters:
            hint = nearest(key, parameters) if parameters else "it has no parameters"
            raise RecipeError(f"activation {name} has no {key!r}; {hint}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RecipeError(f"activation {name}: {key} is a number, not {value!r}")
        parameters[key] = float(value)
    return name, parameters


def layer(spec: Spec, **kwargs: Any) -> keras.layers.Layer:
    """Return the layer of an activation; `parametric_relu` is the vocabulary's."""
    name, parameters = parse(spec)
    if name == "leaky_relu":
        return keras.layers.LeakyReLU(negative_slope=parameters["slope"], **kwargs)
    if name == "elu" and parameters["alpha"] != 1.0:
        return keras.layers.ELU(alpha=parameters["alpha"], **kwargs)
    return keras.layers.Activation(OWN.get(name, name), **kwargs)


@keras.saving.register_keras_serializable(package="hepnn")
class Precise:
    """A function of one number, computed in double precision and rounded to single.

    Parameters
    ----------
    name
        Of `OWN` or `KERAS`.
    slope, alpha
        Parameters, where the function has them.
    """

    def __init__(self, name: str, **parameters: float) -> None:
        self.name = name
        self.parameters = parameters
        self.__name__ = name

    def __call__(self, x: Any) -> Any:
        """Return the function, of the shape of `x`."""
        return ops.cast(self.double(ops.cast(x, "float64")), "float32")

    def double(self, x: Any) -> Any:
        """Return the function in the precision of `x`."""
        if self.name == "leaky_relu":
            return ops.where(x >= 0, x, self.parameters["slope"] * x)
        if self.name in OWN:
            return OWN[self.name](x)
        return getattr(keras.activations, self.name)(x, **self.parameters)

    def range(self, low: float, high: float) -> tuple[float, float]:
        """Return the smallest and largest value between two inputs."""
        values = ops.convert_to_numpy(
            self.double(ops.convert_to_tensor(np.linspace(low, high, 4097)))
        )
        return float(values.min()), float(values.max())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"name": self.name, **self.parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Precise:
        """Return the function that `get_config` described."""
        return cls(**config)
