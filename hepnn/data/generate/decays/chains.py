"""A decay chain as a sequence of words: particles by name, the daughters of each in brackets.

`D0 ( K- pi+ )` is a chain of one decay. The daughters of every decay stand in one order,
by falling absolute PDG number, the particle before its antiparticle, so that equal chains are
equal sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hepnn.errors import DataError

VOCABULARY = "vocabulary.txt"
SPECIAL = ("<padding>", "<begin>", "<end>", "<unknown>", "(", ")")
BEGIN, END, UNKNOWN, OPEN, CLOSE = 1, 2, 3, 4, 5

# PDG numbers of quarks, and of the gluon.
PARTONS = frozenset((1, 2, 3, 4, 5, 6, 21))


class Chain(NamedTuple):
    """A particle, by its PDG number, and what it decays to."""

    particle: int
    daughters: tuple[Chain, ...] = ()

    @property
    def decays(self) -> int:
        """The number of decays in the chain.

        >>> Chain(421, (Chain(-321), Chain(211))).decays
        1
        """
        return bool(self.daughters) + sum(daughter.decays for daughter in self.daughters)

    @property
    def partonic(self) -> bool:
        """Whether a quark or a gluon is in the chain."""
        if abs(self.particle) in PARTONS:
            return True
        return any(daughter.partonic for daughter in self.daughters)


def chain(event: Any, index: int) -> Chain:
    """Follow a particle of Pythia's event record down to the stable ones.

    Parameters
    ----------
    event
        Pythia's event record.
    index
        The particle's place in it.
    """
    particle = event[index]
    daughters = [chain(event, daughter) for daughter in particle.daughterList()]
    return Chain(particle.id(), tuple(sorted(daughters, key=_order)))


def tokens(whole: Chain, vocabulary: dict[int, int]) -> list[int]:
    """Write a chain as numbers of the vocabulary, between `<begin>` and `<end>`.

    Parameters
    ----------
    whole
        The chain.
    vocabulary
        Tokens by PDG number; what it lacks becomes `<unknown>`.

    Examples
    --------
    >>> tokens(Chain(421, (Chain(-321), Chain(211))), {421: 9, -321: 8, 211: 6})
    [1, 9, 4, 8, 6, 5, 2]
    """
    return [BEGIN, *_inside(whole, vocabulary), END]


def read_names(folder: Path) -> list[str]:
    """Read the vocabulary: a token's name a line, line number (from 0) = token.

    Raises
    ------
    DataError
        If the file cannot be read, does not begin with the special tokens, or has a name twice.
    """
    path = folder / VOCABULARY
    try:
        names = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    names = names[:-1] if names[-1] == "" else names
    if tuple(names[: len(SPECIAL)]) != SPECIAL:
        raise DataError(f"{path}: must begin with the lines {' '.join(SPECIAL)}")
    for line, name in enumerate(names):
        if name in names[:line]:
            raise DataError(f"{path}: line {line + 1}: {name!r} stands there twice")
    return names


def by_number(names: Sequence[str], particles: Any, where: Path) -> dict[int, int]:
    """Return the tokens by PDG number.

    Parameters
    ----------
    names
        The vocabulary.
    particles
        Pythia's `particleData`.
    where
        The vocabulary's folder, for the message.

    Raises
    ------
    DataError
        If Pythia knows no particle of a name.
    """
    numbers: dict[str, int] = {}
    number = 1
    while number:
        numbers[particles.name(number)] = number
        if particles.hasAnti(number):
            numbers[particles.name(-number)] = -number
        number = particles.nextId(number)
    found: dict[int, int] = {}
    for token, name in enumerate(names[len(SPECIAL) :], len(SPECIAL)):
        if name not in numbers:
            raise DataError(f"{where / VOCABULARY}: line {token + 1}: no particle {name!r}")
        found[numbers[name]] = token
    return found


def _inside(whole: Chain, vocabulary: dict[int, int]) -> list[int]:
    written = [vocabulary.get(whole.particle, UNKNOWN)]
    if whole.daughters:
        written.append(OPEN)
        for daughter in whole.daughters:
            written += _inside(daughter, vocabulary)
        written.append(CLOSE)
    return written


def _order(one: Chain) -> Any:
    """Sort by falling absolute number, then particle first, then by what they decay to."""
    return -abs(one.particle), -one.particle, tuple(_order(d) for d in one.daughters)
