"""Five cases in which hls4ml 1.3 is silently not exact, put right or refused.

- A lane that saturates is narrowed to the fraction of what enters it. Its largest value
  `2**i - 2**-f` moves with that, which shows wherever the lane does saturate.
- A lane without a sign that wraps, behind a layer that can be negative, is given too few integer
  bits: -1 has to become `2**i - 1`, but the layer's result was cut to its own size before.
- A quantizer through which nothing passes, merged with the layer in front, passes one bit.
- Of two quantizers in a row, both merged with the layer in front, the second replaces the first.
- A lane whose bits address a table is narrowed to what enters it, and then addresses it wrongly:
  the table is made for the lane's own width.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from hepnn.errors import TargetError
from hepnn.targets.fixed_point import Lane, activation_quantizers


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml work out the types of quantizers by the rules above, while in here."""
    from hls4ml.model.optimizer.passes import bit_exact
    from hls4ml.model.optimizer.passes.hgq_proxy_model import FuseFixedPointQuantizer

    quantizer = bit_exact.FixedPointQuantizer
    produced = bit_exact._produce_kif.registry[quantizer]
    requested = bit_exact._request_kif.registry[quantizer]

    def produce(node: Any) -> Any:
        k, width, _ = node.mask_kbi
        # A lane of no bits is zero, and so is a symmetric one of its sign alone.
        passes = (width > 0) & ~((node.SAT == "SAT_SYM") & (k > 0) & (width == 1))
        wanted = node.mask_kbi = tuple(np.where(passes, part, 0) for part in node.mask_kbi)
        result = produced(node)
        _, entering, _ = bit_exact.produce_kif(bit_exact.get_input_layers(node)[0])
        k, width, integer = wanted
        # A symmetric lane also cuts the lowest value of an input of its own size.
        room = (integer - k)[0] - (node.SAT == "SAT_SYM")
        cut = node.SAT != "WRAP" and np.any(entering > room)
        if not cut and not _addresses_a_table(node):
            return result
        node.mask_kbi = wanted
        kif = k[0], (integer - k)[0], (width - integer)[0]
        return tuple(np.broadcast_to(part, entering.shape).astype(np.int16) for part in kif)

    def request(node: Any) -> Any:
        ((k, i, f),) = requested(node)
        if node.SAT == "WRAP":
            k_in, _, _ = bit_exact.produce_kif(bit_exact.get_input_layers(node)[0])
            k = np.maximum(k, k_in)
        return ((k, i, f),)

    merges = FuseFixedPointQuantizer.match

    def match(self: Any, node: Any) -> bool:
        return merges(self, node) and not _quantized_before(node)

    bit_exact._produce_kif.register(quantizer, produce)
    bit_exact._request_kif.register(quantizer, request)
    FuseFixedPointQuantizer.match = match
    try:
        yield
    finally:
        FuseFixedPointQuantizer.match = merges
        bit_exact._produce_kif.register(quantizer, produced)
        bit_exact._request_kif.register(quantizer, requested)


def _addresses_a_table(node: Any) -> bool:
    from hls4ml.model.optimizer.passes import bit_exact

    behind = bit_exact.get_output_layers(node)
    return any(isinstance(layer, bit_exact.UnaryLUT) for layer in behind)


def _quantized_before(node: Any) -> bool:
    """Say whether what enters a layer was quantized already, and only moved since."""
    from hls4ml.model.layers import Reshape, Transpose
    from hls4ml.model.optimizer.passes import bit_exact

    (before,) = bit_exact.get_input_layers(node)
    if isinstance(before, bit_exact.FixedPointQuantizer):
        return True
    if before.attributes.get("_result_t_propagated", False):
        return True
    return isinstance(before, (Reshape, Transpose)) and _quantized_before(before)


def refuse_dead_layers(model: Any) -> None:
    """Refuse a network in which a layer's lanes pass nothing at all.

    Raises
    ------
    TargetError
        If every lane of one quantizer has zero bits.
    """
    for quantizer in activation_quantizers(model):
        lane = Lane.of_inner(quantizer)
        if lane is not None and np.all(lane.bits <= 0):
            raise TargetError(
                f"quantizer {quantizer.path} passes nothing, all its lanes have zero bits;"
                " train with a smaller beta"
            )
