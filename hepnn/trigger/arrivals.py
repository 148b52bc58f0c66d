"""When events come: seeded times, in blocks, so that an endless stream takes no memory.

`poisson` events are independent. `bunches` come only with filled bunches of the LHC: an orbit
has 3564 slots of 25 ns, of which the nominal scheme fills 2808 in 39 trains of 72,

    3564 = {[(72b+8e) x 3 + 30e] x 2 + [(72b+8e) x 4 + 31e]} x 3 + {[(72b+8e) x 3 + 30e] x 3 + 81e}

with b a filled and e an empty slot (R. Bailey, P. Collier, "Standard filling schemes for various
LHC operation modes", LHC-PROJECT-NOTE-323, 2003). Each filled slot has an event or none, with
equal chance. `fast` events come as soon as they are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from hepnn.errors import RecipeError, nearest

#: Times that are drawn at once.
BLOCK = 1 << 12

#: Length of a slot in ns: ten radio-frequency periods at 400.79 MHz.
SLOT_NS = 10e3 / 400.79

#: Slots of an orbit.
SLOTS = 3564


def filled() -> np.ndarray:
    """Return the numbers of the filled slots `(2808,)`, from 0.

    >>> len(filled())
    2808
    """
    batch = [1] * 72 + [0] * 8
    three, four = batch * 3 + [0] * 30, batch * 4 + [0] * 31
    return np.flatnonzero((three * 2 + four) * 3 + three * 3 + [0] * 81)


def times(kind: str, rate: float | None, seed: int) -> Iterator[np.ndarray] | None:
    """Return blocks of times after the start, int64 ns, without end; None for `fast`.

    Parameters
    ----------
    kind
        A row of `ARRIVALS`, or `fast`.
    rate
        Events a second on average, in Hz.
    seed
        Same seed, same times.

    Raises
    ------
    RecipeError
        If there is no such kind, or the rate is missing, or more than there are bunches.
    """
    if kind == "fast":
        return None
    if kind not in ARRIVALS:
        raise RecipeError(f"unknown arrivals {kind!r}; {nearest(kind, (*ARRIVALS, 'fast'))}")
    if rate is None or not 0 < rate < float("inf"):
        raise RecipeError(f"{kind} arrivals need the rate that comes in: --rate HZ")
    most = len(filled()) / (SLOTS * SLOT_NS * 1e-9)
    if kind == "bunches" and rate > most:
        raise RecipeError(f"--rate {rate:g}: at most {most:.4g} Hz of bunches cross")
    return ARRIVALS[kind](rate, np.random.default_rng(seed))


def _poisson(rate: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    last = 0.0
    while True:
        found = last + np.cumsum(rng.exponential(1e9 / rate, BLOCK))
        last = float(found[-1])
        yield found.astype(np.int64)


def _bunches(rate: float, rng: np.random.Generator) -> Iterator[np.ndarray]:
    slots = filled()
    chance = min(rate * SLOTS * SLOT_NS * 1e-9 / len(slots), 1.0)
    last = -1
    while True:
        crossing = last + np.cumsum(rng.geometric(chance, BLOCK))
        last = int(crossing[-1])
        orbit, place = np.divmod(crossing, len(slots))
        yield ((orbit * SLOTS + slots[place]) * SLOT_NS).astype(np.int64)


ARRIVALS: dict[str, Callable[[float, np.random.Generator], Iterator[np.ndarray]]] = {
    "poisson": _poisson,
    "bunches": _bunches,
}
