"""Splits: no entry in two of them, and the same whether a set is divided whole or in pieces."""

from __future__ import annotations

import numpy as np
import pytest

from hepnn.data import splits
from hepnn.recipe import ColumnSplits, FileSplits, FractionSplits, HashSplits


def test_one_block_is_numpys_permutation() -> None:
    rank = splits.ranks(0, 1000, 1000, seed=7)
    assert np.array_equal(np.argsort(rank), np.random.default_rng(7).permutation(1000))


def test_pieces_are_ranked_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "BLOCK", 64)
    whole = splits.ranks(0, 300, 300, seed=3)
    pieces = [splits.ranks(first, min(37, 300 - first), 300, 3) for first in range(0, 300, 37)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(np.sort(whole), np.arange(300))


def test_fractions_are_met_and_a_limit_takes_the_first_of_the_order() -> None:
    rank = splits.ranks(0, 1000, 1000, 1)
    plan = FractionSplits(train=0.6, validation=0.3, test=0.1)
    assert np.bincount(splits.codes(plan, rank, 1000, None, None)).tolist() == [600, 300, 100]
    few = splits.codes(plan, rank, 1000, 50, None)
    assert [(few == code).sum() for code in (0, 1, 2, -1)] == [30, 15, 5, 950]
    assert set(rank[few >= 0]) == set(range(50))


def test_what_fractions_leave_over_is_unused() -> None:
    plan = FractionSplits(train=0.5, validation=0.1, test=0.1)
    code = splits.codes(plan, splits.ranks(0, 100, 100, 1), 100, None, None)
    assert (code == splits.UNUSED).sum() == 30


def test_a_hash_depends_on_the_event_alone_and_divides_evenly() -> None:
    rng = np.random.default_rng(1)
    run, event = rng.integers(1, 5, 40_000), np.arange(40_000)
    found = splits.hashes([run, event], seed=1)
    backwards = splits.hashes([run[::-1], event[::-1]], seed=1)
    assert np.array_equal(found, backwards[::-1])
    assert not np.array_equal(found, splits.hashes([run, event], seed=2))
    counts = np.histogram(found, 20, (0, 1))[0]
    # chi2 of 19 degrees of freedom: above 43.8 once in a thousand.
    assert ((counts - 2000) ** 2 / 2000).sum() < 43.8
    plan = HashSplits(by="hash", of=["run", "event"])
    code = splits.codes(plan, np.arange(40_000), 40_000, None, found)
    assert np.array_equal(code, np.digitize(found, [0.7, 0.85]))


def test_splitmix64_is_the_published_sequence() -> None:
    # The first output for seed 1234567, as in the reference implementation.
    assert int(splits._mix(np.array([1234567], np.uint64))[0]) == 6457827717110365317


def test_files_and_conditions_decide_alone() -> None:
    rank = splits.ranks(0, 100, 100, 1)
    by_file = np.repeat([2, 0, 1], [10, 60, 30])
    plan = FileSplits(by="file", train=["a"], validation=["b"], test=["c"])
    assert np.array_equal(splits.codes(plan, rank, 100, None, by_file), by_file)
    test = np.arange(100) >= 80
    code = splits.codes(ColumnSplits(by="column", test="x", validation=0.25), rank, 100, None, test)
    assert np.array_equal(code == 2, test)
    assert (code == 1).sum() == (rank[~test] >= 75).sum()
