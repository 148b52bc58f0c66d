"""Repeating pixels (`UpSampling2D`), for which hls4ml 1.3 works out no bit widths.

Its C++ is there; the widths have to be carried across: a repeated pixel has those of the pixel,
and the pixel what any of its repetitions is asked for. And where a quantizer behind it is merged
with it, what leaves has another type than what enters, which its C++ does not allow for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import TargetError

#: What hls4ml's template for arrays says of its types, and what it should say.
_ONE_TYPE = ("template <class data_T, typename CONFIG_T>", "data_T resized[")
_TWO_TYPES = ("template <class data_T, typename CONFIG_T, class res_T>", "res_T resized[")


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml carry the bit widths of repeated pixels, while in here."""
    from hls4ml.model.layers import Resize
    from hls4ml.model.optimizer.passes import bit_exact

    def produce(node: Any) -> Any:
        factors = _factors(node)
        entering = bit_exact.produce_kif(bit_exact.get_input_layers(node)[0])
        for axis, factor in enumerate(factors):
            entering = tuple(np.repeat(part, factor, axis) for part in entering)
        return entering

    def request(node: Any) -> Any:
        wanted = bit_exact.requested_kif(node)
        for axis, factor in enumerate(_factors(node)):
            wanted = tuple(_largest(part, factor, axis) for part in wanted)
        return (wanted,)

    bit_exact._produce_kif.register(Resize, produce)
    bit_exact._request_kif.register(Resize, request)
    try:
        yield
    finally:
        # What is registered cannot be taken back; without it, the answer is again none.
        bit_exact._produce_kif.register(Resize, bit_exact._produce_kif.registry[object])
        bit_exact._request_kif.register(Resize, bit_exact._request_kif.registry[object])


def mend_types(directory: Path) -> None:
    """Let repeated pixels have another type, in the sources that were written.

    Raises
    ------
    TargetError
        If the sources are not those of hls4ml 1.3.
    """
    header = directory / "firmware" / "nnet_utils" / "nnet_image.h"
    text = header.read_text()
    for one, two in zip(_ONE_TYPE, _TWO_TYPES, strict=True):
        if text.count(one) != 1:
            raise TargetError(f"target hls4ml: {header} does not repeat as hls4ml 1.3 does")
        text = text.replace(one, two)
    files.write_text(header, text)


def _factors(node: Any) -> tuple[int, ...]:
    """Return how often each axis is repeated, the channels not at all."""
    from hls4ml.model.optimizer.passes import bit_exact

    before, after = bit_exact.get_input_shapes(node)[0], bit_exact.get_output_shape(node)
    return tuple(b // a for a, b in zip(before, after, strict=True))


def _largest(part: np.ndarray, factor: int, axis: int) -> np.ndarray:
    shape = (*part.shape[:axis], part.shape[axis] // factor, factor, *part.shape[axis + 1 :])
    return part.reshape(shape).max(axis=axis + 1)
