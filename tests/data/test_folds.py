"""Folds: every event is held out once, with its like, and as scikit-learn has it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import model_selection

from hepnn.data import folds
from hepnn.errors import DataError, RecipeError
from hepnn.recipe import Validation

CLASSES = ["w", "z", "top"]


def labels(events: int = 101) -> np.ndarray:
    return np.random.default_rng(2).choice(3, events, p=[0.6, 0.3, 0.1])


def parts(wanted: Validation, entry: np.ndarray, label: np.ndarray | None) -> np.ndarray:
    count = folds.count(wanted, entry, label, CLASSES)
    return np.array(
        [folds.held_out(wanted, entry, label, number) for number in range(1, count + 1)]
    )


@pytest.mark.parametrize("by", ["kfold", "stratified", "leave-one-out"])
def test_every_event_is_held_out_once(by: str) -> None:
    found = parts(Validation(by=by, folds=4), np.arange(101), labels())
    assert (found.sum(axis=0) == 1).all()
    assert np.ptp(found.sum(axis=1)) <= 1
    assert len(found) == (101 if by == "leave-one-out" else 4)


@pytest.mark.parametrize(
    ("by", "peer"),
    [
        ("kfold", model_selection.KFold(5, shuffle=True, random_state=7)),
        ("stratified", model_selection.StratifiedKFold(5, shuffle=True, random_state=7)),
        ("leave-one-out", model_selection.LeaveOneOut()),
    ],
)
def test_the_folds_are_scikit_learns(by: str, peer: object) -> None:
    y = labels(120)
    found = parts(Validation(by=by, folds=5, seed=7), np.arange(120), y)
    for held, (train, test) in zip(found, peer.split(y, y), strict=True):
        assert np.array_equal(np.flatnonzero(held), test)
        assert np.array_equal(np.flatnonzero(~held), train)


def test_stratified_folds_have_the_classes_of_the_whole() -> None:
    y = labels(103)
    found = parts(Validation(by="stratified", folds=4), np.arange(103), y)
    counts = np.array([np.bincount(y[held], minlength=3) for held in found])
    assert (np.ptp(counts, axis=0) <= 1).all()


def test_the_seed_decides() -> None:
    entry, y = np.arange(50), labels(50)
    one, same, other = (parts(Validation(by="kfold", seed=seed), entry, y) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("by", ["kfold", "stratified", "leave-one-out"])
def test_examples_of_one_entry_stay_together(by: str) -> None:
    rng = np.random.default_rng(4)
    entry = rng.permutation(np.repeat(np.arange(30) * 7, 3))
    y = (entry // 7) % 2
    for held in parts(Validation(by=by, folds=3), entry, y):
        assert not set(entry[held]) & set(entry[~held])


def test_more_folds_than_events_or_than_a_class_are_refused() -> None:
    y = np.repeat([0, 1, 2], [50, 40, 6])
    entry = np.arange(len(y))
    with pytest.raises(DataError, match="class 'top' has 6 training events; at most 6"):
        folds.count(Validation(by="stratified", folds=7), entry, y, CLASSES)
    assert folds.count(Validation(by="stratified", folds=6), entry, y, CLASSES) == 6
    with pytest.raises(DataError, match="97 folds of 96 training events"):
        folds.count(Validation(by="kfold", folds=97), entry, y, CLASSES)


def test_stratified_folds_need_classes() -> None:
    with pytest.raises(RecipeError, match="need labels that are classes"):
        folds.count(Validation(by="stratified"), np.arange(10), None)
