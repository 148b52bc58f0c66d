"""Errors that a user sees: one line saying what is wrong, where, and what would be right.

The command line prints the message and leaves with the exit code; nothing else in the
package catches them. Programming errors are ordinary exceptions and keep their traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HepnnError(Exception):
    """Wrong use or bad input. Exit code 2."""

    exit_code = 2


class RecipeError(HepnnError):
    """A recipe, a data card or a kit that says something it must not."""


class DataError(HepnnError):
    """Data that is missing, damaged or not what its card promises."""


class RunError(HepnnError):
    """A run folder that is missing, damaged, or written by a newer version."""


class TargetError(HepnnError):
    """A network that a target cannot take, or a target that cannot be used here."""


class MissingDependency(HepnnError):
    """A package or program that is not installed; the message has the command to get it."""


class AgreementBroken(HepnnError):
    """The checked thing does not hold. Exit code 1."""

    exit_code = 1


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant.

    >>> nearest("epoch", ["epochs", "batch"])
    "did you mean 'epochs'?"
    >>> nearest("zzz", ["epochs", "batch"])
    'known: batch, epochs'
    """
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else "known: " + ", ".join(known)


def missing_extra(package: str, extra: str, purpose: str) -> MissingDependency:
    """Return the error for an optional dependency that is not installed."""
    return MissingDependency(f"{purpose} needs {package}: pip install 'hepnn[{extra}]'")
