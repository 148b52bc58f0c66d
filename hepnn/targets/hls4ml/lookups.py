"""Tables that a float network's functions are read from, and what is wrong with one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hepnn.targets.hls4ml import entries, precision, types

#: Functions that are read from tables.
TABLED = ("softmax", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign")

#: How a softmax is computed: of differences to the largest number, or of the numbers themselves.
SOFTMAX = ("stable", "latency", "argmax")

#: Types of a table and of what addresses it; hls4ml reads them beside a layer's other types.
TYPES = ("table", "exp_table", "inv_table", "inv_inp")

#: Bits of a type that is proposed for results that address a table, and integer bits to spare.
ADDRESS, MARGIN = 16, 1

#: What holds the entries of a softmax's tables, which reach 1.
_ENTRIES = "fixed<18,2,RND,SAT>"


def fault(node: Any, entered: np.ndarray, function: str) -> tuple[str, str, dict[str, str]]:
    """Say what is wrong with a layer's table: cause, values, and what mends it.

    Parameters
    ----------
    node
        hls4ml's layer.
    entered
        What addresses the table, `(events, ...)`.
    function
        Whose values it holds.
    """
    cause = f"table of {function}"
    low, high = float(entered.min()), float(entered.max())
    if function == "softmax" and (found := _entries(node, high)):
        return cause, *found
    (before,) = (node.get_input_node(name) for name in node.inputs)
    kind = node.get_input_variable().type.precision
    fitting = precision.result_type(precision.Range(low, high), ADDRESS, MARGIN)
    size = int(node.get_attr("table_size") or node.get_attr("exp_table_size") or 1024)
    if int(kind.width) <= ADDRESS + 2 and int(kind.integer) <= fitting.integer:
        says = f"{size} entries are too coarse for values between {low:.4g} and {high:.4g}"
        return cause, says, {f"{node.name}.table_size": str(4 * size)}
    says = (
        f"a table of {size} entries is addressed by the upper bits of {types.called(kind)}, "
        f"while its values lie between {low:.4g} and {high:.4g}"
    )
    return cause, says, {f"{before.name}.result": str(fitting)}


def report(model: Any, graph: Any, x: np.ndarray) -> list[dict[str, Any]]:
    """Say how fine the tables of a converted float network are, and what they can flip.

    Parameters
    ----------
    model
        The Keras network that was converted.
    graph
        hls4ml's.
    x
        Events that types came from `(events, *shape)`.

    Returns
    -------
    list of dict
        For every table with evenly spaced entries: `layer` and `function`; `entries`; `addressed`,
        smallest and largest value seen; `step` between entries; `error`, by how much the function
        can be wrong for these values, before types round it; for a final sigmoid `flips`, the
        share of events within a step of its threshold: no other's decision can the table change.
    """
    after, before = precision.measured(model, x)
    rows = []
    for layer in model.layers:
        function = precision._activation(layer)
        node = graph.graph.get(f"{layer.name}_{function}") or graph.graph.get(layer.name)
        if node is None or not entries.known(function):
            continue
        seen = precision.addressing(layer, after, before)
        size = int(node.get_attr("table_size"))
        between = entries.between(function, size, seen.low, seen.high)
        step = entries.step(function, size)
        row = {
            "layer": node.name,
            "function": function,
            "entries": size,
            "addressed": [seen.low, seen.high],
            "step": step,
            "error": between + entries.beyond(function, seen.low, seen.high),
        }
        if function == "sigmoid" and any(layer.output is one for one in model.outputs):
            row["flips"] = float(np.mean(np.abs(_logits(model, layer, x)).min(axis=-1) < step))
        rows.append(row)
    return rows


def _logits(model: Any, layer: Any, x: np.ndarray) -> np.ndarray:
    """Return what enters the activation of a layer, `(events, ...)`."""
    import keras

    entered = keras.Model(model.inputs, layer.input).predict(x, verbose=0)
    if not hasattr(layer, "kernel"):
        return np.asarray(entered)
    with precision._linear(layer):
        return np.asarray(layer(entered, training=False))


def _entries(node: Any, high: float) -> tuple[str, dict[str, str]] | None:
    """Return what is wrong with the types of a softmax's entries; None where they hold them."""
    if node.get_attr("implementation") == "latency":
        kind, largest = node.get_attr("exp_table_t").precision, math.exp(min(high, 700.0))
        if largest <= types.limits(kind)[1]:
            return None
        says = f"exponentials up to {largest:.3g}, {types.described(kind)}"
        return says, {f"{node.name}.implementation": "stable"}
    for name in ("exp_table", "inv_table"):
        kind = node.get_attr(f"{name}_t").precision
        if types.limits(kind)[1] < 1 and not types.saturates(kind):
            says = f"entries of {name} up to 1 wrap, {types.described(kind)}"
            return says, {f"{node.name}.{name}": _ENTRIES}
    return None
