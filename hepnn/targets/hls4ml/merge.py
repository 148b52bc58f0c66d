"""Sums, products and extremes of more than two tensors, of which hls4ml 1.3 takes two.

One of many is a chain of such of two; in fixed point every link has all the bits that it needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

#: Those that may be done one after the other.
_KINDS = ("Add", "Multiply", "Maximum", "Minimum")


@contextlib.contextmanager
def mended() -> Iterator[None]:
    """Let hls4ml read these layers as chains, while in here."""
    import hls4ml.converters.keras_v3.hgq2  # noqa: F401 - it adds to the registry
    from hls4ml.converters.keras_v3._base import registry
    from hls4ml.converters.keras_v3.hgq2._base import QMergeHandler
    from hls4ml.converters.keras_v3.merge import MergeHandler

    mends = {
        **{
            f"keras.src.layers.merging.{kind.lower()}.{kind}": _reading(MergeHandler)
            for kind in _KINDS
        },
        **{f"hgq.layers.ops.merge.Q{kind}": _reading(QMergeHandler) for kind in _KINDS},
    }
    native = {name: registry[name] for name in mends}
    registry.update(mends)
    try:
        yield
    finally:
        registry.update(native)


def chain(
    described: dict[str, Any],
    entering: Sequence[Any],
    leaving: Sequence[Any],
    shapes: Sequence[Sequence[int]],
) -> tuple[dict[str, Any], ...]:
    """Return hls4ml's description of a layer of many tensors as those of layers of two.

    Parameters
    ----------
    described
        The layer's name and all that its links have in common.
    entering, leaving
        The tensors that the layer takes, and the one that it gives.
    shapes
        Of what every link gives, `(...)` of one event.
    """
    links: list[dict[str, Any]] = []
    before, shape = entering[0].name, list(entering[0].shape[1:])
    for number, (tensor, after) in enumerate(zip(entering[1:], shapes, strict=True), 1):
        last = number == len(shapes)
        given = leaving[0].name if last else f"{leaving[0].name}_{number}"
        links.append(
            {
                **described,
                "name": described["name"] if last else f"{described['name']}_{number}",
                "input_shape": [shape, list(tensor.shape[1:])],
                "output_shape": list(after),
                "input_keras_tensor_names": [before, tensor.name],
                "output_keras_tensor_names": [given],
            }
        )
        before, shape = given, list(after)
    return tuple(links)


def _reading(handler: Any) -> Any:
    class _Chained(handler):
        def handle(self, layer: Any, entering: Any, leaving: Any, *kind: Any) -> Any:
            described = super().handle(layer, entering, leaving, *kind)
            if len(entering) == 2:
                return described
            first, *others = (tuple(tensor.shape[1:]) for tensor in entering)
            shapes = [first := np.broadcast_shapes(first, other) for other in others]
            return chain({**self.default_config, **described}, entering, leaving, shapes)

    return _Chained()
