"""The columns of the jets and of their constituents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hepnn.data.generate.jets.columns import CONSTITUENTS, OBSERVERS
from hepnn.data.generate.store import jagged, rounded
from hepnn.data.physics.kinematics import Floats


def jets_table(features: dict[str, Floats], observers: Floats, label: NDArray[np.int8]) -> pa.Table:
    """Name the columns of the jets.

    Parameters
    ----------
    features : dict of array, shape (jets,)
        By the names of their columns, in order.
    observers : array, shape (jets, 3)
        As in ``columns.OBSERVERS``.
    label : array, shape (jets,)
        Numbers of the classes.
    """
    columns: dict[str, NDArray[Any]] = {name: rounded(values) for name, values in features.items()}
    columns["class"] = label
    columns |= {c.name: rounded(observers[:, i]) for i, c in enumerate(OBSERVERS)}
    return pa.table(columns)


def constituents_table(
    constituents: Floats, observers: Floats, label: NDArray[np.int8]
) -> pa.Table:
    """Name the columns of the constituents: a list a jet, as long as there are constituents.

    Parameters
    ----------
    constituents : array, shape (jets, 32, 4)
        As in ``columns.CONSTITUENTS``; rows without transverse momentum are padding.
    observers, label
        As for :func:`jets_table`.
    """
    present = constituents[:, :, 0] > 0
    counts = present.sum(axis=1)
    columns: dict[str, Any] = {}
    for i, column in enumerate(CONSTITUENTS):
        values = constituents[:, :, i][present]
        columns[column.name] = jagged(
            values.astype(np.int8) if column.name == "charge" else values, counts
        )
    columns["class"] = label
    columns |= {c.name: rounded(observers[:, i]) for i, c in enumerate(OBSERVERS)}
    return pa.table(columns)
