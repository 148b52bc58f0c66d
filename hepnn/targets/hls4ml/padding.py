"""Padding as hls4ml 1.3 does not know it, or gets wrong.

- Layers that put zeros around a signal or an image have no rule for bit widths.
- Maximum pooling with padding: what stands in for the padding is the number with only its top
  bit set, the smallest of a signed type and the largest half of an unsigned one, as ReLU has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import TargetError

_TOP_BIT = "x[x.width - 1] = 1;"


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml carry the bit widths of padded numbers, while in here."""
    from hls4ml.model.layers import ZeroPadding1D, ZeroPadding2D
    from hls4ml.model.optimizer.passes import bit_exact

    def produce(node: Any) -> Any:
        entering = bit_exact.produce_kif(bit_exact.get_input_layers(node)[0])
        return tuple(np.pad(part, _widths(node)) for part in entering)

    def request(node: Any) -> Any:
        shape = bit_exact.get_input_shapes(node)[0]
        inside = tuple(
            slice(before, before + length)
            for (before, _), length in zip(_widths(node), shape, strict=True)
        )
        return (tuple(part[inside] for part in bit_exact.requested_kif(node)),)

    rules = {bit_exact._produce_kif: produce, bit_exact._request_kif: request}
    for rule, mend in rules.items():
        for kind in (ZeroPadding1D, ZeroPadding2D):
            rule.register(kind, mend)
    try:
        yield
    finally:
        # What is registered cannot be taken back; what was done for any layer is done again.
        for rule in rules:
            for kind in (ZeroPadding1D, ZeroPadding2D):
                rule.register(kind, rule.registry[object])


def mend_maximum(directory: Path) -> None:
    """Let padding be the smallest number of any type, in the sources that were written.

    Raises
    ------
    TargetError
        If the sources are not those of hls4ml 1.3.
    """
    header = directory / "firmware" / "nnet_utils" / "nnet_pooling.h"
    text = header.read_text()
    if text.count(_TOP_BIT) != 1:
        raise TargetError(f"target hls4ml: {header} does not pad as hls4ml 1.3 does")
    smallest = f"{_TOP_BIT}\n        if (x > 0)\n            x = 0; // an unsigned type"
    files.write_text(header, text.replace(_TOP_BIT, smallest))


def _widths(node: Any) -> list[tuple[int, int]]:
    """Return how many zeros stand before and behind, along each axis of one event."""
    pads = [("left", "right")]
    if node.class_name.endswith("2D"):
        pads.insert(0, ("top", "bottom"))
    along = [tuple(int(node.get_attr(f"pad_{edge}")) for edge in edges) for edges in pads]
    return [*along, (0, 0)]  # type: ignore[list-item]
