"""Boxes on a cylinder, and where it can be cut open without cutting a box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hepnn.data.generate.calorimeter.cards import COLUMNS, ROWS

Ints = NDArray[np.int64]


class Rectangles(NamedTuple):
    """Boxes in whole cells, arrays `(boxes,)`: first row and column, height and width.

    A box that begins at column c covers c to c + width - 1, counted around the cylinder.
    """

    row: Ints
    column: Ints
    height: Ints
    width: Ints


def boxes_of(row: Ints, column: Ints, box: Ints, boxes: int) -> Rectangles:
    """Return the smallest boxes that hold cells.

    Parameters
    ----------
    row, column : array, shape (cells,)
        The cells; those of one box lie within half a turn.
    box : array, shape (cells,)
        Which box each cell belongs to; every box has at least one.
    boxes : int
        How many boxes there are.

    Examples
    --------
    >>> found = boxes_of(*(np.array(x) for x in ([3, 5], [63, 1], [0, 0])), 1)
    >>> [int(value[0]) for value in found]
    [3, 63, 3, 3]
    """
    anchor = np.zeros(boxes, np.int64)
    anchor[box] = column
    turn = (column - anchor[box] + COLUMNS // 2) % COLUMNS - COLUMNS // 2
    low_row, high_row = np.full(boxes, ROWS), np.full(boxes, -1)
    low_turn, high_turn = np.full(boxes, COLUMNS), np.full(boxes, -COLUMNS)
    for low, high, value in ((low_row, high_row, row), (low_turn, high_turn, turn)):
        np.minimum.at(low, box, value)
        np.maximum.at(high, box, value)
    first = (anchor + low_turn) % COLUMNS
    return Rectangles(low_row, first, high_row - low_row + 1, high_turn - low_turn + 1)


def free_seams(boxes: Rectangles, event: Ints, events: int) -> NDArray[np.bool_]:
    """Mark the columns `(events, columns)` before which no box of the event is cut.

    Parameters
    ----------
    boxes : Rectangles
        Of all events.
    event : array, shape (boxes,)
        The event of each box.
    events : int
        How many events there are.
    """
    behind = (np.arange(COLUMNS) - boxes.column[:, np.newaxis]) % COLUMNS
    cuts = (behind > 0) & (behind < boxes.width[:, np.newaxis])
    free = np.ones((events, COLUMNS), bool)
    np.logical_and.at(free, event, ~cuts)
    return free
