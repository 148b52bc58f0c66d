"""Weights that follow from the whole training split: class balance, and flat kinematics."""

from __future__ import annotations

import numpy as np

from hepnn.data.card import Weights


def bins(weights: Weights, values: list[np.ndarray]) -> np.ndarray:
    """Return the number of each example's kinematic bin, counted over all variables.

    Parameters
    ----------
    weights
        With the edges of `flat`.
    values
        An array `(examples,)` for each variable; beyond the edges is the outermost bin.
    """
    number = np.zeros(len(values[0]) if values else 0, np.int64)
    for edges, value in zip(weights.flat.values(), values, strict=True):
        place = np.searchsorted(np.asarray(edges), value, side="right") - 1
        number = number * (len(edges) - 1) + np.clip(place, 0, len(edges) - 2)
    return number


def cells(weights: Weights, classes: int) -> int:
    """Return how many cells of class and bin there are."""
    return classes * int(np.prod([len(edges) - 1 for edges in weights.flat.values()], dtype=int))


def factors(weights: Weights, sums: np.ndarray, classes: int) -> np.ndarray:
    """Return the factor of each cell of class and kinematic bin.

    Parameters
    ----------
    weights
        What is wanted.
    sums
        Sum of the training split's weights `(cells,)`, classes first.
    classes
        Number of classes.

    Returns
    -------
    np.ndarray
        `(cells,)`. With `flat`, every filled bin of a class gets the same sum and the class
        keeps its own; with `balance`, every class gets the mean of the classes' sums. Empty
        cells get 1.
    """
    table = np.maximum(np.asarray(sums, np.float64).reshape(classes, -1), 0.0)
    factor = np.ones_like(table)
    of_class = table.sum(axis=1, keepdims=True)
    if weights.flat:
        filled = np.maximum((table > 0).sum(axis=1, keepdims=True), 1)
        factor = np.divide(of_class / filled, table, out=factor, where=table > 0)
    if weights.balance:
        there = of_class > 0
        mean = of_class.sum() / max(there.sum(), 1)
        factor = factor * np.divide(mean, of_class, out=np.ones_like(of_class), where=there)
    return factor.reshape(-1)
