"""When events come, and what is made of the times: against closed forms and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hepnn.trigger import arrivals
from hepnn.trigger.drift import Histogram
from hepnn.trigger.histogram import Latencies


def test_the_nominal_filling_scheme() -> None:
    slots = arrivals.filled()
    assert len(slots) == 2808 and slots.max() < 3564
    starts = np.flatnonzero(np.diff(slots, prepend=-2) > 1)
    lengths = np.diff(np.append(starts, len(slots)))
    assert len(lengths) == 39 and set(lengths) == {72}
    # The abort gap of 119 empty slots at the end of an orbit, in which the beam can be dumped.
    assert 3564 - 1 - slots.max() == 119


def test_bunches_keep_their_rate_and_their_gaps() -> None:
    blocks = arrivals.times("bunches", 5e6, 7)
    assert blocks is not None
    times = np.concatenate([next(blocks) for _ in range(4)])
    assert len(times) / (times[-1] * 1e-9) == pytest.approx(5e6, rel=0.01)
    slot = np.round(times / arrivals.SLOT_NS).astype(int)
    assert (np.diff(slot) > 0).all()
    assert np.isin(slot % 3564, arrivals.filled()).all()


def test_poisson_gaps_are_exponential_and_seeded() -> None:
    one, again = (arrivals.times("poisson", 1e5, 3) for _ in range(2))
    assert one is not None and again is not None
    first, second = next(one), next(one)
    assert second[0] >= first[-1]
    np.testing.assert_array_equal(first, next(again))
    assert stats.kstest(np.diff(first) * 1e-9, "expon", (0, 1e-5)).pvalue > 1e-3


def test_quantiles_are_those_of_the_sample_to_a_bin() -> None:
    sample = np.random.default_rng(1).lognormal(10, 1, 200_000).astype(np.int64)
    latencies = Latencies()
    for part in np.array_split(sample, 7):
        latencies.add(part)
    for share in (0.5, 0.99, 0.999, 0.9999):
        exact = np.quantile(sample, share, method="inverted_cdf")
        assert exact <= latencies.quantile(share) * 1.0001  # type: ignore[operator]
        assert latencies.quantile(share) == pytest.approx(exact, rel=0.012)
    assert latencies.document()["max"] == sample.max() / 1e3
    assert Latencies().quantile(0.5) is None


def test_the_distance_of_equal_distributions_is_chi_squared() -> None:
    rng, n, m = np.random.default_rng(2), 2000, 5000
    found = []
    for _ in range(300):
        histogram = Histogram(rng.normal(size=m))
        histogram.add(rng.normal(size=n))
        found.append(histogram.distance / (1 / n + 1 / m))
        assert not histogram.drifted()
    assert stats.kstest(found, "chi2", (9,)).pvalue > 1e-3


def test_the_distance_of_a_shift_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    reference, shifted = rng.normal(size=50_000), rng.normal(0.8, 1, 50_000)
    histogram = Histogram(reference)
    histogram.add(shifted)
    edges = stats.norm.ppf(np.linspace(0, 1, 11))
    p, q = (np.diff(stats.norm.cdf(edges, mean)) for mean in (0.8, 0.0))
    assert histogram.distance == pytest.approx(((p - q) * np.log(p / q)).sum(), rel=0.05)
    assert histogram.drifted()


def test_a_feature_of_one_value_does_not_drift() -> None:
    histogram = Histogram(np.ones(100))
    histogram.add(np.ones(1000))
    assert histogram.distance == pytest.approx(0, abs=0.02) and not histogram.drifted()
