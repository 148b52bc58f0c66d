"""The functions that an expression can call.

Those of one number go through lists member by member. Those of a list take the innermost one:
a number an event from one list an event. Of an empty list, `sum`, `count` and `num` are 0, `any`
is false, `all` true, and `min`, `max`, `mean`, `std` and `first` are NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.data import four_momenta
from hepnn.data.eventwise import (
    aligned,
    dtype,
    floats,
    is_awkward,
    is_momenta,
    lists,
    numbers,
    ragged,
    rank,
    widened,
)
from hepnn.data.formats.reader import awkward


@dataclass(frozen=True)
class Function:
    """A function: what it does, and its arguments, those in brackets last and optional."""

    description: str
    arguments: str
    call: Callable[..., Any]

    @property
    def counts(self) -> tuple[int, int]:
        """Return the least and the largest number of arguments."""
        names = self.arguments.split(", ")
        return sum("[" not in name for name in names), len(names)


def elementwise(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of numbers that goes event by event, and member by member."""
    return lambda *values: call(*aligned(*(widened(numbers(value)) for value in values)))


def clip(x: Any, low: Any, high: Any) -> Any:
    """Return numbers moved into a range."""
    return np.minimum(np.maximum(x, low), high)


def where(condition: Any, yes: Any, no: Any) -> Any:
    """Return the one value where a condition holds, and the other where not."""
    both = [numbers(yes), numbers(no)]
    if any(dtype(value).kind != "b" for value in both):
        both = [widened(value) for value in both]
    holds = numbers(condition)
    values = aligned(holds if dtype(holds).kind == "b" else holds != 0, *both)
    if any(is_awkward(value) for value in values):
        return awkward().where(*awkward().broadcast_arrays(*values))
    return np.where(*values)


def total(x: Any) -> Any:
    """Return the sum of each list, of numbers or four-momenta."""
    if is_momenta(x):
        return four_momenta.total(x)
    return _reduced("sum", widened(numbers(x)))


def count(x: Any) -> Any:
    """Return how many members a list has; of conditions, how many hold."""
    if not is_momenta(x) and dtype(numbers(x)).kind == "b":
        return total(x)
    return length(x)


def length(x: Any) -> Any:
    """Return how many members each list has."""
    lists(x)
    if is_awkward(x):
        return awkward().num(x, axis=-1)
    return np.full(x.shape[:-1], x.shape[-1])


def any_of(x: Any) -> Any:
    """Say whether a condition holds for one member at least."""
    return _reduced("any", numbers(x))


def all_of(x: Any) -> Any:
    """Say whether a condition holds for every member."""
    return _reduced("all", numbers(x))


def least(x: Any) -> Any:
    """Return the smallest member of each list."""
    return _extreme("min", x)


def largest(x: Any) -> Any:
    """Return the largest member of each list."""
    return _extreme("max", x)


def mean(x: Any) -> Any:
    """Return the mean of each list, in double precision."""
    return total(floats(numbers(x), double=True)) / length(x)


def std(x: Any) -> Any:
    """Return the standard deviation of each list, its squares divided by the length."""
    values = floats(numbers(x), double=True)
    apart = np.subtract(*aligned(values, mean(values)))
    return np.sqrt(mean(apart * apart))


def first(x: Any, default: Any = np.nan) -> Any:
    """Return the first member of each list, and a default (NaN) of an empty one."""
    if is_momenta(x):
        return four_momenta.first(x)
    numbers(lists(x))
    if rank(x) != 2:
        raise ValueError("lists of lists, where a list an event is needed")
    if rank(default) != 0:
        raise ValueError("first(x, default) takes a default that is one number")
    x = x if isinstance(default, int) else floats(x)
    if is_awkward(x):
        return awkward().fill_none(awkward().firsts(x, axis=1), dtype(x).type(default))
    return x[:, 0] if x.shape[1] else np.full(len(x), default, x.dtype)


def leading(x: Any, n: Any) -> Any:
    """Return the first members of each list, up to `n`; none is added."""
    if not isinstance(n, int) or n < 1:
        raise ValueError("leading(x, n) takes a whole number n from 1")
    return lists(x)[:, :n]


def sort(x: Any) -> Any:
    """Return the members of each list, smallest first."""
    lists(numbers(x))
    return awkward().sort(x, axis=-1) if is_awkward(x) else np.sort(x, axis=-1)


def argsort(x: Any) -> Any:
    """Return the places of the members of each list, the smallest member's first."""
    lists(numbers(x))
    return awkward().argsort(x, axis=-1) if is_awkward(x) else np.argsort(x, axis=-1)


def argmax(x: Any) -> Any:
    """Return the place of the largest member of each list; -1 of an empty one."""
    return _place("argmax", x)


def argmin(x: Any) -> Any:
    """Return the place of the smallest member of each list; -1 of an empty one."""
    return _place("argmin", x)


