"""What a fit is fed from: events in memory, or streamed from disk.

Both give pieces `(events, order)` an epoch: arrays, and the order to train on them. The order
follows from the seed and the epoch's number alone, so that a resumed fit sees the same batches.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.run import Events

#: Neighbouring events that are read, and stay in one piece, together.
BLOCK_BYTES = 1 << 18

#: Size of the shuffle buffer; with the piece read ahead and the tensor made of it, up to four
#: are held.
PIECE_BYTES = 16 << 20

#: Threads that read a piece's blocks.
READERS = 2

#: The arrays of a stored set; the last is not read in training.
ARRAYS = ("x", "y", "weight", "observers")


#: Events, and the order to train on them.
Piece = tuple[Events, np.ndarray]


class Memory:
    """Events in memory, shuffled whole."""

    def __init__(self, events: Events) -> None:
        self.events = events
        self.shape = events.x.shape[1:]
        self.weighted = not np.all(events.weight == 1)
        self.nbytes = events.x.nbytes

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.events)

    def pieces(self, seed: int, epoch: int, batch: int, done: int = 0) -> Iterator[Piece]:
        """Return all events, and the order of an epoch; nothing where that was done before."""
        if not done:
            yield self.events, np.random.default_rng([seed, epoch]).permutation(len(self.events))

    def first(self) -> Events:
        """Return the first event."""
        one = slice(1)
        return Events(self.events.x[one], self.events.y[one], self.events.weight[one])

    def in_order(self) -> Iterator[np.ndarray]:
        """Return all inputs, in the order of storage."""
        yield self.events.x

    def labels(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Return all labels with their weights, in the order of storage."""
        yield self.events.y, self.events.weight

    def encoded(self, encode: Callable[[Events], np.ndarray]) -> Memory:
        """Return the same events, with what `encode` makes of them as labels."""
        return Memory(dataclasses.replace(self.events, y=encode(self.events)))


