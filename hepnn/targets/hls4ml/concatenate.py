"""Concatenation as hls4ml 1.3 does not know it: of more than two tensors, along any axis.

hls4ml's layer takes two tensors, and its bookkeeping of bit widths counts the axes of one event
where Keras counts those of a batch. Here a concatenation of many is a chain of such of two, and
the axis is counted from behind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hepnn.targets.hls4ml.merge import chain

_KERAS = "keras.src.layers.merging.concatenate.Concatenate"


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml read and size concatenations by the rules above, while in here."""
    from hls4ml.converters.keras_v3._base import registry
    from hls4ml.model.layers import Concatenate
    from hls4ml.model.optimizer.passes import bit_exact

    of_two = registry[_KERAS]
    produced = bit_exact._produce_kif.registry[Concatenate]
    requested = bit_exact._request_kif.registry[Concatenate]

    def read(layer: Any, entering: Sequence[Any], leaving: Sequence[Any]) -> tuple[Any, ...]:
        axis = layer.axis - len(leaving[0].shape) if layer.axis > 0 else layer.axis
        (first,) = of_two(layer, entering[:2], leaving)
        shapes = []
        shape = list(entering[0].shape[1:])
        for tensor in entering[1:]:
            shape[axis] += tensor.shape[axis]
            shapes.append(list(shape))
        return chain(first, entering, leaving, shapes)

    def produce(node: Any) -> Any:
        parts = zip(*bit_exact.get_input_kifs(node), strict=True)
        return tuple(np.concatenate(part, axis=_axis(node)) for part in parts)

    def request(node: Any) -> Any:
        first, _ = bit_exact.get_input_shapes(node)
        axis = _axis(node)
        parts = [np.split(part, [first[axis]], axis) for part in bit_exact.requested_kif(node)]
        return tuple(zip(*parts, strict=True))

    registry[_KERAS] = read
    bit_exact._produce_kif.register(Concatenate, produce)
    bit_exact._request_kif.register(Concatenate, request)
    try:
        yield
    finally:
        registry[_KERAS] = of_two
        bit_exact._produce_kif.register(Concatenate, produced)
        bit_exact._request_kif.register(Concatenate, requested)


def _axis(node: Any) -> int:
    """Return the axis of one event, counted from behind."""
    axis = int(node.attributes["axis"])
    rank = len(node.get_output_variable().shape)
    return axis - 1 - rank if axis > 0 else axis
