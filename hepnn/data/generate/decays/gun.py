"""Pythia 8 (arXiv:2203.11601) without a collision: one particle at rest that decays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hepnn.data.generate.decays.chains import by_number
from hepnn.errors import DataError, missing_extra

try:
    import pythia8mc
except ImportError as error:
    raise missing_extra("pythia8mc", "hep", "generating decays") from error

# Pythia's status of what is put into its record, to be worked on.
FRESH = 1
TRIES = 100


class Gun:
    """Pythia, steered by a command card.

    Parameters
    ----------
    card : Path
        Pythia command card.
    heads : sequence of int
        PDG numbers of the particles that will be asked for.
    seed : int
        Between 1 and 900,000,000.

    Raises
    ------
    DataError
        When Pythia does not take the card, or a head is unknown to it or has no decays.
    """

    def __init__(self, card: Path, heads: Sequence[int], seed: int) -> None:
        self.pythia = pythia8mc.Pythia("", False)
        self.pythia.readString("Print:quiet = on")
        if not self.pythia.readFile(str(card)):
            raise DataError(f"{card}: Pythia refuses a line of it; see its message above")
        self.pythia.readString("Random:setSeed = on")
        self.pythia.readString(f"Random:seed = {seed}")
        if not self.pythia.init():
            raise DataError(f"{card}: Pythia cannot start from it")
        particles = self.pythia.particleData
        for head in heads:
            if not particles.isParticle(head):
                raise DataError(f"heads: Pythia knows no particle {head}")
            if not particles.canDecay(head) or not particles.mayDecay(head):
                raise DataError(f"heads: {particles.name(head)} ({head}) does not decay")

    def vocabulary(self, names: Sequence[str], folder: Path) -> dict[int, int]:
        """Return the tokens by PDG number, see `chains.by_number`."""
        return by_number(names, self.pythia.particleData, folder)

    def either(self, head: int, anti: bool) -> int:
        """Return the PDG number of a particle, or of its antiparticle if it has one."""
        return -head if anti and self.pythia.particleData.hasAnti(head) else head

    def decay(self, head: int) -> Any:
        """Return the event record of one decay; the particle itself is its entry 1.

        Raises
        ------
        DataError
            When Pythia gives up on it.
        """
        mass = self.pythia.particleData.m0(head)
        for _ in range(TRIES):
            self.pythia.event.reset()
            self.pythia.event.append(head, FRESH, 0, 0, 0.0, 0.0, 0.0, mass, mass)
            if self.pythia.next():
                return self.pythia.event
        raise DataError(f"heads: Pythia fails to decay {head} {TRIES} times in a row")
