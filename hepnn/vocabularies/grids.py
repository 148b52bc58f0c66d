"""Quantizers that are set and not trained: of constants and of single bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from hgq.config import QuantizerConfig

#: Fraction bits of constants that no number of bits holds exactly.
FINEST = 8


def set_grid(quantizer: Any, signed: Any, integer: Any, fraction: Any) -> None:
    """Set sign, integer and fraction bits of an HGQ2 quantizer."""
    inner = quantizer.quantizer
    for variable, value in ((inner._k, signed), (inner._i, integer), (inner._f, fraction)):
        value = np.broadcast_to(np.ravel(value), (variable.value.numpy().size,))
        variable.assign(np.reshape(value, variable.shape))


def frozen(place: str = "datalane", **changes: Any) -> QuantizerConfig:
    """Return a quantizer that no training changes, one for the tensor if not said otherwise."""
    scalar: dict[str, Any] = {"homogeneous_axis": None, "heterogeneous_axis": ()}
    limits: dict[str, Any] = {"ic": None, "ir": None, "fc": None, "fr": None}
    return QuantizerConfig("kif", place, trainable=False, **{**scalar, **limits, **changes})


def holding(values: np.ndarray) -> tuple[int, int]:
    """Return integer and fraction bits that hold values: exactly, or to `FINEST`."""
    largest = float(np.abs(values).max(initial=0.0))
    integer = int(np.floor(np.log2(largest))) + 1 if largest else 0
    fraction = -integer
    while fraction < FINEST and np.any(np.mod(np.asarray(values) * 2.0**fraction, 1.0)):
        fraction += 1
    return integer, max(fraction, 1 - integer)
