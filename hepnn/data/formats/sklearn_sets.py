"""Data sets that scikit-learn carries inside its package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn import datasets

from hepnn.data.card import Card
from hepnn.data.table import Columns
from hepnn.errors import DataError, nearest

_SETS = {"digits": datasets.load_digits}


def read(card: Card, folder: Path, features: list[str]) -> Columns:
    """Return the images of a set `(events, height, width, 1)` and its class numbers.

    Raises
    ------
    DataError
        If scikit-learn has no such set.
    """
    name = card.source.set or ""
    if name not in _SETS:
        raise DataError(f"dataset {card.name}: no set {name!r}; {nearest(name, _SETS)}")
    loaded = _SETS[name]()
    return loaded.images[..., np.newaxis], loaded.target, np.ones(len(loaded.target))
