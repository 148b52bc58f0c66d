"""Values that go through an expression, one an event, and how two of them fit together.

A value is a number, a numpy array `(events, ...)`, or an awkward array of lists or of
four-momenta. What one event has alone goes with each member of another value's list of that
event; numpy by itself would match it with the list's places instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn.data.formats.reader import awkward


def is_awkward(value: Any) -> bool:
    """Say whether a value is awkward's, without importing awkward."""
    return hasattr(value, "layout")


def is_momenta(value: Any) -> bool:
    """Say whether a value is of four-momenta."""
    return is_awkward(value) and bool(value.fields)


def rank(value: Any) -> int:
    """Return 0 for a number, 1 for one number an event, 2 for a list an event."""
    return int(getattr(value, "ndim", 0))


def dtype(value: Any) -> np.dtype:
    """Return the type of the numbers in a value."""
    if not is_awkward(value):
        return np.asarray(value).dtype
    layout = value.layout
    while not (layout.is_numpy or layout.is_unknown):
        layout = layout.content
    return np.dtype(np.float64) if layout.is_unknown else layout.dtype


def numbers(value: Any) -> Any:
    """Return a value if it is of numbers or conditions.

    Raises
    ------
    ValueError
        If it is of four-momenta or texts.
    """
    if is_momenta(value):
        raise ValueError("four-momenta where numbers are needed: take .pt, .eta, .mass ...")
    if dtype(value).kind not in "biuf":
        raise ValueError("a column of texts where numbers are needed")
    return value


def lists(value: Any) -> Any:
    """Return a value if it has a list an event.

    Raises
    ------
    ValueError
        If it has one number, or four-momentum, an event.
    """
    if rank(value) < 2:
        raise ValueError("one value an event where a list is needed")
    return value


def widened(value: Any) -> Any:
    """Return numbers in a type that arithmetic does not overflow.

    Files store counts, charges and pixels in types in which 3 - 5 is 4294967294 and
    200 + 100 is 44. They become int64; floats stay what they are, half-precision aside.
    """
    kind = dtype(value)
    if rank(value) == 0:
        return value + 0
    if kind.kind in "bu" or (kind.kind == "i" and kind.itemsize < 8):
        return _cast(value, np.int64)
    return _cast(value, np.float32) if kind == np.float16 else value


def floats(value: Any, double: bool = False) -> Any:
    """Return numbers as floats: what is none, or all if `double`, as float64."""
    kind = dtype(value)
    if kind.kind == "f" and not (double and kind != np.float64):
        return widened(value)
    return _cast(value, np.float64)


def aligned(*values: Any) -> list[Any]:
    """Return values so that an operation on them goes event by event.

    Examples
    --------
    >>> pt, scale = np.ones((3, 3)), np.array([1.0, 2.0, 3.0])
    >>> np.multiply(*aligned(pt, scale))[1].tolist()
    [2.0, 2.0, 2.0]
    """
    if any(is_awkward(value) for value in values):
        return [ragged(value) if rank(value) > 1 else value for value in values]
    deepest = max(rank(value) for value in values)
    return [
        value.reshape(value.shape + (1,) * (deepest - value.ndim)) if rank(value) else value
        for value in values
    ]


def ragged(value: Any) -> Any:
    """Return lists of one length as lists of any length."""
    if is_awkward(value):
        return value
    ak = awkward()
    return ak.from_regular(ak.Array(value), axis=None)


def settled(value: Any) -> Any:
    """Return one number an event as numpy's array, whatever it was made from."""
    if is_awkward(value) and value.ndim == 1 and not value.fields:
        return value.to_numpy(allow_missing=False)
    return value


def _cast(value: Any, kind: Any) -> Any:
    if is_awkward(value):
        return awkward().values_astype(value, kind)
    return np.asarray(value).astype(kind, copy=False)
