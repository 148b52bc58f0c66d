"""Initial weights, by name: what textbooks list, under the names of their formulas.

With m inputs and n outputs of a layer,

| name | distribution | |
|---|---|---|
| `normal` | N(0, sigma) | sigma 0.1 by default |
| `uniform` | U(-epsilon, epsilon) | epsilon 0.05 by default |
| `inverse_root_normal` | N(0, 1/sqrt(m)) | |
| `inverse_root_uniform` | U(-1/sqrt(m), 1/sqrt(m)) | Y. LeCun et al., "Efficient BackProp" (1998) |
| `glorot_normal`, `xavier_normal` | N(0, sqrt(2/(m+n))) | X. Glorot, Y. Bengio, AISTATS 2010 |
| `glorot_uniform`, `xavier_uniform` | U(-sqrt(6/(m+n)), sqrt(6/(m+n))) | the same, eq. (16) |
| `he_normal` | N(0, sqrt(2/m)) | K. He et al., arXiv:1502.01852 |
| `he_uniform` | U(-sqrt(6/m), sqrt(6/m)) | the same variance |
| `zeros`, `constant` | `value` | |

Keras's own `glorot_normal` and `he_normal` draw from normal distributions cut at two standard
deviations, with the same variance; here the normal ones are whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from hepnn.errors import RecipeError, nearest

#: An initializer in a recipe: a name, or a mapping with `name` and parameters.
Spec = str | Mapping[str, Any]

#: Distributions scaled by a layer's inputs and outputs: variance times them, and which.
_SCALED: dict[str, tuple[float, str, str]] = {
    "inverse_root_normal": (1.0, "fan_in", "untruncated_normal"),
    "inverse_root_uniform": (1 / 3, "fan_in", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "untruncated_normal"),
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "he_normal": (2.0, "fan_in", "untruncated_normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
}

_ALIASES = {"xavier_normal": "glorot_normal", "xavier_uniform": "glorot_uniform"}

#: Parameters of those that have any, with their usual values.
PARAMETERS: dict[str, dict[str, float]] = {
    "normal": {"sigma": 0.1},
    "uniform": {"epsilon": 0.05},
    "constant": {"value": 0.0},
}

INITIALIZERS = (*PARAMETERS, *_SCALED, *_ALIASES, "zeros")


def get(spec: Spec) -> keras.initializers.Initializer:
    """Return a new initializer.

    >>> get({"name": "normal", "sigma": 0.02}).stddev
    0.02

    Raises
    ------
    RecipeError
        If the name or a parameter is unknown.
    """
    given = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
    name = given.pop("name", None)
    if not isinstance(name, str) or name not in INITIALIZERS:
        raise RecipeError(f"unknown initializer {name!r}; {nearest(str(name), INITIALIZERS)}")
    name = _ALIASES.get(name, name)
    parameters = dict(PARAMETERS.get(name, {}))
    for key, value in given.items():
        if key not in parameters:
            hint = nearest(key, parameters) if parameters else "it has no parameters"
            raise RecipeError(f"initializer {name} has no {key!r}; {hint}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RecipeError(f"initializer {name}: {key} is a number, not {value!r}")
        parameters[key] = float(value)
    if name in _SCALED:
        scale, mode, distribution = _SCALED[name]
        return keras.initializers.VarianceScaling(scale, mode, distribution)
    if name == "normal":
        return keras.initializers.RandomNormal(0.0, parameters["sigma"])
    if name == "uniform":
        return keras.initializers.RandomUniform(-parameters["epsilon"], parameters["epsilon"])
    return keras.initializers.Constant(parameters.get("value", 0.0))
