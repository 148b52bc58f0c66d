"""The settings of a kind: from `--set`, and back to the command that gives them again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from hepnn import declarations
from hepnn.data.generate.kind import Kind
from hepnn.declarations import Declaration


def read(kind: Kind, overrides: Mapping[str, Any]) -> Declaration:
    """Return a kind's settings with some of them changed.

    Parameters
    ----------
    kind : Kind
        Module of the kind.
    overrides : mapping
        New values by key; a dot in a key leads into a nested setting.

    Raises
    ------
    RecipeError
        If a key is unknown, naming the nearest, or a value is not what the key takes.
    """
    content: dict[str, Any] = {}
    for key, value in overrides.items():
        *outer, last = key.split(".")
        here = content
        for part in outer:
            here = here.setdefault(part, {})
        here[last] = value
    return declarations.parse(kind.Settings, content, "--set")


def rows(kind: Kind) -> list[dict[str, Any]]:
    """Return each setting's name, default and description."""
    defaults = kind.Settings().model_dump(mode="json")
    return [
        {"setting": name, "default": defaults[name], "description": field.description}
        for name, field in kind.Settings.model_fields.items()
    ]


def command(name: str, settings: Declaration, seed: int) -> str:
    """Return the command that makes the same events again.

    >>> class Few(Declaration):
    ...     events: int = 1000
    ...     pile_up: bool = False
    >>> command("showers", Few(events=10), seed=1)
    'hepnn data make showers --seed 1 --set events=10 --out DIR'
    """
    defaults = type(settings)().model_dump(mode="json")
    changed = "".join(
        " --set " + shlex.quote(f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        for key, value in settings.model_dump(mode="json").items()
        if value != defaults[key]
    )
    return f"hepnn data make {name} --seed {seed}{changed} --out DIR"
