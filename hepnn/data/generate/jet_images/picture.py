"""Jets in one position, so that their pictures can be compared pixel by pixel.

The jet's axis is the centre; the picture is turned until the softer of two subjets lies straight
below, as in arXiv:1407.5675, and flipped until the right half has more transverse momentum, as
in arXiv:1511.05190. Rows count downward, as in pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.kinematics import Floats


def turned(row: Floats, column: Floats, to_row: Floats, to_column: Floats) -> tuple[Floats, Floats]:
    """Turn points about the origin so that a direction becomes straight down.

    Parameters
    ----------
    row, column : array
        The points.
    to_row, to_column : array
        For each point, the direction; (0, 0) leaves the point where it is.

    Examples
    --------
    >>> row, column = turned(*(np.array([x]) for x in (0.0, 2.0, 0.0, 5.0)))
    >>> float(row[0]), float(column[0])
    (2.0, 0.0)
    """
    length = np.hypot(to_row, to_column)
    cosine = np.divide(to_row, length, out=np.ones_like(length), where=length > 0)
    sine = np.divide(to_column, length, out=np.zeros_like(length), where=length > 0)
    return row * cosine + column * sine, column * cosine - row * sine


def flipped(column: Floats, weight: Floats, picture: NDArray[np.integer]) -> Floats:
    """Mirror pictures so that the right half has the larger sum of weights.

    Parameters
    ----------
    column, weight : array, shape (points,)
        Position from left to right, and weight.
    picture : array, shape (points,)
        Number of each point's picture, from 0.
    """
    balance = np.bincount(picture, np.sign(column) * weight)
    return np.where(balance < 0, -1.0, 1.0)[picture] * column
