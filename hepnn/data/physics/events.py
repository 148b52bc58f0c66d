"""Proton collisions by Pythia 8 (arXiv:2203.11601), in batches of awkward arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hepnn.errors import DataError, missing_extra

try:
    import awkward as ak
    import pythia8mc
    import vector
except ImportError as error:
    raise missing_extra(error.name or "pythia8mc", "hep", "generating jets") from error

vector.register_awkward()

HIGGS = 25
NEUTRINOS = (12, 14, 16)
FIRST_INCOMING = 3
INTERMEDIATE, OUTGOING = -22, -23


class Batch(NamedTuple):
    """Events: what can be seen of them, and the hard partons they came from."""

    particles: Any
    partons: Any


class Generator:
    """Pythia, steered by command cards.

    Parameters
    ----------
    cards : sequence of Path
        Pythia command cards, read in this order.
    seed : int
        Between 1 and 900,000,000.

    Raises
    ------
    DataError
        When Pythia does not take a card.
    """

    def __init__(self, cards: Sequence[Path], seed: int) -> None:
        self.pythia = pythia8mc.Pythia("", False)
        self.pythia.readString("Print:quiet = on")
        for card in cards:
            if not self.pythia.readFile(str(card)):
                raise DataError(f"{card}: Pythia refuses a line of it; see its message above")
        self.pythia.readString("Random:setSeed = on")
        self.pythia.readString(f"Random:seed = {seed}")
        if not self.pythia.init():
            raise DataError(f"{cards[-1]}: Pythia cannot start from it")
        self._charges: dict[int, float] = {}

    def batches(self, size: int) -> Iterator[Batch]:
        """Generate events without end, ``size`` at a time."""
        while True:
            yield split(self.pythia.nextBatch(size).prt)

    def charge(self, identity: np.ndarray) -> np.ndarray:
        """Return electric charges in units of e for PDG particle numbers."""
        kinds, where = np.unique(identity, return_inverse=True)
        for kind in kinds.tolist():
            if kind not in self._charges:
                self._charges[kind] = self.pythia.particleData.charge(kind)
        return np.array([self._charges[kind] for kind in kinds.tolist()])[where]


def split(record: Any) -> Batch:
    """Split event records into visible final particles and hard partons.

    A hard parton is what leaves the hardest collision: produced by the incoming partons, or
    by the scalar that they make.
    """
    seen = record.status > 0
    kind = abs(record.id)
    for neutrino in NEUTRINOS:
        seen = seen & (kind != neutrino)
    hard = (record.status == INTERMEDIATE) | (record.status == OUTGOING)
    from_scalar = record.id[record.mother1] == HIGGS
    hard = hard & (kind != HIGGS) & ((record.mother1 == FIRST_INCOMING) | from_scalar)
    return Batch(momenta(record[seen]), momenta(record[hard]))


def momenta(record: Any) -> Any:
    """Name the four-momenta of an event record as fastjet and vector expect them."""
    p = record.p
    columns = {"px": p.px, "py": p.py, "pz": p.pz, "E": p.e, "id": record.id}
    return ak.zip(columns, with_name="Momentum4D")
