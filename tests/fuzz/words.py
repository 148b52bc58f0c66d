"""The words that random networks are made of: each takes a tensor on to the next.

A word is drawn with random sizes, which stay so small that a network is compiled in seconds. Here
are those that any tensor has, `(..., features)`, and those of vectors alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

#: Functions that are tables in fixed point.
TABLES: tuple[Any, ...] = (
    "sigmoid",
    "tanh",
    "softplus",
    "gelu",
    "silu",
    "arctan",
    "step",
    "hard_sigmoid",
    {"name": "leaky_relu", "slope": 0.3},
    {"name": "elu", "alpha": 0.5},
)


class Drawing:
    """What words draw with.

    Parameters
    ----------
    nn
        Vocabulary.
    rng
        Random numbers; the same ones draw the same network in every vocabulary.
    """

    def __init__(self, nn: Any, rng: np.random.Generator) -> None:
        self.nn, self.rng = nn, rng
        self.inputs: Any = None
        self.masked = False
        self._names: Counter[str] = Counter()

    def name(self, word: str) -> str:
        """Return a layer's name that no other layer has."""
        self._names[word] += 1
        return f"{word}{self._names[word]}"

    def size(self, low: int, high: int) -> int:
        """Return a number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def one_of(self, *choices: Any) -> Any:
        """Return one of the choices."""
        return choices[int(self.rng.integers(len(choices)))]

    def rectified(self) -> str | None:
        """Return an activation that layers with a kernel have in every vocabulary."""
        return self.one_of("relu", "relu", None)


Word = Callable[[Drawing, Any], Any]


def dense(d: Drawing, x: Any) -> Any:
    return d.nn.Dense(d.size(2, 8), activation=d.rectified(), name=d.name("dense"))(x)


def narrow_dense(d: Drawing, x: Any) -> Any:
    name = d.name("narrow")
    return d.nn.Dense(d.size(1, 3), use_bias=d.one_of(True, False), name=name)(x)


def normalized(d: Drawing, x: Any) -> Any:
    return d.nn.BatchNormalization(name=d.name("norm"))(x)


def rectified(d: Drawing, x: Any) -> Any:
    return d.nn.Activation("relu", name=d.name("relu"))(x)


def table(d: Drawing, x: Any) -> Any:
    return d.nn.Activation(d.one_of(*TABLES), name=d.name("table"))(x)


def sloped(d: Drawing, x: Any) -> Any:
    return d.nn.Activation("parametric_relu", name=d.name("slope"))(x)


def _like(d: Drawing, x: Any) -> Any:
    return d.nn.Dense(x.shape[-1], activation=d.rectified(), name=d.name("branch"))(x)


def residual(d: Drawing, x: Any) -> Any:
    return d.nn.Add(name=d.name("sum"))([x, _like(d, x)])


def sum_of_three(d: Drawing, x: Any) -> Any:
    return d.nn.Add(name=d.name("sum"))([x, _like(d, x), _like(d, x)])


def difference(d: Drawing, x: Any) -> Any:
    return d.nn.Subtract(name=d.name("difference"))([_like(d, x), x])


def product(d: Drawing, x: Any) -> Any:
    return d.nn.Multiply(name=d.name("product"))([_like(d, x), x])


def larger(d: Drawing, x: Any) -> Any:
    return d.nn.Maximum(name=d.name("larger"))([_like(d, x), x])


def joined(d: Drawing, x: Any) -> Any:
    parts = [x, *(narrow_dense(d, x) for _ in range(d.size(1, 2)))]
    return d.nn.Concatenate(axis=-1, name=d.name("joined"))(parts)


def twice(d: Drawing, x: Any) -> Any:
    """Call one layer two times."""
    layer = d.nn.Dense(x.shape[-1], activation="relu", name=d.name("shared"))
    return layer(layer(x))


def folded(d: Drawing, x: Any) -> Any:
    """Make a sequence of a vector and flatten what comes out."""
    places = next(n for n in (4, 3, 2, 1) if x.shape[-1] % n == 0)
    x = d.nn.Reshape((places, x.shape[-1] // places), name=d.name("folded"))(x)
    return d.nn.Flatten(name=d.name("flat"))(dense(d, x))


def repeated(d: Drawing, x: Any) -> Any:
    x = d.nn.RepeatVector(d.size(2, 3), name=d.name("repeated"))(x)
    return d.nn.Flatten(name=d.name("flat"))(narrow_dense(d, x))


EVERYWHERE: tuple[Word, ...] = (
    dense,
    narrow_dense,
    normalized,
    rectified,
    table,
    sloped,
    residual,
    sum_of_three,
    difference,
    product,
    larger,
    joined,
)
VECTOR: tuple[Word, ...] = (*EVERYWHERE, twice, folded, repeated)
