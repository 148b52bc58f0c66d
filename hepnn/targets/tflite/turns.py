"""Turns of a wrap as outputs of their own.

`y - floor(y / M) M` takes a share, a floor and a difference behind the floor that rounds. The
layer before can give `y` and `y / M` side by side, one floor then serves both, and the layer
behind takes `W y - (W M) floor(y / M)`: one operation instead of four, for twice the products on
both sides. That pays for one vector with few channels.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from hepnn.targets import preflight
from hepnn.targets.fixed_point import Lane
from hepnn.targets.tflite.lanes import MANTISSA, Folds, Numbers

#: Further products that cost as much as the three operations that are saved.
PRODUCTS = 2048


def let_out(folds: Folds) -> Folds:
    """Let the layers around a lane take its wrap over, where that is exact and pays."""
    lanes, weights = dict(folds.lanes), dict(folds.weights)
    for before, quantizer, behind in folds.between:
        lane, fold = Lane.of(behind.iq), lanes[id(quantizer)]
        first, second = weights[id(before)], weights[id(behind)]
        own = folds.weights[id(before)]
        if lane is None or not _pays(before, behind, first.kernel, second.kernel):
            continue
        numbers = Numbers.of(lane)
        rounded = fold.rounded or not numbers.half
        shifted = fold.shifted or not numbers.shift.any()
        if lane.overflow != "WRAP" or lane.rounding == "RND_CONV" or not (rounded and shifted):
            continue
        modulus = np.broadcast_to(np.reshape(numbers.modulus, -1), (behind.kernel.shape[0],))
        kernel = np.concatenate([second.kernel / modulus[:, None], -second.kernel])
        largest = _reach(before, own.kernel, own.bias)
        ends = np.concatenate([largest, np.ceil(largest / modulus)])
        bits = preflight.sum_bits(behind, kernel, second.bias, ends, np.ones_like(ends))
        if bits > MANTISSA:
            continue
        weights[id(behind)] = dataclasses.replace(second, kernel=kernel)
        square = np.diag(first.kernel) if first.kernel.ndim == 1 else first.kernel
        weights[id(before)] = dataclasses.replace(
            first,
            kernel=np.concatenate([square, square / modulus], axis=1),
            bias=None if first.bias is None else np.concatenate([first.bias, first.bias / modulus]),
        )
        lanes[id(quantizer)] = dataclasses.replace(fold, turned=True)
    return Folds(lanes, weights, folds.between)


def _pays(before: Any, behind: Any, first: np.ndarray, second: np.ndarray) -> bool:
    """Say whether both are products with one vector, and small."""
    if type(behind).__name__ != "QDense" or len(behind.input.shape) != 2:
        return False
    if first.ndim == 1 and type(before).__name__ == "QEinsumDense":  # becomes a square matrix
        return 2 * first.size**2 + second.size <= PRODUCTS
    return type(before).__name__ == "QDense" and first.size + second.size <= PRODUCTS


def _reach(layer: Any, kernel: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Return the largest absolute value `(channels,)` that a layer's outputs can have."""
    lane = Lane.of(layer.iq)
    assert lane is not None
    numbers = Numbers.of(lane)
    ends = np.maximum(-numbers.low, numbers.high) if lane.overflow != "WRAP" else np.ones(1)
    weights = np.abs(kernel) * (ends.reshape(-1, 1) if kernel.ndim == 2 else ends.reshape(-1))
    total = weights.sum(axis=0) if kernel.ndim == 2 else weights
    return np.asarray(total if bias is None else total + np.abs(bias))
