"""Four-momenta in expressions: vector's, over awkward arrays, in double precision.

Single precision would lose the mass of a boosted pair, the small difference of large squares.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn.data.eventwise import (
    aligned,
    floats,
    is_awkward,
    is_momenta,
    lists,
    numbers,
    ragged,
    rank,
)
from hepnn.data.formats.reader import awkward
from hepnn.errors import missing_extra

#: What can be asked of four-momenta, and vector's name for it.
ATTRIBUTES = {
    "pt": "pt",
    "px": "px",
    "py": "py",
    "pz": "pz",
    "E": "energy",
    "energy": "energy",
    "eta": "eta",
    "phi": "phi",
    "mass": "mass",
    "m": "mass",
    "rapidity": "rapidity",
    "theta": "theta",
    "mt": "mt",
}


def p4(pt: Any, eta: Any, phi: Any, mass: Any) -> Any:
    """Return four-momenta from transverse momentum, pseudorapidity, azimuth and mass."""
    return _zipped({"pt": pt, "eta": eta, "phi": phi, "mass": mass})


def p4_xyz(px: Any, py: Any, pz: Any, energy: Any) -> Any:
    """Return four-momenta from Cartesian components."""
    return _zipped({"px": px, "py": py, "pz": pz, "energy": energy})


def attribute(momenta: Any, name: str) -> Any:
    """Return a quantity of four-momenta: a row of `ATTRIBUTES`."""
    return getattr(_momenta(momenta), ATTRIBUTES[name])


def total(momenta: Any) -> Any:
    """Return the sum of each list."""
    return awkward().sum(lists(momenta), axis=-1)


def first(momenta: Any) -> Any:
    """Return the first of each list; of an empty list one whose components are NaN."""
    ak = awkward()
    taken = ak.firsts(lists(momenta), axis=1)
    filled = {name: ak.fill_none(taken[name], np.nan) for name in taken.fields}
    return ak.zip(filled, with_name="Momentum4D", behavior=momenta.behavior)


def delta_phi(a: Any, b: Any) -> Any:
    """Return the difference of two azimuths, or of the azimuths of four-momenta, in [-pi, pi)."""
    one, other = (
        attribute(value, "phi") if is_momenta(value) else floats(numbers(value)) for value in (a, b)
    )
    one, other = aligned(one, other)
    return (one - other + np.pi) % (2 * np.pi) - np.pi


def delta_r(a: Any, b: Any) -> Any:
    """Return the distance of four-momenta in pseudorapidity and azimuth."""
    return _momenta(a).deltaR(_momenta(b))


def pairs(value: Any, member: int) -> Any:
    """Return the first (0) or second (1) members of all pairs in each list."""
    return awkward().unzip(awkward().combinations(ragged(lists(value)), 2, axis=1))[member]


def _momenta(value: Any) -> Any:
    if not is_momenta(value):
        raise ValueError("numbers where four-momenta are needed: p4(pt, eta, phi, mass)")
    return value


def _zipped(components: dict[str, Any]) -> Any:
    ak = awkward()
    try:
        import vector
    except ImportError as error:
        raise missing_extra("vector", "hep", "a four-momentum") from error
    values = [floats(numbers(value), double=True) for value in components.values()]
    if max(rank(value) for value in values) == 0:
        raise ValueError("four-momenta of constants alone")
    # A list in one component makes lists of all.
    ragged_ = [ragged(value) if rank(value) > 1 else value for value in values]
    whole = ak.broadcast_arrays(*ragged_)
    plain = [value if is_awkward(value) else ak.Array(value) for value in whole]
    return vector.zip(dict(zip(components, plain, strict=True)))
