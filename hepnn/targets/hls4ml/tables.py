"""Tables behind anything but a vector, which hls4ml 1.3 does not read.

It brings the table's entries to their grid as one event of a vector, whatever the layer's input
is; HGQ2's quantizer of an image or of a sequence then refuses their shape.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_TABLE = "hgq.layers.activation.QUnaryFunctionLUT"


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml quantize a table in the shape that its quantizer knows, while in here."""
    import hls4ml.converters.keras_v3.hgq2  # noqa: F401 - it adds to the registry
    from hls4ml.converters.keras_v3._base import registry
    from hls4ml.converters.keras_v3.hgq2.unary_lut import QUnaryLUTHandler

    class _Table(QUnaryLUTHandler):
        def handle(self, layer: Any, entering: Any, leaving: Any) -> Any:
            return super().handle(_InARow(layer), entering, leaving)

    native = registry[_TABLE]
    registry[_TABLE] = _Table()
    try:
        yield
    finally:
        registry[_TABLE] = native


class _InARow:
    """A layer, or its quantizer, that takes numbers in a row."""

    def __init__(self, whole: Any, axes: int = 0) -> None:
        self._whole, self._axes = whole, axes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    @property
    def oq(self) -> _InARow:
        return _InARow(self._whole.oq, len(self._whole.input.shape))

    def __call__(self, numbers: Any) -> Any:
        from keras import ops

        one = [1] * (self._axes - 1)
        return ops.reshape(self._whole(ops.reshape(numbers, [*one, -1])), numbers.shape)
