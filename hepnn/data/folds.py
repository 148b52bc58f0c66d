"""Folds of the training events: which are held out, and which are trained on.

What is divided are entries, so that no two examples of one entry are on both sides. The folds
are scikit-learn's: `KFold`, `StratifiedKFold` and `LeaveOneOut`, over the entries in the order of
their files.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from hepnn.errors import DataError, RecipeError
from hepnn.recipe import Validation


def count(
    wanted: Validation,
    entry: np.ndarray,
    label: np.ndarray | None,
    classes: Sequence[str] = (),
) -> int:
    """Return how many folds the training events give.

    Parameters
    ----------
    wanted
        How to fold.
    entry
        The entry of each event `(events,)`.
    label
        Class numbers `(events,)`, or None where events have no class.
    classes
        Names of the classes.

    Raises
    ------
    DataError
        If there are fewer entries, or fewer of a class, than folds.
    RecipeError
        If folds shall be stratified by classes that do not exist.
    """
    first = np.unique(entry, return_index=True)[1]
    if wanted.by == "leave-one-out":
        return len(first)
    if len(first) < wanted.folds:
        raise DataError(
            f"validation.folds: {wanted.folds} folds of {len(first)} training events; at most "
            f"{len(first)}"
        )
    if wanted.by == "stratified":
        if label is None:
            raise RecipeError(
                "validation.by: stratified folds need labels that are classes; set it to kfold"
            )
        sizes = np.bincount(label[first])
        smallest = int(np.argmin(np.where(sizes > 0, sizes, sizes.max() + 1)))
        if sizes[smallest] < wanted.folds:
            raise DataError(
                f"validation.folds: {wanted.folds} folds, but class "
                f"{classes[smallest] if len(classes) > smallest else smallest!r} has "
                f"{sizes[smallest]} training events; at most {sizes[smallest]}"
            )
    return wanted.folds


def held_out(
    wanted: Validation, entry: np.ndarray, label: np.ndarray | None, number: int
) -> np.ndarray:
    """Return which events `(events,)` bool a fold holds out.

    Parameters
    ----------
    wanted, entry, label
        As of `count`.
    number
        Of the fold, from 1.

    Examples
    --------
    >>> entry = np.array([0, 0, 1, 2])
    >>> held_out(Validation(by="leave-one-out"), entry, None, 1).tolist()
    [True, True, False, False]
    """
    from sklearn import model_selection

    _, first, unit = np.unique(entry, return_index=True, return_inverse=True)
    if wanted.by == "leave-one-out":
        cut = model_selection.LeaveOneOut()
    else:
        kinds = {"kfold": model_selection.KFold, "stratified": model_selection.StratifiedKFold}
        cut = kinds[wanted.by](wanted.folds, shuffle=True, random_state=wanted.seed)
    parts = cut.split(np.zeros(len(first)), None if label is None else label[first])
    _, held = next(itertools.islice(parts, number - 1, None))
    chosen = np.zeros(len(first), bool)
    chosen[held] = True
    return chosen[unit.reshape(entry.shape)]
