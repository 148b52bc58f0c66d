"""Flavour of jets by the hadrons in them, as ATLAS defines it (arXiv:1907.05120, section 3).

A jet is a b jet if a weakly decaying b hadron with pT > 5 GeV lies within 0.3 of its axis in
pseudorapidity and azimuth; else a c jet if a c hadron does; else a light jet. A hadron is given
to the nearest jet only. (tau jets, ATLAS's fourth kind, are light here.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepnn.data.physics.events import momenta
from hepnn.errors import missing_extra

try:
    import awkward as ak
    import vector
except ImportError as error:
    raise missing_extra(error.name or "awkward", "hep", "labelling jets") from error

vector.register_awkward()

FLAVOURS = ("light", "c", "b")
CHARM, BOTTOM = 4, 5
MIN_PT = 5.0
MAX_DISTANCE = 0.3


def carries(identity: NDArray[np.integer[Any]], quark: int) -> NDArray[np.bool_]:
    """Mark the hadrons that hold a quark and not its antiquark too, by their PDG numbers.

    Quarks, diquarks and quarkonia are not marked.

    Examples
    --------
    >>> carries(np.array([511, -5122, 10513, 553, 5, 5103, 421]), 5).tolist()
    [True, True, True, False, False, False, False]
    """
    number = np.abs(identity)
    first, second, third = (number // 10**place % 10 for place in (3, 2, 1))
    hadron = (number > 100) & (number < 10**7) & (third > 0)
    meson = (first == 0) & ((second == quark) != (third == quark))
    baryon = (first > 0) & ((first == quark) | (second == quark) | (third == quark))
    return hadron & (meson | baryon)


def heavy_hadrons(record: Any, quark: int) -> Any:
    """Return the weakly decaying hadrons of a flavour, events x hadrons, as four-momenta.

    They are those that no hadron of the flavour comes from: excited states and the first of
    an oscillating pair are left out.

    Parameters
    ----------
    record : awkward array, events x particles
        Whole event records.
    quark : int
        4 for charm, 5 for bottom.
    """
    counts = ak.to_numpy(ak.num(record))
    first = np.concatenate([[0], np.cumsum(counts)])[:-1]
    heavy = carries(ak.to_numpy(ak.flatten(record.id)), quark)
    mother = ak.to_numpy(ak.flatten(record.mother1)) + np.repeat(first, counts)
    decays_on = np.zeros(len(heavy), bool)
    decays_on[mother[heavy]] = True
    return momenta(record[ak.unflatten(heavy & ~decays_on, counts)])


def flavour(jets: Any, record: Any) -> Any:
    """Return the flavour of jets as an index of ``FLAVOURS``, events x jets.

    Parameters
    ----------
    jets : awkward array, events x jets
        Momenta of the jets.
    record : awkward array, events x particles
        Whole records of the same events.
    """
    kind = ak.zeros_like(jets.pt, dtype=np.int8)
    for quark, name in ((CHARM, "c"), (BOTTOM, "b")):
        hadrons = heavy_hadrons(record, quark)
        has = holds(jets, hadrons[hadrons.pt > MIN_PT])
        kind = ak.where(has, np.int8(FLAVOURS.index(name)), kind)
    return kind


def holds(jets: Any, hadrons: Any) -> Any:
    """Mark the jets that are nearest to a hadron and within distance 0.3 of it, events x jets."""
    deta = jets.eta[:, :, np.newaxis] - hadrons.eta[:, np.newaxis, :]
    dphi = jets.phi[:, :, np.newaxis] - hadrons.phi[:, np.newaxis, :]
    distance = np.hypot(deta, (dphi + np.pi) % (2 * np.pi) - np.pi)
    nearest = ak.min(distance, axis=1)[:, np.newaxis, :]
    mine = (distance == nearest) & (distance < MAX_DISTANCE)
    return ak.any(mine, axis=2)
