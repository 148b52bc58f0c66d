"""What the anomaly dataset's columns are: objects of each kind, leading first, in one order."""

from __future__ import annotations

from typing import NamedTuple


class Objects(NamedTuple):
    """A kind of objects in an event.

    Attributes
    ----------
    name : str
        Of one of them.
    number : int
        How many of them are stored.
    min_pt : float
        Least transverse momentum in GeV.
    max_eta : float
        Largest absolute pseudorapidity.
    """

    name: str
    number: int
    min_pt: float
    max_eta: float


ELECTRONS = Objects("electron", 4, 3.0, 2.5)
MUONS = Objects("muon", 4, 3.0, 2.4)
JETS = Objects("jet", 10, 15.0, 4.0)
KINDS = (ELECTRONS, MUONS, JETS)

QUANTITIES = (
    ("pt", "GeV", "transverse momentum"),
    ("eta", "1", "pseudorapidity"),
    ("phi", "rad", "azimuth in [-pi, pi]"),
)


def features() -> list[dict[str, str]]:
    """Describe all features, as a data card does.

    >>> len(features())
    56
    """
    rows = [
        {"name": "met_pt", "unit": "GeV", "description": "missing transverse momentum"},
        {"name": "met_phi", "unit": "rad", "description": "its azimuth in [-pi, pi]"},
    ]
    for kind in KINDS:
        for rank in range(1, kind.number + 1):
            for quantity, unit, description in QUANTITIES:
                rows.append(
                    {
                        "name": f"{kind.name}_{rank}_{quantity}",
                        "unit": unit,
                        "description": f"{description} of {kind.name} {rank}; 0 if there is none",
                    }
                )
    return rows
