"""What the firmware has to multiply, layer by layer: counted, not estimated.

How many LUTs, DSP slices and clocks high-level synthesis makes of it depends on the vendor's tool
and its version; without a run of it none of them is known, and none is guessed here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

UNKNOWN = "not known without the vendor's tool"


def layers(graph: Any) -> list[dict[str, Any]]:
    """Return for each layer with a kernel what it multiplies for one event.

    Parameters
    ----------
    graph
        hls4ml's `ModelGraph`.

    Returns
    -------
    list of dict
        `layer`, `multiplications` (by weights that are not zero, at every place a filter is put),
        `input_bits` and `weight_bits` (of the widest), `reuse_factor`.
    """
    rows = []
    for layer in graph.get_layers():
        kernels = [w for name, w in layer.weights.items() if "bias" not in name]
        if not kernels:
            continue
        nonzero = sum(int(np.count_nonzero(kernel.data)) for kernel in kernels)
        rows.append(
            {
                "layer": layer.name,
                "multiplications": nonzero * _places(layer),
                "input_bits": _width(layer.get_input_variable()),
                "weight_bits": max(_width(kernel) for kernel in kernels),
                "reuse_factor": int(layer.get_attr("reuse_factor", 1)),
            }
        )
    return rows


def _places(layer: Any) -> int:
    """Return how often a kernel is applied to one event."""
    return int(layer.get_attr("out_height", 1)) * int(layer.get_attr("out_width", 1))


def _width(variable: Any) -> int:
    return int(variable.type.precision.width)
