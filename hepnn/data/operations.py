"""What an expression's operators and brackets do with columns."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

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
)
from hepnn.data.formats.reader import awkward
from hepnn.data.functions import elementwise, picked

#: numpy's functions by Python's operators.
ARITHMETIC: dict[type, Any] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.Pow: np.power,
}
COMPARISONS: dict[type, Any] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
#: Of conditions, and of whole numbers.
BITS: dict[type, Any] = {
    ast.BitAnd: (np.logical_and, np.bitwise_and),
    ast.BitOr: (np.logical_or, np.bitwise_or),
}


def arithmetic(ufunc: Any, a: Any, b: Any) -> Any:
    """Compute with numbers, or add and subtract four-momenta; between constants in floats."""
    if is_momenta(a) or is_momenta(b):
        if not (is_momenta(a) and is_momenta(b) and ufunc in (np.add, np.subtract)):
            raise ValueError("four-momenta are added to and subtracted from one another only")
        return ufunc(a, b)
    if rank(a) == rank(b) == 0:
        return float(ufunc(np.float64(a), np.float64(b)))
    if ufunc is np.power:
        a = floats(numbers(a))
    elif ufunc in (np.floor_divide, np.remainder) and _zeros_among_whole(a, b):
        raise ValueError("a whole number is divided by zero")
    return elementwise(ufunc)(a, b)


def _zeros_among_whole(a: Any, b: Any) -> bool:
    whole = all(dtype(value).kind in "biu" for value in (a, b))
    return whole and not bool(np.all(awkward().flatten(b, axis=None) if is_awkward(b) else b))


def bitwise(operator: type, a: Any, b: Any) -> Any:
    """Combine conditions by logic, and whole numbers bit by bit."""
    logic, bits = BITS[operator]
    kinds = {dtype(numbers(value)).kind.replace("u", "i") for value in (a, b)}
    if kinds == {"b"}:
        return logic(*aligned(a, b))
    if kinds == {"i"}:
        return elementwise(bits)(a, b)
    raise ValueError("& and | go between conditions, or between whole numbers; brackets missing?")


def logical(ufunc: Any) -> Callable[..., Any]:
    """Return logic on conditions, where a number counts as true unless it is 0."""
    return lambda *values: ufunc(*aligned(*(numbers(value) for value in values)))


def inverted(value: Any) -> Any:
    """Return where a condition does not hold."""
    if dtype(numbers(value)).kind != "b":
        raise ValueError("~ is of conditions only")
    return np.logical_not(value)


def cut_out(value: Any, cut: tuple[int | slice, ...]) -> Any:
    """Return each event's members at constant places; the first place is the events' own."""
    place = cut[1]
    if is_awkward(lists(value)) and isinstance(place, int):
        lengths = np.asarray(awkward().num(value, axis=1))
        short = lengths < (place + 1 if place >= 0 else -place)
        if short.any():
            raise ValueError(
                f"{short.sum()} of {len(short)} lists are too short; "
                "first(x) gives NaN for an empty one"
            )
    return value[cut]


def chosen(value: Any, index: Any) -> Any:
    """Return each event's members by condition, by places, or at one place an event."""
    kind = dtype(numbers(index)).kind
    if rank(index) < 2:
        if rank(index) == 1 and kind in "iu":
            return picked(value, index)
        raise ValueError("this would choose events, which is the selection's to do")
    if kind == "f":
        raise ValueError("lists are chosen from by conditions or places, not by floats")
    return ragged(lists(value))[ragged(index)]