def picked(x: Any, place: Any) -> Any:
    """Return the member of each list at a place of its own; NaN at a place below 0."""
    ak = awkward()
    several = ragged(lists(x))
    chosen = ak.from_regular(ak.Array(np.asarray(place)[:, np.newaxis]), axis=1)
    return first(several[chosen[chosen >= 0]])


def _reduced(name: str, x: Any) -> Any:
    lists(x)
    return getattr(awkward() if is_awkward(x) else np, name)(x, axis=-1)


def _extreme(name: str, x: Any) -> Any:
    values = floats(lists(numbers(x)))
    if is_awkward(values):
        found = getattr(awkward(), name)(values, axis=-1)
        return awkward().fill_none(found, dtype(values).type(np.nan), axis=-1)
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    return getattr(np, name)(values, axis=-1)


def _place(name: str, x: Any) -> Any:
    lists(numbers(x))
    if is_awkward(x):
        return awkward().fill_none(getattr(awkward(), name)(x, axis=-1), -1, axis=-1)
    if x.shape[-1] == 0:
        return np.full(x.shape[:-1], -1)
    return getattr(np, name)(x, axis=-1)


def _of_one(description: str, call: Callable[..., Any], arguments: str = "x") -> Function:
    return Function(description, arguments, elementwise(call))


#: By name. `column` and `pairs` are known to the parser.
FUNCTIONS = {
    "abs": _of_one("absolute value", np.abs),
    "sqrt": _of_one("square root", np.sqrt),
    "exp": _of_one("e to the power of x", np.exp),
    "log": _of_one("natural logarithm", np.log),
    "log10": _of_one("logarithm to base 10", np.log10),
    "log1p": _of_one("log(1 + x), exact near 0", np.log1p),
    "expm1": _of_one("exp(x) - 1, exact near 0", np.expm1),
    "sin": _of_one("sine", np.sin),
    "cos": _of_one("cosine", np.cos),
    "tan": _of_one("tangent", np.tan),
    "arctan2": _of_one("angle of (x, y), in [-pi, pi]", np.arctan2, "y, x"),
    "arcsinh": _of_one("inverse of sinh", np.arcsinh),
    "sinh": _of_one("hyperbolic sine", np.sinh),
    "cosh": _of_one("hyperbolic cosine", np.cosh),
    "tanh": _of_one("hyperbolic tangent", np.tanh),
    "floor": _of_one("largest whole number not above x", np.floor),
    "ceil": _of_one("smallest whole number not below x", np.ceil),
    "round": _of_one("nearest whole number, the even one of two", np.rint),
    "sign": _of_one("-1, 0 or 1", np.sign),
    "minimum": _of_one("the smaller of two numbers", np.minimum, "a, b"),
    "maximum": _of_one("the larger of two numbers", np.maximum, "a, b"),
    "hypot": _of_one("sqrt(a**2 + b**2)", np.hypot, "a, b"),
    "clip": _of_one("x moved into a range", clip, "x, low, high"),
    "isnan": _of_one("true where x is NaN", np.isnan),
    "isfinite": _of_one("true where x is neither NaN nor infinite", np.isfinite),
    "where": Function("yes where a condition holds, no elsewhere", "condition, yes, no", where),
    "sum": Function("sum of a list, of numbers or four-momenta", "x", total),
    "count": Function("members of a list; of conditions, those that hold", "x", count),
    "num": Function("members of a list", "x", length),
    "any": Function("true if a condition holds for a member", "x", any_of),
    "all": Function("true if a condition holds for every member", "x", all_of),
    "min": Function("smallest member of a list, NaN of none", "x", least),
    "max": Function("largest member of a list, NaN of none", "x", largest),
    "mean": Function("mean of a list, NaN of none", "x", mean),
    "std": Function("standard deviation of a list, NaN of none", "x", std),
    "first": Function("first member of a list, or the default (NaN)", "x, [default]", first),
    "leading": Function("first n members of a list, or all there are", "x, n", leading),
    "sort": Function("a list, smallest first", "x", sort),
    "argsort": Function("places for x[...], smallest first; argsort(-x) largest", "x", argsort),
    "argmax": Function("place of the largest for x[...], -1 of none", "x", argmax),
    "argmin": Function("place of the smallest for x[...], -1 of none", "x", argmin),
    "p4": Function("four-momenta", "pt, eta, phi, mass", four_momenta.p4),
    "p4_xyz": Function("four-momenta", "px, py, pz, E", four_momenta.p4_xyz),
    "delta_r": Function("distance of four-momenta in eta and phi", "a, b", four_momenta.delta_r),
    "delta_phi": Function(
        "difference of four-momenta's or plain azimuths, in [-pi, pi)",
        "a, b",
        four_momenta.delta_phi,
    ),
    "pairs": Function("all pairs in a list: pairs(x)[0] and pairs(x)[1]", "x", four_momenta.pairs),
    "column": Function('the column of a name that is no word: column("a.b")', "name", str),
}
