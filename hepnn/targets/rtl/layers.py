"""What each layer adds to the program: cells by alkaid's model, and when its outputs are ready.

The network is cut after every layer in turn. All that crosses the cut is made an output, and what
the program grows by from one cut to the next is the layer's. So the shares add up to the program
that all of them make, before it is cut into stages; sharing between layers is booked on the later
one, whose share can then be small or even negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn.targets.rtl.repairs import repaired
from hepnn.targets.rtl.trace import Traced

#: Operations of a program beyond which it is not traced once more for every layer.
LARGEST = 50_000


def shares(model: Any, traced: Traced, clocks: int) -> list[dict[str, Any]]:
    """Return a row for each layer that alkaid has an output of, in the order of computation.

    Nothing is returned for a program of more than `LARGEST` operations.

    Parameters
    ----------
    model
        The Keras model that was traced.
    traced
        Its program, with every layer's symbolic outputs.
    clocks
        Of the whole pipeline.

    Returns
    -------
    list of dict
        `layer`, `lut` (added), `operations` (added), `ready_clocks` (when the last of its outputs
        can be used, if stages were cut evenly).
    """
    if len(traced.comb.ops) > LARGEST:
        return []
    programs = [(name, _program(traced, crossing)) for name, crossing in cuts(model, traced)]
    depth = max((program.latency[1] for _, program in programs), default=0.0)
    rows, before = [], (0.0, 0)
    for name, program in programs:
        now = (program.cost, len(program.ops))
        ready = int(np.ceil(clocks * program.latency[1] / depth - 1e-9)) if depth else 0
        added = {"lut": round(now[0] - before[0], 1), "operations": now[1] - before[1]}
        rows.append({"layer": name, **added, "ready_clocks": ready})
        before = now
    return rows


def cuts(model: Any, traced: Traced) -> list[tuple[str, list[Any]]]:
    """Return after each layer the symbolic tensors that later layers or the outputs still need."""
    import keras

    known, last_use = {}, {}
    order = [layer for layer in model.layers if f"/{layer.name}/final" in traced.layers]
    for place, layer in enumerate(order):
        for tensor in keras.tree.flatten(layer.input):
            last_use[id(tensor)] = place
    for tensor in model.outputs:
        last_use[id(tensor)] = len(order)
    found = []
    for place, layer in enumerate(order):
        symbols = traced.layers[f"/{layer.name}/final"]
        for tensor, symbol in zip(keras.tree.flatten(layer.output), symbols, strict=True):
            known[id(tensor)] = symbol
        crossing = [symbol for key, symbol in known.items() if last_use.get(key, -1) > place]
        if crossing:
            found.append((layer.name, crossing))
    return found


def _program(traced: Traced, crossing: list[Any]) -> Any:
    """Return the program of all that crosses a cut, as alkaid writes it: adders fused by threes."""
    from alkaid.trace import trace
    from alkaid.trace.passes import dead_code_elimin, fuse_ternary_adders
    from alkaid.trace.passes.surrogate import add_surrogate

    variables = [variable for symbol in crossing for variable in np.ravel(symbol)]
    with repaired():
        made = trace(traced.inputs.ravel(), variables, keep_dead_inputs=True)
        return add_surrogate(
            dead_code_elimin(fuse_ternary_adders(made), keep_dead_inputs=True), _skip_op8_cost=True
        )
