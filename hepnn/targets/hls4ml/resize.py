"""Repeating and cropping pixels, for which hls4ml 1.3 works out no bit widths.

`UpSampling2D` and `Cropping2D` move numbers as they are, and so their widths: a pixel that leaves
has those of the one it is a copy of, and a pixel that enters is asked for what any of its copies
is. Where a quantizer behind a repetition is merged with it, what leaves has another type than
what enters, which hls4ml's C++ does not allow for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import TargetError

#: What hls4ml's template for repeated pixels says of its types, and what it should say.
_ONE_TYPE = ("template <class data_T, typename CONFIG_T>", "data_T resized[")
_TWO_TYPES = ("template <class data_T, typename CONFIG_T, class res_T>", "res_T resized[")


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml carry the bit widths of moved pixels, while in here."""
    from hls4ml.model.layers import Cropping2D, Resize
    from hls4ml.model.optimizer.passes import bit_exact

    def produce(node: Any) -> Any:
        entering = bit_exact.produce_kif(bit_exact.get_input_layers(node)[0])
        origin = _origin(node)
        return tuple(part.ravel()[origin] for part in entering)

    def request(node: Any) -> Any:
        shape, origin = bit_exact.get_input_shapes(node)[0], _origin(node)
        nothing = (0, -127, -127)
        asked = tuple(np.full(shape, least, np.int16) for least in nothing)
        for part, wanted in zip(asked, bit_exact.requested_kif(node), strict=True):
            np.maximum.at(part.reshape(-1), origin, wanted)
        return (asked,)

    registered = {bit_exact._produce_kif: produce, bit_exact._request_kif: request}
    for kind in (Resize, Cropping2D):
        for function, mend in registered.items():
            function.register(kind, mend)
    try:
        yield
    finally:
        # What is registered cannot be taken back; what was done for any layer is done again.
        for kind in (Resize, Cropping2D):
            for function in registered:
                function.register(kind, function.registry[object])


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


def _origin(node: Any) -> np.ndarray:
    """Return of which number that enters each number that leaves is a copy."""
    from hls4ml.model.optimizer.passes import bit_exact

    before, after = bit_exact.get_input_shapes(node)[0], bit_exact.get_output_shape(node)
    origin = np.arange(np.prod(before)).reshape(before)
    if node.class_name == "Cropping2D":
        top, left = (int(node.get_attr(f"crop_{edge}")) for edge in ("top", "left"))
        return origin[top : top + after[0], left : left + after[1]]
    for axis, (few, many) in enumerate(zip(before, after, strict=True)):
        origin = np.repeat(origin, many // few, axis)
    return origin
