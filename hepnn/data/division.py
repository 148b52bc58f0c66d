"""From an opened dataset to its events: read whole, or divided in memory or on disk."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hepnn import console
from hepnn.data import bare, folds, groups, splits, statistics, weights
from hepnn.data.assemble import Rows
from hepnn.data.card import Classes
from hepnn.data.dataset import Dataset, open_dataset
from hepnn.data.feed import Memory, Store, Stream
from hepnn.data.statistics import Statistics
from hepnn.errors import DataError
from hepnn.recipe import FractionSplits, Validation
from hepnn.run import Events, Run

#: Bytes of the inputs of a streamed set that its run keeps of validation and test each.
HELD_BYTES = 16 << 20

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


def read(data: Dataset) -> Events:
    """Read all events into memory, in the order of the files.

    Raises
    ------
    DataError
        If there are none, or if they are not what the card says.
    """
    rows = whole(data).rows
    factor = weights.factors(data.card.weights, _sums(data, rows), _classes(data))
    return _events(data, rows, slice(None), factor)


def read_for(run: Run, name: str | Path) -> Events:
    """Read other events for a run's networks: of a card, or of a file without one.

    Raises
    ------
    DataError
        If they have another shape or other classes than the run.
    """
    shape = tuple(run.manifest["data"]["shape"])
    if bare.is_bare(name):
        return _read_bare(run, Path(name), shape)
    data = open_dataset(name, run.recipe.inputs)
    if data.shape != shape:
        raise DataError(
            f"dataset {data.name} has events of shape {data.shape}, run {run.name} of {shape}"
        )
    if data.classes != run.classes:
        raise DataError(f"dataset {data.name} has other classes than run {run.name}")
    return read(data)


def _read_bare(run: Run, path: Path, shape: tuple[int, ...]) -> Events:
    parts = run.manifest.get("adopted", {}).get("inputs", ())
    found = bare.read(path, shape, [(name, tuple(of_part)) for name, of_part in parts])
    known = run.events("test").y
    y = found.y
    if y is None:
        if known.size:
            raise DataError(f"{path}: no labels {bare.LABELS!r}, which run {run.name} is judged by")
        y = np.empty((len(found.x), 0), np.float32)
    if y.shape[1:] != known.shape[1:]:
        raise DataError(
            f"{path}: labels of shape {y.shape[1:]}, run {run.name} has {known.shape[1:]}"
        )
    y = y.astype(known.dtype)
    if run.classes and known.dtype.kind == "i" and not 0 <= y.min() <= y.max() < len(run.classes):
        raise DataError(f"{path}: labels beyond the {len(run.classes)} classes of run {run.name}")
    return Events(found.x, y, found.weight)


class Whole(NamedTuple):
    """All rows of a dataset, in memory.

    Attributes
    ----------
    rows : Rows
        With the entries counted over the whole set.
    fingerprint : str
        Their checksum.
    """

    rows: Rows
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
    rows, mark = known or whole(data)
    chosen = _split(data, rows, limit, train_limit, seed)
    if validation is not None and validation.fold is not None:
        chosen = _folded(data, rows, chosen, validation)
    counts = {
        name: np.bincount(_class_of(data, rows)[rows_of], minlength=_classes(data))
        for name, rows_of in chosen.items()
    }
    train = chosen["train"]
    sums = np.bincount(rows.cell[train], rows.weight[train], _cells(data))
    factor = weights.factors(data.card.weights, sums, _classes(data))
    events = {name: _events(data, rows, rows_of, factor) for name, rows_of in chosen.items()}
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
    rank = splits.ranks(0, rows.entries, rows.entries, _seed(data))[rows.entry]
    code = splits.codes(data.splits, rank, rows.entries, limit, rows.fixed)
    order = np.argsort(rank, kind="stable")
    chosen = {name: order[code[order] == number] for number, name in enumerate(splits.NAMES)}
    if train_limit is not None:
        chosen["train"] = _drawn(data, chosen["train"], train_limit, seed)
    counts = {
        name: np.bincount(_class_of(data, rows)[rows_of], minlength=_classes(data))
        for name, rows_of in chosen.items()
    }
    _insist_on_classes(data, counts)
    return chosen


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


def divide_on_disk(data: Dataset, folder: Path, limit: int | None = None) -> Divided:
    """Read a dataset once, split it, and store it to be streamed from.

    Every entry goes to the split that it has in memory. Nothing that grows with the set is
    held, but one number a chunk.

    Parameters
    ----------
    data
        What to divide.
    folder
        For the files; some of them as large as the inputs.
    limit
        Use only so many entries, of the seeded order.

    Raises
    ------
    DataError
        As `divide`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total = data.assembler.survey.entries
    if data.assembler.thins:
        with console.bar("entries that are kept", None) as advance:
            total = 0
            for kept in data.assembler.kept():
                total += kept
                advance(kept)
    wanted, free = total * int(np.prod(data.shape)) * 4, shutil.disk_usage(folder).free
    if wanted > free:
        raise DataError(
            f"{folder}: to stream dataset {data.name} needs {wanted / 1e9:.1f} GB of disk, "
            f"{free / 1e9:.1f} are free"
        )
    stores = {name: Store(folder / name) for name in splits.NAMES}
    known = statistics.empty(groups.shape(data.group)[-1])
    sums = np.zeros(_cells(data))
    classes = {name: np.zeros(_classes(data), np.int64) for name in splits.NAMES}
    counts: Counter[str] = Counter()
    mark, first = Mark(), 0
    weighted = data.card.weights.balance or bool(data.card.weights.flat)
    with console.bar("reading", total) as advance:
        for rows in data.assembler.rows():
            mark.add(rows)
            rank = splits.ranks(first, rows.entries, total, _seed(data))[rows.entry]
            first += rows.entries
            code = splits.codes(data.splits, rank, total, limit, rows.fixed)
            for number, name in enumerate(splits.NAMES):
                part = code == number
                if not part.any():
                    continue
                arrays = {
                    "x": rows.x[part],
                    "y": rows.y[part],
                    "weight": rows.weight[part].astype(np.float32),
                }
                if weighted:
                    arrays["cell"] = rows.cell[part].astype(np.int32)
                stores[name].append(observers=rows.observers[part], **arrays)
                classes[name] += np.bincount(_class_of(data, rows)[part], minlength=_classes(data))
                if number == 0:
                    sums += np.bincount(rows.cell[part], rows.weight[part], len(sums))
                    inputs = groups.for_statistics(data.group, rows.x[part])
                    known = known + statistics.of(inputs, rows.weight[part])
            counts += rows.counts
            advance(rows.entries)
    _insist_on_classes(data, classes)
    factor = weights.factors(data.card.weights, sums, _classes(data))
    for store in stores.values():
        if weighted:
            store.reweight(factor)
        store.close()
    streams = {name: Stream(folder / name) for name in splits.NAMES}
    held = max(HELD_BYTES // (4 * int(np.prod(data.shape))), 1)
    divided = Divided(
        train=streams["train"],
        validation=streams["validation"].sample(held, _seed(data)),
        test=streams["test"].sample(held, _seed(data)),
        calibration=streams["train"].sample(CALIBRATION_EVENTS, _seed(data)),
        statistics=known,
        events={name: len(stream) for name, stream in streams.items()},
        classes={name: of_split.tolist() for name, of_split in classes.items()},
        counts=counts,
        fingerprint=mark.hexdigest(),
    )
    for name in ("validation", "test"):
        stores[name].remove()
    return divided


class Mark:
    """A checksum of rows that does not depend on how they are cut into chunks."""

    def __init__(self) -> None:
        self._digests = {name: hashlib.sha256() for name in ("x", "y", "weight")}

    def add(self, rows: Rows) -> None:
        """Take the next rows in."""
        for name, digest in self._digests.items():
            digest.update(np.ascontiguousarray(getattr(rows, name)).data)

    def hexdigest(self) -> str:
        """Return the checksum of all rows."""
        parts = "".join(digest.hexdigest() for digest in self._digests.values())
        return hashlib.sha256(parts.encode()).hexdigest()


def take(events: Events, chosen: np.ndarray) -> Events:
    """Return the chosen events."""
    observers = None if events.observers is None else events.observers[chosen]
    return Events(events.x[chosen], events.y[chosen], events.weight[chosen], observers)


def whole(data: Dataset) -> Whole:
    """Read all rows into memory.

    Raises
    ------
    DataError
        If there are none, or if they are not what the card says.
    """
    parts: list[Rows] = []
    mark, first = Mark(), 0
    with console.bar("reading", data.assembler.survey.entries) as advance:
        for rows in data.assembler.rows():
            mark.add(rows)
            rows.entry = rows.entry + first
            first += rows.entries
            parts.append(rows)
            advance(rows.counts["entries"])
    if not sum(len(part.x) for part in parts):
        left = sum((part.counts for part in parts), Counter())
        why = "" if not left["examples"] else f": its selection keeps none of {left['examples']}"
        raise DataError(f"dataset {data.name}: no events{why}")

    def joined(name: str) -> np.ndarray:
        arrays = [getattr(part, name) for part in parts]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    found = Rows(
        **{name: joined(name) for name in ("x", "y", "weight", "cell", "observers", "entry")},
        entries=first,
        fixed=None if parts[0].fixed is None else joined("fixed"),
        counts=sum((part.counts for part in parts), Counter()),
    )
    return Whole(found, mark.hexdigest())


def _events(data: Dataset, rows: Rows, chosen: Any, factor: np.ndarray) -> Events:
    weight = rows.weight[chosen] * factor[rows.cell[chosen]]
    observers = rows.observers[chosen] if data.card.observers else None
    return Events(
        np.ascontiguousarray(rows.x[chosen]),
        np.ascontiguousarray(rows.y[chosen]),
        weight.astype(np.float32),
        observers,
    )


def _insist_on_classes(data: Dataset, counts: dict[str, np.ndarray]) -> None:
    """Refuse splits that are empty, or by chance lack a class that occurs."""
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


def _classes(data: Dataset) -> int:
    return len(data.classes) if isinstance(data.card.labels, Classes) else 1


def _class_of(data: Dataset, rows: Rows) -> np.ndarray:
    if isinstance(data.card.labels, Classes):
        return rows.y
    return np.zeros(len(rows.x), np.int64)


def _cells(data: Dataset) -> int:
    return weights.cells(data.card.weights, _classes(data))


def _sums(data: Dataset, rows: Rows) -> np.ndarray:
    return np.bincount(rows.cell, rows.weight, _cells(data))


def _seed(data: Dataset) -> int:
    return int(getattr(data.splits, "seed", 1))
