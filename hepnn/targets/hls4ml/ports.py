"""`interface.json` of an HLS project: types, grids and the bits of every number in its ports."""

from __future__ import annotations

from typing import Any

from hepnn.targets import fits
from hepnn.targets.fixed_point import Lane
from hepnn.targets.hls4ml import work
from hepnn.targets.interface import single_input
from hepnn.targets.kit import Kit

#: Backends whose C compiler makes one port of the whole input and one of every output.
_PACKED = ("Vitis", "Vivado")

#: How numbers go in and come out where no bits can be named before the vendor's compiler ran.
_OTHERWISE = {
    "VivadoAccelerator": "AXI stream of float32, a number a word, the last word of a transfer"
    " marked; the adapter casts to the type",
    "Quartus": "one conduit with the struct of all numbers; its layout is in the compiler's report",
    "oneAPI": "a pipe of arrays; its layout is in the compiler's report",
    "Catapult": "an array; its port is set by Catapult's interface directives",
}


def interface(
    network: Any, graph: Any, kit: Kit, exact: bool, stripped: bool, lane: Lane | None
) -> dict[str, Any]:
    """Return what is said of a project's ends, and with what it was written.

    Parameters
    ----------
    network, graph
        The Keras model as it was converted, and hls4ml's.
    kit
        Its part, clock and backend.
    exact
        Equal bits are owed.
    stripped
        A final softmax was left to the host.
    lane
        The grid that the host puts quantities on.
    """
    shape = single_input(network, "hls4ml")
    entered, left = graph.get_input_variables()[0], graph.get_output_variables()[0]
    options = kit.hls4ml
    return {
        "target": "hls4ml",
        "promise": "exact" if exact else "bounded",
        "input": {
            "shape": list(shape),
            "order": "features as in the data card, the last axis; row by row",
            "quantities": "physical",
            # Firmware receives numbers on this grid. Putting them there is the sender's part: the
            # input type has room for the widest feature and wraps at its own end, not theirs.
            "host": "none" if lane is None else "quantize",
            "grid": None if lane is None else lane.grid(shape),
            **_port(entered, options.backend, whole=True),
        },
        "output": {
            "shape": list(network.outputs[0].shape[1:]),
            "quantity": "logits; the final softmax is left out" if stripped else "as the model's",
            "host": "softmax" if stripped else "none",
            **_port(left, options.backend, whole=False),
        },
        "project": {
            "backend": options.backend,
            "part": kit.part or graph.config.config.get("Part"),
            "clock_period_ns": kit.clock_period_ns or 5.0,
            "io_type": options.io_type,
            "strategy": options.strategy,
            "reuse_factor": options.reuse_factor,
        },
        "layers": work.layers(graph),
        "part": fits.part_of(kit),
        "emulation": None,
    }


def _port(variable: Any, backend: str, whole: bool) -> dict[str, Any]:
    """Return a port's type, and where in it the numbers are."""
    kind = variable.type.precision
    size, width, name = variable.size(), kind.width, variable.name.rpartition(".")[2]
    described = {
        "type": f"ap_{kind}",
        "signed": bool(kind.signed),
        "width": width,
        "lsb": 2.0 ** (kind.integer - width),
        "port": name,
        "bits": None,
        "protocol": _OTHERWISE.get(backend, "ap_vld: each port has one that says it is valid"),
    }
    if backend in _PACKED and variable.pragma in ("reshape", "partition"):
        ends = [[(n + 1) * width - 1, n * width] if whole else [width - 1, 0] for n in range(size)]
        described["bits"] = ends
        described["ports"] = [name if whole else f"{name}_{n}" for n in range(size)]
    return described
