"""A dataset's events, divided in memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from hepnn.data import folds, groups, reading, splits, statistics, weights
from hepnn.data.assemble import Rows
from hepnn.data.card import Classes
from hepnn.data.dataset import Dataset
from hepnn.data.feed import Memory, Stream
from hepnn.data.reading import Whole
from hepnn.data.statistics import Statistics
from hepnn.errors import DataError
from hepnn.recipe import FractionSplits, Validation
from hepnn.run import Events

#: Training events that a run keeps to calibrate precisions on.
CALIBRATION_EVENTS = 10_000


@dataclass
class Divided:
    """A dataset's events, split.

    Attributes
    ----------
    train : Memory or Stream
        What is trained on.
    validation, test, calibration : Events
        In memory; of a streamed set a random part.
    statistics : Statistics
        Of the training split's inputs.
    events : dict
        Events of each split, those that are not held in memory too.
    classes : dict
        The same of each class; one number where there are no classes.
    counts : Counter
        Entries and examples that were read, and those left out, by reason.
    fingerprint : str
        Checksum of inputs, labels and weights, in the order of the files.
    """

    train: Memory | Stream
    validation: Events
    test: Events
    calibration: Events
    statistics: Statistics
    events: dict[str, int]
    classes: dict[str, list[int]]
    counts: Counter[str]
    fingerprint: str


def divide(
    data: Dataset,
    limit: int | None = None,
    train_limit: int | None = None,
    seed: int = 0,
    validation: Validation | None = None,
    known: Whole | None = None,
) -> Divided:
    """Read a dataset into memory and split it: no entry is in two splits.

    Parameters
    ----------
    data
        What to divide.
    limit
        Use only so many entries, of the seeded order.
    train_limit
        Use only so many of the training events, whatever the others are.
    seed
        Draws them.
    validation
        Where it names a fold, that part of the training split is the test split, and the
        test split is left aside.
    known
        The rows, where they are read already.

    Raises
    ------
    DataError
        If an event is not what the card says, or a split is empty or lacks a class, or there is
        no such fold.
    """
    rows, mark = known or reading.whole(data)
    chosen = _split(data, rows, limit, train_limit, seed)
    if validation is not None and validation.fold is not None:
        chosen = _folded(data, rows, chosen, validation)
    counts, train = _counts(data, rows, chosen), chosen["train"]
    sums = np.bincount(rows.cell[train], rows.weight[train], reading.cells_of(data))
    factor = weights.factors(data.card.weights, sums, reading.classes_of(data))
    events = {
        name: reading.events_of(data, rows, rows_of, factor) for name, rows_of in chosen.items()
    }
    return Divided(
        train=Memory(events["train"]),
        validation=events["validation"],
        test=events["test"],
        calibration=take(events["train"], np.arange(min(CALIBRATION_EVENTS, len(train)))),
        statistics=statistics.of(
            groups.for_statistics(data.group, rows.x[train]), rows.weight[train]
        ),
        events={name: len(rows_of) for name, rows_of in chosen.items()},
        classes={name: of_split.tolist() for name, of_split in counts.items()},
        counts=rows.counts,
        fingerprint=mark,
    )


def folds_of(
    data: Dataset,
    limit: int | None,
    train_limit: int | None,
    seed: int,
    validation: Validation,
    known: Whole,
) -> int:
    """Return how many folds a dataset's training split gives; parameters as of `divide`.

    Raises
    ------
    HepnnError
        As `hepnn.data.folds.count`.
    """
    train = _split(data, known.rows, limit, train_limit, seed)["train"]
    return folds.count(validation, *_to_fold(data, known.rows, train), data.classes)


def _split(
    data: Dataset, rows: Rows, limit: int | None, train_limit: int | None, seed: int
) -> dict[str, np.ndarray]:
    """Return the rows of each split, in the seeded order."""
    rank = splits.ranks(0, rows.entries, rows.entries, seed_of(data))[rows.entry]
    code = splits.codes(data.splits, rank, rows.entries, limit, rows.fixed)
    order = np.argsort(rank, kind="stable")
    chosen = {name: order[code[order] == number] for number, name in enumerate(splits.NAMES)}
    if train_limit is not None:
        chosen["train"] = _drawn(data, chosen["train"], train_limit, seed)
    insist_on_classes(data, _counts(data, rows, chosen))
    return chosen


def _counts(data: Dataset, rows: Rows, chosen: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return how many events of each class the splits have."""
    number, classes = reading.class_of(data, rows), reading.classes_of(data)
    return {
        name: np.bincount(number[rows_of], minlength=classes) for name, rows_of in chosen.items()
    }


def _folded(
    data: Dataset, rows: Rows, chosen: dict[str, np.ndarray], validation: Validation
) -> dict[str, np.ndarray]:
    """Return the splits of one fold: what it holds out is tested on."""
    train, number = chosen["train"], validation.fold or 1
    known = _to_fold(data, rows, train)
    if number > (there := folds.count(validation, *known, data.classes)):
        raise DataError(f"validation.fold: fold {number} of {there}")
    held = folds.held_out(validation, *known, number)
    return {**chosen, "train": train[~held], "test": train[held]}


def _to_fold(data: Dataset, rows: Rows, train: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return entry and class of the training rows."""
    of_classes = isinstance(data.card.labels, Classes)
    return rows.entry[train], rows.y[train] if of_classes else None


def _drawn(data: Dataset, rows: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Return so many of the training rows, in their order."""
    if wanted > len(rows):
        raise DataError(
            f"train_limit: {wanted} events; the train split of dataset {data.name} has {len(rows)}"
        )
    kept = np.random.default_rng([seed, wanted]).choice(len(rows), wanted, replace=False)
    return rows[np.sort(kept)]


def insist_on_classes(data: Dataset, counts: dict[str, np.ndarray]) -> None:
    """Refuse splits that are empty, or by chance lack a class that occurs.

    Parameters
    ----------
    data
        That was divided.
    counts
        Events of each class `(classes,)`, by split.

    Raises
    ------
    DataError
        One line: which split, and what it lacks.
    """
    total = sum(counts.values())
    assert isinstance(total, np.ndarray)
    of_classes = isinstance(data.card.labels, Classes)
    by_chance = isinstance(data.splits, FractionSplits)
    if of_classes and np.count_nonzero(total) == 1:
        only = data.classes[int(np.flatnonzero(total)[0])]
        raise DataError(f"dataset {data.name}: all events are of class {only!r}")
    for name, of_split in counts.items():
        if not of_split.sum():
            raise DataError(
                f"dataset {data.name}: the {name} split of {int(total.sum())} events is empty"
            )
        lacking = np.flatnonzero((of_split == 0) & (total > 0))
        if of_classes and by_chance and len(lacking):
            raise DataError(
                f"dataset {data.name}: the {name} split of {int(of_split.sum())} events has no "
                f"{data.classes[int(lacking[0])]!r}"
            )


def seed_of(data: Dataset) -> int:
    """Return the seed of the division; 1 where nothing is drawn."""
    return int(getattr(data.splits, "seed", 1))


def take(events: Events, chosen: np.ndarray) -> Events:
    """Return the chosen events."""
    observers = None if events.observers is None else events.observers[chosen]
    return Events(events.x[chosen], events.y[chosen], events.weight[chosen], observers)
