"""Scaling for fixed point: an offset on the grid and a power of two.

`z = (x - offset) * 2**-exponent`. For `standard`, `exponent` is the standard deviation's
logarithm rounded and `offset` the mean rounded to a quarter of `2**exponent`; for `minmax` the
range's logarithm rounded up and the lowest value rounded down, so that z lies within 0 to 1.25.
In firmware that is a subtraction of a few high bits and a shift, both exact; it is folded into
the network, so that TFLite and firmware take the physical quantities themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hepnn.data import statistics
from hepnn.data.statistics import Statistics

#: Steps of the input grid a unit of z, as a power of two: 1/256 of a standard deviation.
RESOLUTION = 8

#: The offset's grid, in powers of two of the unit of z.
OFFSET_STEP = 2

#: How each of a card's scalings is folded; a transform came before.
FOLDED = {
    "standard": "standard",
    "log": "standard",
    "asinh": "standard",
    "minmax": "minmax",
    "none": "none",
}


def fit(known: Statistics, wanted: Sequence[str], margin: int = 1) -> dict[str, np.ndarray]:
    """Fit the scaling and the input grid on what is known of the training data.

    Parameters
    ----------
    known
        Statistics of the inputs `(features,)`.
    wanted
        A scaling a feature, as a card names them.
    margin
        Integer bits beyond the largest absolute value seen in training.

    Returns
    -------
    dict
        Arrays `(features,)`: `offset`, `exponent`; and the grid of the physical quantities,
        `signed` (0 or 1), `integer` bits without the sign and `fraction` bits; `offset_step`,
        the fraction bits of the scaled offset.
    """
    kind = np.array([FOLDED[name] for name in wanted])
    seen = known.events > 0
    low = np.where(np.isfinite(known.lowest), known.lowest, 0.0) * seen
    high = np.where(np.isfinite(known.highest), known.highest, 0.0) * seen
    spread = known.std
    by_spread = np.round(np.log2(np.where(spread > 0, spread, 1.0)))
    span = np.where(high > low, high - low, 1.0)
    by_range = np.ceil(np.log2(span))
    exponent = np.select([kind == "standard", kind == "minmax"], [by_spread, by_range])
    step = 2.0 ** (exponent - OFFSET_STEP)
    offset = np.select(
        [kind == "standard", kind == "minmax"],
        [np.round(known.mean / step) * step, np.floor(low / step) * step],
    )
    exponent = exponent.astype(np.int64)
    fraction = np.where(known.whole, 0, np.maximum(RESOLUTION - exponent, 0))
    largest = np.maximum(np.maximum(np.abs(low), np.abs(high)), 2.0**-fraction)
    return {
        "offset": offset,
        "exponent": exponent,
        "signed": (low < 0).astype(np.int64),
        "integer": np.floor(np.log2(largest)).astype(np.int64) + 1 + margin,
        "fraction": fraction,
        "offset_step": np.full_like(exponent, OFFSET_STEP),
    }


def standard(x: np.ndarray, margin: int = 1) -> dict[str, np.ndarray]:
    """Fit the standard scaling of every feature on events `(events, ..., features)`."""
    known = statistics.of(x)
    return fit(known, ["standard"] * x.shape[-1], margin)
