"""A dataset's events, divided on disk."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from hepnn import console
from hepnn.data import division, groups, reading, splits, statistics, weights
from hepnn.data.dataset import Dataset
from hepnn.data.division import Divided
from hepnn.data.feed import Store, Stream
from hepnn.data.reading import Mark
from hepnn.errors import DataError

#: Bytes of the inputs of a streamed set that its run keeps of validation and test each.
HELD_BYTES = 16 << 20


def divide(data: Dataset, folder: Path, limit: int | None = None) -> Divided:
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
        As `hepnn.data.division.divide`.
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
    sums = np.zeros(reading.cells_of(data))
    classes = {name: np.zeros(reading.classes_of(data), np.int64) for name in splits.NAMES}
    counts: Counter[str] = Counter()
    mark, first = Mark(), 0
    weighted = data.card.weights.balance or bool(data.card.weights.flat)
    with console.bar("reading", total) as advance:
        for rows in data.assembler.rows():
            mark.add(rows)
            rank = splits.ranks(first, rows.entries, total, division.seed_of(data))[rows.entry]
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
                classes[name] += np.bincount(
                    reading.class_of(data, rows)[part], minlength=reading.classes_of(data)
                )
                if number == 0:
                    sums += np.bincount(rows.cell[part], rows.weight[part], len(sums))
                    inputs = groups.for_statistics(data.group, rows.x[part])
                    known = known + statistics.of(inputs, rows.weight[part])
            counts += rows.counts
            advance(rows.entries)
    division.insist_on_classes(data, classes)
    factor = weights.factors(data.card.weights, sums, reading.classes_of(data))
    for store in stores.values():
        if weighted:
            store.reweight(factor)
        store.close()
    streams = {name: Stream(folder / name) for name in splits.NAMES}
    held = max(HELD_BYTES // (4 * int(np.prod(data.shape))), 1)
    divided = Divided(
        train=streams["train"],
        validation=streams["validation"].sample(held, division.seed_of(data)),
        test=streams["test"].sample(held, division.seed_of(data)),
        calibration=streams["train"].sample(division.CALIBRATION_EVENTS, division.seed_of(data)),
        statistics=known,
        events={name: len(stream) for name, stream in streams.items()},
        classes={name: of_split.tolist() for name, of_split in classes.items()},
        counts=counts,
        fingerprint=mark.hexdigest(),
    )
    for name in ("validation", "test"):
        stores[name].remove()
    return divided
