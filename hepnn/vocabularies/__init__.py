"""The layers an architecture is written with.

An architecture calls `nn.Dense`, `nn.Conv2D`, ... and never Keras itself. Which `nn` it is
given decides what comes out of the same body: a float network, one with HGQ2's learned bit
widths, or one with the fixed bit widths of the QKeras API.
"""

from __future__ import annotations

from typing import Any

from hepnn import tables

VOCABULARIES = {
    "float": "hepnn.vocabularies.floating:Float",
    "hgq": "hepnn.vocabularies.hgq:HGQ",
    "qkeras": "hepnn.vocabularies.qkeras:QKeras",
}


def get(name: str, **options: Any) -> Any:
    """Return a vocabulary, made with its options (bit widths, rounding, ...).

    Raises
    ------
    RecipeError
        If no such vocabulary exists.
    """
    return tables.load(VOCABULARIES, name, "vocabulary")(**options)
