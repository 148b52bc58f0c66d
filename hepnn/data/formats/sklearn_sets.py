"""Data sets that scikit-learn carries inside its package; the class number is `label`.

`digits` has `image` (8, 8, 1). `iris`, `wine` and `breast_cancer` have a column a feature, under
scikit-learn's name with underscores, and its unit apart: `sepal_length`, in cm.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hepnn.data.card import Source
from hepnn.data.formats.reader import ArrayReader, Column, Reader, options
from hepnn.errors import RecipeError, nearest

SETS = ("digits", "iris", "wine", "breast_cancer")


def open_set(source: Source, path: Path | None) -> Reader:
    """Load a set.

    Raises
    ------
    RecipeError
        If scikit-learn has no such set, or if the source names files.
    """
    from sklearn import datasets

    options(source, {})
    name = source.set or ""
    if name not in SETS:
        raise RecipeError(f"source.set: sklearn has no {name!r}; {nearest(name, SETS)}")
    if path is not None:
        raise RecipeError("source.files: a set of scikit-learn has none")
    loaded = getattr(datasets, f"load_{name}")()
    made = ArrayReader(f"sklearn.datasets.{name}")
    if name == "digits":
        made.hold("image", loaded.images[..., np.newaxis], Column("fixed", "float64", (8, 8, 1)))
    else:
        for title, values in zip(loaded.feature_names, loaded.data.T, strict=True):
            plain, _, unit = title.partition(" (")
            column = Column("flat", "float64", unit=unit.rstrip(")"))
            made.hold(re.sub(r"\W+", "_", plain), values, column)
    made.hold("label", loaded.target.astype(np.int64), Column("flat", "int64"))
    return made
