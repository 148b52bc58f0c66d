"""Which split an entry belongs to, from its place, its file, its identity or a condition.

Entries are counted over the whole set in the order of its files, those only that pass the
selection. A place is ranked by a seeded permutation of blocks of `BLOCK` entries, so that a
set is divided in pieces as it is divided whole.
"""

from __future__ import annotations

import numpy as np

from hepnn.recipe import AnySplits, ColumnSplits, FileSplits, FractionSplits, HashSplits

#: Entries that are permuted together.
BLOCK = 1 << 20

NAMES = ("train", "validation", "test")

#: Code of an entry that is in no split.
UNUSED = -1


def ranks(first: int, count: int, total: int, seed: int) -> np.ndarray:
    """Return the place of entries in the seeded order of their blocks.

    Parameters
    ----------
    first, count
        The entries `first` to `first + count - 1`.
    total
        Entries of the set; its last block may be shorter than `BLOCK`.
    seed
        Of the permutations.

    Returns
    -------
    np.ndarray
        `(count,)`, counted over the set: block `b` has the ranks from `b * BLOCK` on.
    """
    found = np.empty(count, np.int64)
    done = 0
    while done < count:
        block, inside = divmod(first + done, BLOCK)
        length = min(BLOCK, total - block * BLOCK)
        take = min(count - done, length - inside)
        order = np.random.default_rng([seed, block]).permutation(length)
        rank = np.empty(length, np.int64)
        rank[order] = np.arange(length)
        found[done : done + take] = block * BLOCK + rank[inside : inside + take]
        done += take
    return found


def codes(
    splits: AnySplits, rank: np.ndarray, total: int, limit: int | None, fixed: np.ndarray | None
) -> np.ndarray:
    """Return the split of each entry: 0 train, 1 validation, 2 test, or `UNUSED`.

    Parameters
    ----------
    splits
        How to divide.
    rank
        `(entries,)` of `ranks`.
    total
        Entries of the set.
    limit
        Only so many entries, those of the lowest rank, are used.
    fixed
        What `splits` needs to know of each entry: `hashes` for `hash`, the split's code for
        `file`, whether it is a test entry for `column`.
    """
    used = total if limit is None else min(limit, total)
    block = rank // BLOCK
    chosen = np.clip(used - block * BLOCK, 0, BLOCK)
    place = rank - block * BLOCK
    found: np.ndarray
    if isinstance(splits, FileSplits):
        found = np.asarray(fixed, np.int8)
    elif isinstance(splits, ColumnSplits):
        kept = np.round(chosen * (1 - splits.validation) + 1e-9)
        found = np.where(np.asarray(fixed, bool), 2, (place >= kept).astype(np.int8))
    elif isinstance(splits, HashSplits):
        found = np.searchsorted(_ends(splits), np.asarray(fixed, np.float64), side="right")
    else:
        ends = np.round(chosen[:, None] * _ends(splits) + 1e-9)
        found = (place[:, None] >= ends).sum(axis=1)
    return np.where((place < chosen) & (found < 3), found, UNUSED).astype(np.int8)


def hashes(identity: list[np.ndarray], seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each event, from what identifies it alone.

    The finalizer of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014, figure 17),
    over the seed and one whole number after another: the same on every machine.

    Parameters
    ----------
    identity
        Arrays `(events,)` of whole numbers, as run, block and event number.
    seed
        Of the division.
    """
    state = np.full(len(identity[0]), seed, np.uint64)
    for column in identity:
        state = _mix(state ^ np.asarray(column).astype(np.int64).view(np.uint64))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        state = state + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


def _ends(splits: FractionSplits) -> np.ndarray:
    return np.cumsum([splits.train, splits.validation, splits.test])
