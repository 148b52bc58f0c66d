"""Standard scaling for fixed point: an offset on the grid and a power of two.

`z = (x - offset) * 2**-exponent`, with `exponent` the standard deviation's logarithm rounded
and `offset` the mean rounded to a quarter of `2**exponent`. In firmware that is a subtraction
of a few high bits and a shift, both exact; it is folded into the network, so that TFLite and
firmware take the physical quantities themselves.
"""

from __future__ import annotations

import numpy as np

#: Steps of the input grid a unit of z, as a power of two: 1/256 of a standard deviation.
RESOLUTION = 8

#: The offset's grid, in powers of two of the unit of z.
OFFSET_STEP = 2


def standard(x: np.ndarray, margin: int = 1) -> dict[str, np.ndarray]:
    """Fit the scaling and the input grid on training data.

    Parameters
    ----------
    x
        Physical quantities `(events, ..., features)`.
    margin
        Integer bits beyond the largest absolute value seen in training.

    Returns
    -------
    dict
        Arrays `(features,)`: `offset`, `exponent`; and the grid of the physical quantities,
        `signed` (0 or 1), `integer` bits without the sign and `fraction` bits; `offset_step`,
        the fraction bits of the scaled offset.
    """
    flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
    spread = flat.std(axis=0)
    exponent = np.round(np.log2(np.where(spread > 0, spread, 1.0))).astype(np.int64)
    step = 2.0 ** (exponent - OFFSET_STEP)
    offset = np.round(flat.mean(axis=0) / step) * step
    return _grid(flat, offset, exponent, margin)


def none(x: np.ndarray, margin: int = 1) -> dict[str, np.ndarray]:
    """Fit the input grid alone; the network takes the physical quantities as they are."""
    flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
    zero = np.zeros(flat.shape[-1])
    return _grid(flat, zero, zero.astype(np.int64), margin)


SCALINGS = {"standard": standard, "none": none}


def _grid(
    flat: np.ndarray, offset: np.ndarray, exponent: np.ndarray, margin: int
) -> dict[str, np.ndarray]:
    fraction = np.maximum(RESOLUTION - exponent, 0)
    fraction = np.where(np.all(flat == np.round(flat), axis=0), 0, fraction)
    largest = np.maximum(np.abs(flat).max(axis=0), 2.0**-fraction)
    return {
        "offset": offset,
        "exponent": exponent,
        "signed": (flat.min(axis=0) < 0).astype(np.int64),
        "integer": np.floor(np.log2(largest)).astype(np.int64) + 1 + margin,
        "fraction": fraction,
        "offset_step": np.full_like(exponent, OFFSET_STEP),
    }
