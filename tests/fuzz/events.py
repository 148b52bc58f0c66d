"""What random networks are asked: usual events, the ends of their ranges, ties, and far beyond."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from hepnn.data import scaling

#: Events in range, that integer bits are taken from and targets calibrated on.
CALIBRATION = 200


def shape(rng: np.random.Generator, axes: int) -> tuple[int, ...]:
    if axes == 1:
        return (int(rng.integers(3, 9)),)
    if axes == 2:
        return int(rng.choice([2, 3, 4, 4, 5])), int(rng.integers(2, 5))
    return int(rng.integers(3, 7)), int(rng.integers(3, 7)), int(rng.integers(1, 4))


def calibration(
    rng: np.random.Generator, shape: tuple[int, ...], mask: bool, scaled: bool
) -> np.ndarray:
    """Return events, their features of very different size where the network scales them."""
    size = 10.0 ** (rng.uniform(-2, 3, shape[-1]) if scaled else rng.uniform(-0.3, 1))
    centre = rng.choice([0.0, 1.5, -1.0, 3.0], shape[-1])
    x = size * (rng.normal(size=(CALIBRATION, *shape)) + centre)
    return _with_mask(x.astype(np.float32), rng) if mask else x.astype(np.float32)


def _with_mask(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    places = x.shape[1]
    real = rng.integers(0, places + 1, (len(x), 1)) > np.arange(places)
    x = np.where(real[..., None], x, 0).astype(np.float32)
    x[..., -1] = real
    return x


def scales(x: np.ndarray, mask: bool) -> dict[str, np.ndarray]:
    from hepnn.data import statistics

    known = statistics.of(x)
    features = x.shape[-1]
    return scaling.fit(known, ["standard"] * (features - mask) + ["none"] * mask)


def trying(x: np.ndarray, rng: np.random.Generator, model: Any, mask: bool) -> np.ndarray:
    """Return the calibration events and others: in range, at its ends, at ties, far beyond."""
    from hepnn.targets.fixed_point import first_lane

    shape = x.shape[1:]
    low, high = x.min(axis=0), x.max(axis=0)
    inside = rng.uniform(low, high, (150, *shape))
    ends = np.where(rng.random((60, *shape)) < 0.5, low, high)
    one = [1] * len(shape)
    beyond = rng.normal(size=(150, *shape)) * 10.0 ** rng.integers(-3, 7, (150, *one))
    parts = [inside, ends, x[:40] * 50, beyond]
    if mask:
        parts = [_with_mask(part, rng) for part in parts]
    found = first_lane(model)
    if found is not None:
        draw = partial(_on_lane, rng, found[1], shape)
        parts += [draw(0.0), draw(0.5), draw(np.nextafter(np.float32(0.5), np.float32(1)))]
    return np.concatenate([x, *parts]).astype(np.float32)


def _on_lane(rng: np.random.Generator, lane: Any, shape: tuple[int, ...], off: float) -> np.ndarray:
    """Return events at the ends of an input lane, a few steps and `off` steps from them."""
    ends = np.where(rng.random((60, *shape)) < 0.5, lane.lowest, lane.highest)
    return ends + (rng.integers(-2, 3, ends.shape) + off) * 2.0**-lane.f
