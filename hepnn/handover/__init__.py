"""What a firmware engineer finds beside a shipped network.

`README.md` says what it is, how it is built and tried, and what every bit of its ports means;
`interface.csv` has the same as a table, a number a line, and `quantities.h`, beside C++, as
constants; `LICENSES/` the licences of the files that came from elsewhere; `SHA256SUMS` the checksum
of every file but the run's notes (`sha256sum -c SHA256SUMS`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.handover import header, licences, ports, program, readme

SUMS = "SHA256SUMS"

#: The run's own notes, which costs are added to when a vendor's reports have come.
_NOTES = "target.json"


def write(
    folder: Path,
    *,
    target: dict[str, Any],
    quantities: dict[str, Any],
    threshold: dict[str, Any] | None = None,
) -> None:
    """Write the papers of an export, the checksums last.

    Parameters
    ----------
    folder
        What the target wrote.
    target
        As in `target.json`: run, stage, its checksum, kit, costs.
    quantities
        As in `quantities.json`: what goes in and comes out.
    threshold
        What the run keeps for the shipped file, as `program.header` takes it; None where there
        is none.

    Raises
    ------
    RunError
        If `interface.json` is damaged, or the disk is full.
    """
    content = interface(folder)
    rows = ports.rows(content, quantities)
    if rows:
        files.write_text(folder / ports.NAME, ports.csv(rows))
    if target["target"] == "cpp":
        files.write_text(folder / header.NAME, header.text(rows, content["project"]["namespace"]))
    if "program" in content:
        files.write_text(
            folder / program.NAME, program.header(content, target, quantities, threshold)
        )
    taken = licences.write(folder)
    text = readme.text(folder, content, target, quantities, rows, taken, threshold)
    files.write_text(folder / "README.md", text)
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    sums = [
        f"{files.sha256(folder / name)}  {name}" for name in names if name not in (SUMS, _NOTES)
    ]
    files.write_text(folder / SUMS, "\n".join(sums) + "\n")


def interface(folder: Path) -> dict[str, Any]:
    """Return `interface.json` of an export; empty where a target writes none.

    Raises
    ------
    RunError
        If it is damaged.
    """
    path = folder / "interface.json"
    return dict(files.read_json(path)) if path.exists() else {}
