"""The unit of generation: so many events of one class, from a seed of their own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Part of a dataset, made by one call of a kind's `generate`.

    Attributes
    ----------
    name : str
        Of the chunk's shard; letters, digits and hyphens, unlike every other chunk's.
    number : int
        Counts the chunks of one label from 0.
    label : int
        Index of the class, or 0.
    events : int
        How many events (jets, chains, showers) it holds.
    """

    name: str
    number: int
    label: int
    events: int


def cut(name: str, events: int, size: int, label: int = 0) -> list[Chunk]:
    """Cut the events of a class into chunks of one size, the last one smaller.

    >>> [tuple(chunk) for chunk in cut("top", 25, 10, label=4)]
    [('top-0000', 0, 4, 10), ('top-0001', 1, 4, 10), ('top-0002', 2, 4, 5)]
    """
    return [
        Chunk(f"{name}-{number:04d}", number, label, min(size, events - first))
        for number, first in enumerate(range(0, events, size))
    ]


def chunk_seed(seed: int, chunk: Chunk) -> int:
    """Return the seed of a chunk, in 1 to 900,000,000 as Pythia takes it.

    It comes from the dataset's seed and from the chunk's label and number alone, so that neither
    the number of processes nor an interruption changes what is generated.

    >>> a, b = cut("w", 20, 10, label=2)
    >>> chunk_seed(1, a) == chunk_seed(1, b)
    False
    """
    state = np.random.SeedSequence([seed, chunk.label, chunk.number]).generate_state(1, np.uint64)
    return int(state[0] % 900_000_000) + 1
