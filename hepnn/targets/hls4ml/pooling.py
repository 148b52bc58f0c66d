"""Global pooling of images, whose bit widths keep an axis of length one in hls4ml 1.3.

A quantizer with a width for each channel behind it fails over that axis.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any


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
