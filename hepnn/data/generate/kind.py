"""What the module of a kind of dataset must have, for type checkers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from hepnn.data.generate.chunk import Chunk
from hepnn.declarations import Declaration


class Kind(Protocol):
    """A kind of dataset; `hepnn.data.generate` says what each part is for."""

    Settings: type[Declaration]
    PACKAGES: tuple[str, ...]
    VERSIONS: tuple[str, ...]
    CLASSES: tuple[str, ...]
    CARDS: tuple[str, ...]

    def chunks(self, settings: Any) -> list[Chunk]:
        """Cut the work."""

    def generate(self, settings: Any, chunk: Chunk, seed: int, folder: Path) -> dict[str, pa.Table]:
        """Generate a chunk."""

    def cards(self, settings: Any) -> dict[str, dict[str, Any]]:
        """Describe the datasets."""
