"""Statistics in one pass equal numpy's over the whole set."""

from __future__ import annotations

import numpy as np

from hepnn.data import statistics, weights
from hepnn.data.card import Weights


def test_merged_chunks_equal_numpys_average_and_variance() -> None:
    rng = np.random.default_rng(2)
    # A mean a million times the spread is where naive sums of squares fail.
    x = rng.normal([1e6, -3.0, 0.0], [1.0, 20.0, 1e-3], (10_000, 3))
    w = rng.uniform(0.1, 3, 10_000)
    merged = statistics.empty(3)
    for start in range(0, 10_000, 777):
        merged = merged + statistics.of(x[start : start + 777], w[start : start + 777])
    mean = np.average(x, axis=0, weights=w)
    std = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=w))
    np.testing.assert_allclose(merged.mean, mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(merged.std, std, rtol=1e-6)
    assert np.array_equal(merged.lowest, x.min(axis=0))
    assert np.array_equal(merged.highest, x.max(axis=0))


def test_padding_that_is_nan_is_not_looked_at() -> None:
    x = np.array([[[1.0, 2.0], [np.nan, np.nan]], [[3.0, 2.5], [5.0, 2.0]]])
    found = statistics.of(x)
    np.testing.assert_allclose(found.mean, [3.0, 6.5 / 3])
    assert found.whole.tolist() == [True, False]


def test_a_merge_with_nothing_changes_nothing() -> None:
    one = statistics.of(np.arange(6.0).reshape(3, 2))
    for merged in (one + statistics.empty(2), statistics.empty(2) + one):
        np.testing.assert_array_equal(merged.mean, one.mean)
        np.testing.assert_array_equal(merged.squares, one.squares)


def test_flat_and_balanced_weights_do_what_they_say() -> None:
    rng = np.random.default_rng(3)
    plan = Weights(balance=True, flat={"pt": [0.0, 1.0, 2.0, 4.0], "eta": [-2.0, 0.0, 2.0]})
    y = (rng.uniform(size=20_000) < 0.2).astype(int)
    pt, eta = rng.exponential(1.0, 20_000), rng.normal(size=20_000)
    weight = rng.uniform(0.5, 1.5, 20_000)
    cell = y * 6 + weights.bins(plan, [pt, eta])
    sums = np.bincount(cell, weight, weights.cells(plan, 2))
    new = weight * weights.factors(plan, sums, 2)[cell]
    assert np.isclose(new.sum(), weight.sum())
    for number in (0, 1):
        counts = np.histogram2d(
            np.clip(pt[y == number], 0, 3.9),
            np.clip(eta[y == number], -1.9, 1.9),
            [[0, 1, 2, 4], [-2, 0, 2]],
            weights=new[y == number],
        )[0]
        np.testing.assert_allclose(counts, weight.sum() / 2 / 6)
