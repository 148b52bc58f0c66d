"""Test vectors: the events that a shipped project is tried with.

Among them are events of the calibration, the ends of every feature's range, one step beyond
them, halves of a step, and quantities far outside. None is infinite or not a number, which
firmware has no word for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.targets.fixed_point import Lane

#: Events of the calibration, random corners of the range, and features that are taken to their
#: ends one at a time, at most.
_EVENTS, _CORNERS, _SINGLE = 64, 16, 32


@dataclass(frozen=True)
class Vectors:
    """Events to try a project with.

    Attributes
    ----------
    x : np.ndarray
        Physical quantities `(events, *shape)` float32.
    kinds : list of str
        What every event is there for.
    """

    x: np.ndarray
    kinds: list[str]

    def counts(self) -> dict[str, int]:
        """Return how many events there are of every kind, in their order."""
        return {kind: self.kinds.count(kind) for kind in dict.fromkeys(self.kinds)}


def choose(calibration: np.ndarray, lane: Lane | None, seed: int = 0) -> Vectors:
    """Choose events: ordinary ones, the ends of range, and beyond.

    Parameters
    ----------
    calibration
        Physical quantities `(events, *shape)`.
    lane
        The grid that the quantities are brought to; without one, the range of the calibration
        stands for it.
    seed
        Of the random corners.
    """
    rng = np.random.default_rng(seed)
    calibration = np.asarray(calibration, np.float64)
    shape = calibration.shape[1:]
    ordinary = calibration[:: max(1, len(calibration) // _EVENTS)][:_EVENTS]
    if lane is None:
        low, high = calibration.min(axis=0), calibration.max(axis=0)
        step = (high - low) / 2**12
    else:
        low, high, step = (
            np.broadcast_to(part, (1, *shape))[0]
            for part in (lane.lowest, lane.highest, np.where(lane.bits > 0, 2.0**-lane.f, 0.0))
        )
    corners = np.where(rng.random((_CORNERS, *shape)) < 0.5, low, high)
    groups = {
        "calibration": ordinary,
        "zero": np.zeros((1, *shape)),
        "ends of range": np.concatenate([low[None], high[None], corners]),
        "one feature at its ends": _single(ordinary[0], low, high),
        "half a step off the grid": ordinary[:8] + step / 2,
        "one step beyond": np.stack([low - step, high + step]),
        "far beyond": np.concatenate([ordinary[:8] * scale for scale in (-2.0, 1e3, 1e6)]),
    }
    largest = float(np.finfo(np.float32).max) / 2
    x = np.clip(np.concatenate(list(groups.values())), -largest, largest)
    kinds = [kind for kind, events in groups.items() for _ in events]
    x = x.astype(np.float32)
    return Vectors(x if lane is None else lane.within(x), kinds)


def _single(event: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return an event with one number after another at the lower and at the upper end."""
    tried = np.unique(np.linspace(0, event.size - 1, _SINGLE).astype(int))
    events = np.repeat(event.reshape(1, -1), 2 * len(tried), axis=0)
    for row, number in enumerate(tried):
        events[2 * row, number] = low.flat[number]
        events[2 * row + 1, number] = high.flat[number]
    return events.reshape(-1, *event.shape)


def described(chosen: Vectors, origin: str, differing: int | None = None) -> dict[str, Any]:
    """Return what `interface.json` says of the vectors.

    Parameters
    ----------
    chosen
        The events.
    origin
        Whose outputs are expected: `keras` where equal bits are owed, or else what ran here.
    differing
        Events on which what ran here differs from them; None where nothing ran.
    """
    kinds = chosen.counts()
    return {"events": len(chosen.x), "kinds": kinds, "expected": origin, "differing": differing}
