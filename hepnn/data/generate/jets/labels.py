"""Which jets are taken, and which class each is: by the nearest hard parton."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

PT_RANGE = (800.0, 1600.0)
MAX_ETA = 2.2
MAX_DISTANCE = 0.4

# PDG particle numbers of each class, in the order of ``columns.CLASSES``.
PARTONS = ((21,), (1, 2, 3), (24,), (23,), (6,))


def accepted(jets: Any) -> Any:
    """Mark the jets inside 800 < pT < 1600 GeV and |eta| < 2.2."""
    return (jets.pt > PT_RANGE[0]) & (jets.pt < PT_RANGE[1]) & (abs(jets.eta) < MAX_ETA)


def matched(jets: Any, partons: Any, label: int) -> Any:
    """Mark the jets whose nearest hard parton is of the class and within distance 0.4.

    Parameters
    ----------
    jets : awkward array, events x jets
        Momenta of the jets.
    partons : awkward array, events x partons
        Momenta and PDG numbers (``id``) of the hard partons.
    label : int
        Number of the class.
    """
    dy = jets.rapidity[:, :, np.newaxis] - partons.rapidity[:, np.newaxis, :]
    dphi = jets.phi[:, :, np.newaxis] - partons.phi[:, np.newaxis, :]
    dphi = (dphi + np.pi) % (2 * np.pi) - np.pi
    distance = np.sqrt(dy**2 + dphi**2)
    nearest = ak.argmin(distance, axis=2)
    kind = abs(partons.id[nearest])
    right = kind == PARTONS[label][0]
    for number in PARTONS[label][1:]:
        right = right | (kind == number)
    return ak.fill_none(right & (ak.min(distance, axis=2) < MAX_DISTANCE), False)
