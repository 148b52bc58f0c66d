"""Two cases in which hls4ml 1.3 pools wrongly, put right.

- Maximum pooling with padding: what stands in for the padding is the number with only its top
  bit set, the smallest of a signed type and the largest half of an unsigned one, as ReLU has.
- Global pooling of images: the bit widths keep an axis of length one, and a quantizer with a
  width for each channel behind it fails over that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.errors import TargetError

_TOP_BIT = "x[x.width - 1] = 1;"


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml size global pooling by the channels, while in here."""
    from hls4ml.model.layers import GlobalPooling2D
    from hls4ml.model.optimizer.passes import bit_exact

    produced = bit_exact._produce_kif.registry[GlobalPooling2D]

    def produce(node: Any) -> Any:
        shape = bit_exact.get_output_shape(node)
        return tuple(part.reshape(shape) for part in produced(node))

    bit_exact._produce_kif.register(GlobalPooling2D, produce)
    try:
        yield
    finally:
        bit_exact._produce_kif.register(GlobalPooling2D, produced)


def mend_padding(directory: Path) -> None:
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
