"""Run folders as bytes: they travel to workers that share no disk with the search, and back."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from hepnn import files
from hepnn.errors import RunError


def pack(folder: Path, names: Iterable[str]) -> bytes:
    """Return run folders as one tar archive, without data that a worker streams from its disk."""

    def chosen(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if "/data/stream" in member.name else member

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in names:
            archive.add(folder / name, arcname=name, filter=chosen)
    return stream.getvalue()


def unpack(packed: bytes, folder: Path, names: Iterable[str]) -> None:
    """Put run folders in place of those of the same names, each whole or not at all.

    Raises
    ------
    RunError
        If the archive is damaged, or has what is no part of these folders.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            members = archive.getmembers()
            for name in names:
                own = [m for m in members if m.name == name or m.name.startswith(f"{name}/")]
                with files.replacing_folder(folder / name) as beside:
                    for member in own:
                        inner = member.name.removeprefix(name).lstrip("/")
                        moved = member.replace(name=inner or ".", deep=False)
                        archive.extract(moved, beside, filter="data")
    except tarfile.TarError as error:
        raise RunError(f"{folder}: what a worker sent is damaged: {error}") from error
