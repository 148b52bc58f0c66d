"""Small sets that are made up when they are opened: what lectures draw on the board.

A set is a module with `Options` (a `hepnn.declarations.Declaration`, every key with a default,
`seed` among them) and `make(options) -> dict`, columns by name: arrays of one length. The same
options give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hepnn import declarations, tables

SETS = {
    "logic": "hepnn.data.synthetic.logic",
    "two-moons": "hepnn.data.synthetic.moons",
    "spirals": "hepnn.data.synthetic.spirals",
    "function": "hepnn.data.synthetic.functions",
    "adding": "hepnn.data.synthetic.adding",
    "copy": "hepnn.data.synthetic.copying",
    "sine": "hepnn.data.synthetic.sine",
}


def make(name: str, options: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Make a set.

    Parameters
    ----------
    name
        A row of `SETS`.
    options
        Those of the set's `Options` that are not to be the defaults.

    Returns
    -------
    dict
        Columns by name: flat `(entries,)` or fixed `(entries, length)`.

    Raises
    ------
    RecipeError
        If there is no such set or option, naming the nearest, or a value is not what it takes.

    Examples
    --------
    >>> make("logic", {"gate": "xor", "repeats": 1})["class"].tolist()
    [0, 1, 1, 0]
    """
    family = tables.load(SETS, name, "synthetic set")
    chosen = declarations.parse(family.Options, dict(options), f"synthetic {name}: source.options")
    columns: dict[str, np.ndarray] = family.make(chosen)
    return columns
