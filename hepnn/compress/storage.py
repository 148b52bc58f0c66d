"""What the weights of a network take to store: values that repeat take less."""

from __future__ import annotations

import zlib
from typing import Any

import keras
import numpy as np

from hepnn.compress.kernels import prunable


def storage(model: keras.Model) -> dict[str, Any]:
    """Return how many values the kernels have, and to how little they can be packed.

    `distinct` values of a kernel; `entropy_bits`, the bits a weight that a code of the values
    alone needs at least (C. E. Shannon, 1948), whatever the table of the values takes;
    `kernel_bytes` in float32 and `kernel_zlib_bytes` after DEFLATE at its best (RFC 1951). Of
    quantized layers the values that they compute with count; of recurrent ones those before
    their quantizer.
    """
    kernels = {name: _used(model, name, kernel) for name, kernel in prunable(model).items()}
    layers, total, weights = {}, 0.0, 0
    for name, kernel in kernels.items():
        _, counts = np.unique(kernel, return_counts=True)
        share = counts / kernel.size
        entropy = float(-(share * np.log2(share)).sum())
        layers[name] = {"distinct": len(counts), "entropy_bits": abs(entropy)}
        total += entropy * kernel.size
        weights += kernel.size
    raw = b"".join(kernel.tobytes() for kernel in kernels.values())
    return {
        "entropy_bits": abs(total / weights) if weights else 0.0,
        "kernel_bytes": len(raw),
        "kernel_zlib_bytes": len(zlib.compress(raw, 9)),
        "layers": layers,
    }


def _used(model: keras.Model, name: str, kernel: Any) -> np.ndarray:
    """Return a kernel as its layer computes with it."""
    names = [layer.name for layer in model.layers]
    layer = model.get_layer(name) if name in names else None
    quantized = getattr(layer, "qkernel", None)
    return np.asarray(kernel if quantized is None else quantized, np.float32)
