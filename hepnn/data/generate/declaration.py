"""The generated dataset.yaml: what the kind's author says, and how the files were made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hepnn import declarations, files
from hepnn.data.card import Card

FILE = "dataset.yaml"

# What the author of a dataset folder may reword; kept when the folder is made anew.
AUTHORED = ("title", "splits", "licence", "limits")


class Row(dict[str, Any]):
    """A mapping that YAML shows on one line."""


class Dumper(yaml.SafeDumper):
    """Block style, but for rows."""


Dumper.add_representer(
    Row,
    lambda dumper, row: dumper.represent_mapping("tag:yaml.org,2002:map", row, flow_style=True),
)


def document(
    name: str,
    authored: dict[str, Any],
    sources: Sequence[str],
    made_by: dict[str, Any],
    checksums: dict[str, str],
) -> dict[str, Any]:
    """Put a data card together, and check it.

    Parameters
    ----------
    name : str
        Of the dataset.
    authored : dict
        What the kind says of it.
    sources : sequence of str
        Files or globs in its folder.
    made_by : dict
        The command and all that its events depend on.
    checksums : dict
        SHA-256 by file name.

    Raises
    ------
    RecipeError
        If the kind says something that no data card has.
    """
    said = {key: value for key, value in authored.items() if key not in ("title", "limits")}
    whole = {
        "name": name,
        "title": authored.get("title", ""),
        "source": {"format": "parquet", "files": list(sources)},
        **said,
        "made_by": made_by,
        "checksums": checksums,
        "limits": authored.get("limits", []),
    }
    declarations.parse(Card, whole, f"{name}: {FILE}")
    return whole


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write or renew a folder's dataset.yaml.

    What an author wrote there by hand stays; files that the old one lists and the new one does
    not are removed.
    """
    path = folder / FILE
    old = declarations.read_yaml(path) if path.exists() else {}
    content = content | {key: old[key] for key in AUTHORED if key in old}
    text = yaml.dump(_rows(content), Dumper=Dumper, sort_keys=False, width=120, allow_unicode=True)
    files.write_text(path, text)
    for stale in set(old.get("checksums", {})) - set(content["checksums"]):
        if (folder / stale).resolve().is_relative_to(folder.resolve()):
            (folder / stale).unlink(missing_ok=True)


def _rows(content: Any, inside_list: bool = False) -> Any:
    """Mark the mappings in lists that hold no further mapping, as features; plain types only."""
    if isinstance(content, dict):
        held = {key: _rows(value) for key, value in content.items()}
        nested = any(isinstance(value, dict | list) for value in held.values())
        return Row(held) if inside_list and not nested else held
    if isinstance(content, list | tuple):
        return [_rows(value, inside_list=True) for value in content]
    return content
