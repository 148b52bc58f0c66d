"""Narrow variants: every architecture small enough for small data and firmware.

A module of an architecture names its own in `NARROW`, by what the support matrix calls them.
They are the paper's network with other hyper-parameters, so that every vocabulary and every
target can be tried on them in seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple


class Narrow(NamedTuple):
    """A narrow variant.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Of one event.
    hyper : mapping
        Hyper-parameters.
    masked : bool
        Whether the last feature of the input says which steps are there.
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    hyper: Mapping[str, Any]
    masked: bool = False


def variants() -> dict[str, tuple[str, Narrow]]:
    """Return every narrow variant with the name of its architecture."""
    from hepnn import architectures

    found = {}
    for name in sorted(architectures.ARCHITECTURES):
        module = sys.modules[architectures.get(name).__module__]
        for label, narrow in module.NARROW.items():
            found[label] = (name, narrow)
    return found
