"""Tables of strings: what a name stands for, imported when it is asked for.

A row is `"package.module"` or `"package.module:attribute"`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from hepnn.errors import RecipeError, nearest


def load(table: Mapping[str, str], name: str, noun: str) -> Any:
    """Return what a row names.

    Parameters
    ----------
    table
        Rows by name.
    name
        The row wanted.
    noun
        What the rows are, for the message.

    Raises
    ------
    RecipeError
        If the table has no such row.

    Examples
    --------
    >>> load({"root": "math:sqrt"}, "root", "function")(4.0)
    2.0
    """
    insist(table, name, noun)
    module, _, attribute = table[name].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def insist(table: Mapping[str, str], name: str, noun: str) -> None:
    """See that a table has a row, without importing what it names.

    Raises
    ------
    RecipeError
        If it has not.
    """
    if name not in table:
        raise RecipeError(f"unknown {noun} {name!r}; {nearest(name, table)}")
