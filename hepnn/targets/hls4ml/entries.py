"""How many entries a table needs for the values that address it, and how wrong it can then be.

hls4ml's tables have evenly spaced entries over a span of their function that is fixed. A value
between two entries gets one of them, and a value beyond the span the last one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: The span of each function's table, and the function.
_FUNCTIONS: dict[str, tuple[float, float, Callable[[np.ndarray], np.ndarray]]] = {
    "sigmoid": (-8.0, 8.0, lambda x: 1 / (1 + np.exp(-x))),
    "tanh": (-4.0, 4.0, np.tanh),
    "softplus": (-8.0, 8.0, lambda x: np.logaddexp(x, 0.0)),
    "softsign": (-8.0, 8.0, lambda x: x / (1 + np.abs(x))),
    "elu": (-8.0, 0.0, np.expm1),
    "selu": (-8.0, 0.0, lambda x: 1.0507009873554805 * 1.6732632423543772 * np.expm1(x)),
}

#: What neighbouring entries may differ by where values were seen, and the sizes there are.
FINEST, FEWEST, MOST = 2.0**-10, 256, 16384


def step(function: str, entries: int) -> float:
    """Return how far the entries of a table are from each other."""
    low, high, _ = _FUNCTIONS[function]
    return (high - low) / entries


def between(function: str, entries: int, low: float, high: float) -> float:
    """Return by how much neighbouring entries differ at most, for values from `low` to `high`."""
    begin, end, of = _FUNCTIONS[function]
    width = step(function, entries)
    first, last = np.floor(np.clip((np.array([low, high]) - begin) / width, 0, entries - 1))
    grid = begin + width * np.arange(first, last + 2)
    return float(np.abs(np.diff(of(grid))).max())


def beyond(function: str, low: float, high: float) -> float:
    """Return by how much a value beyond the span differs from the span's end, at most."""
    begin, end, of = _FUNCTIONS[function]
    values = np.array([min(low, begin), max(high, end) if end > 0 else end])
    return float(np.abs(of(values) - of(np.array([begin, end]))).max())


def needed(function: str, low: float, high: float) -> int:
    """Return the fewest entries that resolve a function between two values.

    Parameters
    ----------
    function
        With a table: `sigmoid`, `tanh`, `softplus`, `softsign`, `elu` or `selu`.
    low, high
        The smallest and the largest value that will address it.

    Returns
    -------
    int
        A power of two from `FEWEST` to `MOST`; neighbouring entries differ by `FINEST` at most,
        unless `MOST` is too few.

    Examples
    --------
    >>> needed("sigmoid", -8, 8), needed("sigmoid", 5, 8), needed("tanh", -4, 4)
    (4096, 256, 8192)
    """
    size = FEWEST
    while size < MOST and between(function, size, low, high) > FINEST:
        size *= 2
    return size


def known(function: str) -> bool:
    """Say whether a function has a table of evenly spaced entries."""
    return function in _FUNCTIONS
