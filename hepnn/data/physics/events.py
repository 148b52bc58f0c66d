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
    commands : sequence of str
        Further commands, read after the cards.

    Raises
    ------
    DataError
        When Pythia does not take a card.
    """

    def __init__(self, cards: Sequence[Path], seed: int, commands: Sequence[str] = ()) -> None:
        self.pythia = pythia8mc.Pythia("", False)
        self.pythia.readString("Print:quiet = on")
        for card in cards:
            if not self.pythia.readFile(str(card)):
                raise DataError(f"{card}: Pythia refuses a line of it; see its message above")
        for command in commands:
            if not self.pythia.readString(command):
                raise DataError(f"Pythia refuses {command!r}; see its message above")
        self.pythia.readString("Random:setSeed = on")
        self.pythia.readString(f"Random:seed = {seed}")
        if not self.pythia.init():
            raise DataError(f"{cards[-1]}: Pythia cannot start from it")
        self._charges: dict[int, float] = {}

    def records(self, size: int) -> Iterator[Any]:
        """Generate whole event records without end, ``size`` events at a time."""
        while True:
            yield self.pythia.nextBatch(size).prt

    def batches(self, size: int) -> Iterator[Batch]:
        """Generate events without end, ``size`` at a time."""
        return (split(record) for record in self.records(size))

    def particles(self, record: Any) -> Any:
        """Return the final particles of records but neutrinos, with a field ``charge``."""
        found = momenta(record[visible(record)])
        charge = self.charge(ak.to_numpy(ak.flatten(found.id)))
        return ak.with_field(found, ak.unflatten(charge, ak.num(found)), "charge")

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
    kind = abs(record.id)
    hard = (record.status == INTERMEDIATE) | (record.status == OUTGOING)
    from_scalar = record.id[record.mother1] == HIGGS
    hard = hard & (kind != HIGGS) & ((record.mother1 == FIRST_INCOMING) | from_scalar)
    return Batch(momenta(record[visible(record)]), momenta(record[hard]))


def visible(record: Any) -> Any:
    """Mark the final particles of event records, but neutrinos."""
    seen = record.status > 0
    for neutrino in NEUTRINOS:
        seen = seen & (abs(record.id) != neutrino)
    return seen


def production(record: Any) -> tuple[Any, Any, Any]:
    """Return where the particles of :func:`visible` were made: x, y, z in mm, events x particles.

    Pythia notes no place for what is made at the collision itself, the origin.
    """
    place = record[visible(record)].vProd
    x, y, z = (ak.fill_none(place[name], 0.0) for name in ("px", "py", "pz"))
    return x, y, z


def momenta(record: Any) -> Any:
    """Name the four-momenta of an event record as fastjet and vector expect them."""
    p = record.p
    columns = {"px": p.px, "py": p.py, "pz": p.pz, "E": p.e, "id": record.id}
    return ak.zip(columns, with_name="Momentum4D")