class Stream:
    """Events in the files of a `Store`, shuffled through a buffer.

    An epoch cuts the events into blocks of neighbours, at another place each time, and takes
    the blocks in random order; so many as the buffer holds are mixed event by event. While one
    piece is trained on, several threads read the next.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        known = files.read_json(folder / "store.json")
        self._length = known["events"]
        self._types = {name: np.dtype(known["types"][name]) for name in ARRAYS}
        self._shapes = {name: tuple(known["shapes"][name]) for name in ARRAYS}
        self.shape = self._shapes["x"]
        self.weighted = known["weighted"]
        self.nbytes = self._length * self._row("x")
        self._block = max(BLOCK_BYTES // self._row("x"), 1)
        self._encode: Callable[[Events], np.ndarray] | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return self._length

    def pieces(self, seed: int, epoch: int, batch: int, done: int = 0) -> Iterator[Piece]:
        """Return an epoch's pieces; each but the last is a whole number of batches.

        Parameters
        ----------
        seed, epoch
            What the order follows from.
        batch
            Events of a step.
        done
            Pieces that were trained on before a kill, and are left out.
        """
        rng = np.random.default_rng([seed, epoch])
        plan = self._plan(rng, batch)
        for piece in plan[:done]:
            rng.permutation(sum(count for _, count in piece))  # the next orders hang on these
        with ThreadPoolExecutor(1) as ahead:
            following = [ahead.submit(self._to_train, piece) for piece in plan[done : done + 1]]
            for number in range(done, len(plan)):
                events = following.pop().result()
                if number + 1 < len(plan):
                    following.append(ahead.submit(self._to_train, plan[number + 1]))
                yield events, rng.permutation(len(events))

    def first(self) -> Events:
        """Return the first event."""
        return self._to_train([(0, 1)])

    def in_order(self) -> Iterator[np.ndarray]:
        """Return all inputs, in the order of storage, a piece at a time."""
        step = max(PIECE_BYTES // self._row("x"), 1)
        for start in range(0, self._length, step):
            yield self.read([(start, min(step, self._length - start))]).x

    def labels(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Return all labels with their weights, in the order of storage, a piece at a time."""
        step = 1 << 20
        for start in range(0, self._length, step):
            count = min(step, self._length - start)
            y, weight = (self._column(name, start, count) for name in ("y", "weight"))
            yield y, weight

    def encoded(self, encode: Callable[[Events], np.ndarray]) -> Stream:
        """Return the same events, their labels encoded in training."""
        made = copy.copy(self)
        made._encode = encode
        return made

    def sample(self, events: int, seed: int) -> Events:
        """Return random events, all when there are fewer, in the order of storage."""
        if events >= self._length:
            return self.read([(0, self._length)])
        chosen = np.random.default_rng(seed).choice(self._length, events, replace=False)
        return self.read([(int(place), 1) for place in np.sort(chosen)])

    def read(self, ranges: list[tuple[int, int]], names: Sequence[str] = ARRAYS) -> Events:
        """Read arrays of ranges `(first event, events)`, one after another."""
        total = sum(count for _, count in ranges)
        starts = np.cumsum([0, *(count for _, count in ranges)])
        arrays = {}
        with ThreadPoolExecutor(READERS) as pool:
            for name in names:
                out = np.empty((total, *self._shapes[name]), self._types[name])
                arrays[name] = out
                row = self._row(name)
                if not row or not total:
                    continue
                view = memoryview(out.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
                with (self._folder / f"{name}.bin").open("rb") as stream:
                    number = stream.fileno()

                    def fill(
                        index: int, view: memoryview = view, row: int = row, number: int = number
                    ) -> None:
                        first, count = ranges[index]
                        place = int(starts[index]) * row
                        _read_into(number, view[place : place + count * row], first * row)

                    list(pool.map(fill, range(len(ranges))))
        return Events(**arrays)

    def _to_train(self, ranges: list[tuple[int, int]]) -> Events:
        """Read what is trained on."""
        events = self.read(ranges, ARRAYS[:3])
        encode = self._encode
        return events if encode is None else dataclasses.replace(events, y=encode(events))

    def _column(self, name: str, first: int, count: int) -> np.ndarray:
        """Read one array of neighbours."""
        shape = (count, *self._shapes[name])
        flat = np.fromfile(
            self._folder / f"{name}.bin",
            self._types[name],
            int(np.prod(shape)),
            offset=first * self._row(name),
        )
        return flat.reshape(shape)

    def _plan(self, rng: np.random.Generator, batch: int) -> list[list[tuple[int, int]]]:
        """Return the ranges of each piece of an epoch."""
        shift = int(rng.integers(self._block))
        edges = [0, *range(shift or self._block, self._length, self._block), self._length]
        blocks = [(a, b - a) for a, b in zip(edges, edges[1:], strict=False)]
        order = rng.permutation(len(blocks))
        size = max(PIECE_BYTES // self._row("x") // batch, 1) * batch
        plan: list[list[tuple[int, int]]] = [[]]
        free = size
        for first, count in (blocks[number] for number in order):
            while count:
                if not free:
                    plan.append([])
                    free = size
                taken = min(count, free)
                plan[-1].append((first, taken))
                first, count, free = first + taken, count - taken, free - taken
        return plan

    def _row(self, name: str) -> int:
        """Return the bytes of one event's array."""
        return int(np.prod(self._shapes[name], dtype=int)) * self._types[name].itemsize


class Store:
    """Writes the files that a `Stream` reads; they count once `close` has written what they are.

    Parameters
    ----------
    folder
        Of the files `x.bin`, `y.bin`, `weight.bin`, row by row as in memory.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        (folder / "store.json").unlink(missing_ok=True)
        self._streams: dict[str, Any] = {}
        self._types: dict[str, str] = {}
        self._shapes: dict[str, list[int]] = {}
        self._weighted = False
        self.events = 0

    def append(self, **arrays: np.ndarray) -> None:
        """Write rows of every array."""
        for name, array in arrays.items():
            if name not in self._streams:
                self._streams[name] = (self.folder / f"{name}.bin").open("wb")
                self._types[name] = array.dtype.str
                self._shapes[name] = list(array.shape[1:])
            self._streams[name].write(np.ascontiguousarray(array).data)
        self.events += len(arrays["weight"])
        self._weighted |= not np.all(arrays["weight"] == 1)

    def reweight(self, factors: np.ndarray) -> None:
        """Multiply the weights by the factor of each event's cell."""
        for stream in self._streams.values():
            stream.flush()
        step = 1 << 20
        names = (self.folder / "weight.bin", self.folder / "cell.bin")
        with names[0].open("rb+") as weights, names[1].open("rb") as cells:
            for start in range(0, self.events, step):
                cell = np.fromfile(cells, np.int32, step)
                weight = np.fromfile(weights, np.float32, step)
                # As in memory: the product is taken in double precision.
                weight = (weight * factors[cell]).astype(np.float32)
                weights.seek(start * weight.itemsize)
                weights.write(weight.data)
        self._weighted = True

    def close(self) -> None:
        """Say what the files hold."""
        for stream in self._streams.values():
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
        (self.folder / "cell.bin").unlink(missing_ok=True)
        known = {
            "events": self.events,
            "types": {name: self._types[name] for name in ARRAYS},
            "shapes": {name: self._shapes[name] for name in ARRAYS},
            "weighted": self._weighted,
        }
        files.write_json(self.folder / "store.json", known)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.folder)


def _read_into(number: int, view: memoryview, offset: int) -> None:
    while view:
        read = os.preadv(number, [view], offset)
        if not read:
            raise OSError(f"a stored set ends at byte {offset}")
        view, offset = view[read:], offset + read
