"""From the columns of a file to rows of a dataset: inputs, labels, weights of what is selected."""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.data import groups, labels, sources, splits, weights
from hepnn.data.card import Card, Classes, Group
from hepnn.data.expressions import Expression
from hepnn.data.formats.reader import Column, ColumnReader
from hepnn.data.groups import Chunk
from hepnn.data.sources import Part, Survey
from hepnn.errors import DataError, RecipeError
from hepnn.recipe import AnySplits, ColumnSplits, FileSplits, HashSplits

#: Threads that read and assemble chunks.
WORKERS = min(4, os.cpu_count() or 1)


class Unreadable(DataError):
    """A chunk that a file does not give, whatever the card asks of it."""


@dataclass
class Rows:
    """Examples of one chunk.

    Attributes
    ----------
    x : np.ndarray
        Inputs `(examples, *shape)` float32.
    y : np.ndarray
        Labels, as `hepnn.data.labels.build` gives them.
    weight : np.ndarray
        The source's weights `(examples,)` float64, before balancing.
    cell : np.ndarray
        Cell of class and kinematic bin `(examples,)`.
    observers : np.ndarray
        `(examples, observers)` float64: event numbers keep all their digits.
    entry : np.ndarray
        Which of the chunk's kept entries each example is of `(examples,)`, from 0.
    entries : int
        Kept entries: those of which an example is left.
    fixed : np.ndarray or None
        What the splits need to know of each example `(examples,)`.
    counts : Counter
        Entries and examples read, and what was left out and why.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    cell: np.ndarray
    observers: np.ndarray
    entry: np.ndarray
    entries: int
    fixed: np.ndarray | None
    counts: Counter[str] = field(default_factory=Counter)


class Assembler:
    """Makes rows of a card's files for one input group and one way of splitting.

    Parameters
    ----------
    card, folder
        The card and where it lies.
    name, group
        The input group, and its name in the card.
    division
        How the entries are divided.

    Raises
    ------
    RecipeError
        If an expression is not allowed.
    DataError
        If a file is missing, damaged or unlike the others, or lacks a column.
    """

    def __init__(
        self, card: Card, folder: Path, name: str, group: Group, division: AnySplits
    ) -> None:
        self.card, self.name, self.group, self.division = card, name, group, division
        self._variables = {
            name: Expression(text, f"dataset {card.name}: new_variables.{name}")
            for name, text in card.new_variables.items()
        }
        self._selection = (
            Expression(card.selection, f"dataset {card.name}: selection")
            if card.selection
            else None
        )
        self._objects: list[str] = []
        self._needed: list[str] = []
        self._local = threading.local()
        self.survey: Survey = sources.survey(card, folder, self._needs)

    @property
    def thins(self) -> bool:
        """Whether entries can be left out, so that only reading tells how many there are."""
        conditions = isinstance(self.card.labels, Classes) and bool(self.card.labels.where)
        return self._selection is not None or conditions or self.card.source.objects is not None

    def rows(self) -> Iterator[Rows]:
        """Read all files; rows come in the order of files and entries.

        Chunks are read and assembled by several threads, a few ahead.
        """
        yield from self._parallel(self._rows, self._needed)

    def chunks(self) -> Iterator[tuple[Chunk, np.ndarray, Counter[str]]]:
        """Return what is left of every chunk, its labels, and what was read and left out."""
        yield from self._parallel(self._labelled, self._needed)

    def kept(self) -> Iterator[int]:
        """Return the kept entries of every chunk, in order; reads what decides about it alone."""
        conditions = self._conditions()
        yield from self._parallel(self._count, self._columns(conditions))

    def _parallel(self, work: Any, names: list[str]) -> Iterator[Any]:
        # The chunks must not depend on which columns are read: kept() and rows() are one order.
        step = sources.chunk_entries([self.survey.columns[name] for name in self._needed])
        todo = [piece for part in self.survey.parts for piece in sources.ranges(part, step)]
        waiting: deque[tuple[Part, Future[Any]]] = deque()
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                for part, start, stop in [*todo, *[(None, 0, 0)] * (WORKERS + 1)]:
                    if part is not None:
                        waiting.append((part, pool.submit(work, part, start, stop, names)))
                    if len(waiting) > WORKERS or (part is None and waiting):
                        of, future = waiting.popleft()
                        try:
                            result = future.result()
                        except Unreadable as error:
                            if not self.card.source.skip_unreadable:
                                raise
                            self.survey.skipped.setdefault(of.where, str(error))
                            continue
                        yield result
            finally:
                for _, future in waiting:
                    future.cancel()

    def _reader(self, part: Part) -> ColumnReader:
        """Return this thread's reader of a file; one file is open a thread."""
        held = getattr(self._local, "held", None)
        if held is None or held[0] != part.number:
            if held is not None:
                held[1].close()
            self._local.held = held = (part.number, sources.open_part(self.card, part.path))
        return held[1]

    def _chunk(self, part: Part, start: int, stop: int, names: list[str]) -> Chunk:
        try:
            columns: dict[str, Any] = dict(self._reader(part).read(names, start, stop))
        except DataError as error:
            raise Unreadable(str(error)) from error
        entry = np.arange(start, stop)
        if self._objects:
            columns, entry = _exploded(columns, self._objects, entry, part.where)
        chunk = Chunk(columns, entry, part.where)
        for name, expression in self._variables.items():
            if expression.names <= columns.keys():  # those of the columns that were read
                columns[name] = expression(columns, part.where)
        return chunk

    def _selected(self, chunk: Chunk) -> tuple[Chunk, Counter[str]]:
        counts = Counter(examples=len(chunk))
        if self._selection is not None:
            keep = chunk.number(self.card.selection or "", "selection").astype(bool)
            counts["selection"] = int((~keep).sum())
            chunk = _take(chunk, keep)
        return chunk, counts

    def _labelled(
        self, part: Part, start: int, stop: int, names: list[str]
    ) -> tuple[Chunk, np.ndarray, Counter[str]]:
        chunk, counts = self._selected(self._chunk(part, start, stop, names))
        counts["entries"] = stop - start
        y = labels.build(self.card.labels, chunk)
        if isinstance(self.card.labels, Classes) and self.card.labels.where:
            counts["no class"] = int((y < 0).sum())
            chunk, y = _take(chunk, y >= 0), y[y >= 0]
        return chunk, y, counts

    def _rows(self, part: Part, start: int, stop: int, names: list[str]) -> Rows:
        chunk, y, counts = self._labelled(part, start, stop, names)
        kept, entry = np.unique(chunk.entry, return_inverse=True)
        if not len(chunk):
            shape = groups.shape(self.group)
            x = np.empty((0, *shape), np.float32)
        else:
            x = groups.build(self.group, self.name, chunk)
        kinematics = [chunk.number(text, f"weights.flat.{text}") for text in self.card.weights.flat]
        bins = weights.bins(self.card.weights, kinematics) if kinematics else 0
        classes = y.astype(np.int64) if isinstance(self.card.labels, Classes) else 0
        per_class = weights.cells(self.card.weights, 1)
        observers = [
            chunk.number(observer.source, f"observers.{observer.name}")
            for observer in self.card.observers
        ]
        return Rows(
            x=x,
            y=y,
            weight=self.weight(chunk),
            cell=np.zeros(len(chunk), np.int64) + classes * per_class + bins,
            observers=np.stack(observers, axis=1).astype(np.float64)
            if observers
            else np.empty((len(chunk), 0)),
            entry=entry.reshape(-1),
            entries=len(kept) if self.thins else stop - start,
            fixed=self._fixed(part, chunk),
            counts=counts,
        )

    def _count(self, part: Part, start: int, stop: int, names: list[str]) -> int:
        chunk, _ = self._selected(self._chunk(part, start, stop, names))
        if isinstance(self.card.labels, Classes) and self.card.labels.where:
            chunk = _take(chunk, labels.build(self.card.labels, chunk) >= 0)
        return len(np.unique(chunk.entry))

    def weight(self, chunk: Chunk) -> np.ndarray:
        """Return the source's weights of a chunk `(examples,)`.

        Raises
        ------
        DataError
            If one is not finite, or negative where that makes no sense; naming its entry.
        """
        plan = self.card.weights
        if plan.column is None:
            return np.ones(len(chunk))
        weight = chunk.number(plan.column, "weights.column").astype(np.float64)
        wrong = ~np.isfinite(weight)
        if not plan.allow_negative:
            wrong |= weight < 0
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            finite = np.isfinite(weight[place])
            hint = "; weights.allow_negative permits it" if finite else ""
            raise DataError(
                f"{chunk.where}: weight {weight[place]:g} of entry {chunk.entry[place]} is "
                f"negative or not finite{hint}"
            )
        return weight

    def _fixed(self, part: Part, chunk: Chunk) -> np.ndarray | None:
        division = self.division
        if isinstance(division, ColumnSplits):
            return chunk.number(division.test, "splits.test").astype(bool)
        if isinstance(division, HashSplits):
            identity = [chunk.number(text, "splits.of") for text in division.of]
            for text, values in zip(division.of, identity, strict=True):
                if not np.array_equal(values, np.round(values)):
                    raise DataError(f"{chunk.where}: splits.of: {text!r} is no whole number")
            return splits.hashes(identity, division.seed)
        if isinstance(division, FileSplits):
            if part.path is None:
                raise DataError(f"dataset {self.card.name}: splits by file, but it has no files")
            patterns = {name: getattr(division, name) for name in splits.NAMES}
            code = sources.split_of_file(self.card, part, patterns)
            return np.full(len(chunk), code, np.int8)
        return None

    def _conditions(self) -> dict[str, str]:
        found = {}
        if self.card.selection:
            found["selection"] = self.card.selection
        if isinstance(self.card.labels, Classes) and self.card.labels.where:
            found |= labels.expressions(self.card.labels)
        return found

    def _all(self) -> dict[str, str]:
        """Return every expression that is evaluated, by the key that has it."""
        card = self.card
        found = self._conditions()
        found |= groups.expressions(self.group, self.name)
        found |= labels.expressions(card.labels)
        found |= {f"observers.{observer.name}": observer.source for observer in card.observers}
        found |= {f"weights.flat.{text}": text for text in card.weights.flat}
        if card.weights.column is not None:
            found["weights.column"] = card.weights.column
        if isinstance(self.division, ColumnSplits):
            found["splits.test"] = self.division.test
        if isinstance(self.division, HashSplits):
            found |= {f"splits.of.{number}": text for number, text in enumerate(self.division.of)}
        return found

    def _columns(self, wanted: dict[str, str]) -> list[str]:
        """Return the source's columns behind expressions, new variables followed."""
        found: set[str] = set()
        todo = [
            Expression(text, f"dataset {self.card.name}: {key}").names
            for key, text in wanted.items()
        ]
        seen: set[str] = set()
        while todo:
            for name in todo.pop():
                if name in self._variables:
                    if name not in seen:
                        seen.add(name)
                        todo.append(self._variables[name].names)
                else:
                    found.add(name)
        if self._objects and not found & set(self._objects):
            found.add(self._objects[0])  # it says how many objects there are
        return sorted(found)

    def _needs(self, columns: dict[str, Column]) -> list[str]:
        """Return the columns to be read, once it is known what the source has."""
        for name in self._variables:
            if name in columns:
                raise RecipeError(
                    f"dataset {self.card.name}: new_variables.{name}: the source has a column of "
                    "that name; choose another"
                )
        self._objects = self._collection(columns)
        self._needed = self._columns(self._all())
        return self._needed

    def _collection(self, columns: dict[str, Column]) -> list[str]:
        """Return the jagged columns that are cut into one example an object."""
        prefix = self.card.source.objects
        if prefix is None:
            return []
        jagged = [name for name, column in columns.items() if column.kind == "jagged"]
        found = [name for name in jagged if name == prefix or name.startswith(f"{prefix}_")]
        if not found:
            raise DataError(
                f"dataset {self.card.name}: source.objects: no jagged column {prefix!r} or "
                f"'{prefix}_...'"
            )
        return found


def _exploded(
    columns: dict[str, Any], collection: list[str], entry: np.ndarray, where: str
) -> tuple[dict[str, Any], np.ndarray]:
    """Make one example of each object; what an entry has once is repeated."""
    import awkward as ak

    jagged = [name for name in collection if name in columns]
    counts = {name: ak.to_numpy(ak.num(columns[name], axis=1)) for name in jagged}
    first = counts[jagged[0]]
    for name in jagged:
        if not np.array_equal(counts[name], first):
            raise DataError(f"{where}: {jagged[0]!r} and {name!r} have lists of different lengths")
    owner = np.repeat(np.arange(len(entry)), first)
    made = {
        name: ak.to_numpy(ak.flatten(column, axis=1)) if name in counts else column[owner]
        for name, column in columns.items()
    }
    return made, entry[owner]


def _take(chunk: Chunk, keep: np.ndarray) -> Chunk:
    if keep.all():
        return chunk
    columns = {
        name: column if np.isscalar(column) else column[keep]
        for name, column in chunk.columns.items()
    }
    return Chunk(columns, chunk.entry[keep], chunk.where)
