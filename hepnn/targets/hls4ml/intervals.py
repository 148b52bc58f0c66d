"""How far the numbers of a float network can go, beyond the events that were seen.

The range that each input was seen in, widened by a margin, is propagated layer by layer: the ends
of linear layers by their positive and negative weights, those of monotonic functions by the
functions. Every number then lies in its interval, up to float32's rounding, for any inputs in
those ranges. The intervals are wide, because dependences between numbers are left out: what fits
is proven, what does not fit may never come.

A. Neumaier, "Interval Methods for Systems of Equations", Cambridge 1990, section 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.targets.hls4ml import folded, precision, types

#: By which part of its width the range seen of an input is widened, at either end.
MARGIN = 0.25

#: Events that are computed at a time.
_BATCH = 512

#: Functions that never fall.
_RISING = (
    "linear",
    "relu",
    "leaky_relu",
    "sigmoid",
    "hard_sigmoid",
    "tanh",
    "hard_tanh",
    "softplus",
    "softsign",
    "elu",
    "selu",
)

#: Layers whose outputs rise with every input.
_MONOTONIC = (
    *("Add", "Average", "Maximum", "Minimum", "Concatenate", "Flatten", "Reshape", "Permute"),
    *("ReLU", "LeakyReLU", "ELU", "Dropout", "RepeatVector"),
    *(f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2)),
    *(f"Global{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2)),
    *(f"{kind}{n}D" for kind in ("ZeroPadding", "UpSampling", "Cropping") for n in (1, 2)),
)

#: Layers that are linear in their input, with a kernel and perhaps a bias.
_LINEAR = ("Dense", "EinsumDense", "Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D")


@dataclass(frozen=True)
class Interval:
    """Ends of every number of a layer, `(1, *shape)`.

    Attributes
    ----------
    low, high : np.ndarray
        The ends.
    seen : bool
        They are those of the events that were seen, widened: the layer could not be propagated.
    """

    low: np.ndarray
    high: np.ndarray
    seen: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest of all numbers."""
        return float(self.low.min()), float(self.high.max())


def widened(low: np.ndarray, high: np.ndarray) -> Interval:
    """Return the range that numbers were seen in with the margin."""
    more = MARGIN * (high - low)
    return Interval((low - more).astype(np.float32), (high + more).astype(np.float32), seen=True)


def propagated(model: Any, x: np.ndarray) -> dict[str, tuple[Interval, Interval]]:
    """Return how far every layer's numbers can go, before its activation and after.

    Parameters
    ----------
    model
        A functional float network of one input.
    x
        Events `(events, *shape)`; their ranges, widened, are where the inputs may be.
    """
    layers = [layer for layer in model.layers if layer.__class__.__name__ != "InputLayer"]
    start = widened(x.min(axis=0, keepdims=True), x.max(axis=0, keepdims=True))
    entrance = model.inputs[0]._keras_history.operation.name
    known = {entrance: Interval(start.low, start.high)}
    found = {entrance: (known[entrance], known[entrance])}
    seen = _seen(model, layers, x)
    for layer in layers:
        names = [tensor._keras_history.operation.name for tensor in precision._inputs(layer)]
        # Operations that are no layers are not followed.
        whole = all(name in known for name in names)
        ends = _through(layer, [known[name] for name in names]) if whole else None
        before, known[layer.name] = ends or (seen[layer.name], seen[layer.name])
        found[layer.name] = before, known[layer.name]
    return found


def _seen(model: Any, layers: list[Any], x: np.ndarray) -> dict[str, Interval]:
    """Return the widened range that every number of every layer was seen in."""
    import keras

    probe = keras.Model(model.inputs[0], [layer.output for layer in layers])
    ends: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, len(x), _BATCH):
        made = keras.tree.flatten(probe(x[start : start + _BATCH], training=False))
        made = [np.asarray(one) for one in made]
        some = [(one.min(axis=0, keepdims=True), one.max(axis=0, keepdims=True)) for one in made]
        ends = [
            (np.minimum(low, lower), np.maximum(high, higher))
            for (low, high), (lower, higher) in zip(ends or some, some, strict=True)
        ]
    return {layer.name: widened(*both) for layer, both in zip(layers, ends, strict=True)}


def report(model: Any, graph: Any, x: np.ndarray) -> list[dict[str, Any]]:
    """Compare the types of a converted float network with how far its numbers can go.

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
        A row for the input, for the sums and for the results of every layer: `layer`, `kind`
        (`input`, `sums` or `result`), `seen` and `interval`, each smallest and largest number,
        `type` and `holds`, what it can hold, and `beyond`: what happens at the ends of the
        interval, `fits`, `saturates` or `wraps`. `propagated` is False where the interval starts
        anew from the range seen.
    """
    x = np.asarray(x, np.float32)
    model = folded.layerwise(model, graph, x)
    after, before = precision.measured(model, x)
    found = propagated(model, x)
    entrance = next(node for node in graph.get_layers() if node.class_name == "Input")
    (start, _), *_ = found.values()
    seen = precision.Range(float(x.min()), float(x.max()))
    rows = [_row(entrance.name, "input", seen, start, _result(entrance))]
    for layer in model.layers:
        sums, result = found[layer.name]
        name, function = layer.name, f"{layer.name}_{precision._activation(layer)}"
        node, acting = graph.graph.get(name), graph.graph.get(function)
        if node is None or node is entrance:
            continue
        if node.get_attr("accum_t") is not None and hasattr(layer, "kernel"):
            kind = node.get_attr("accum_t").precision
            rows.append(_row(name, "sums", before[name], sums, kind))
        last = acting is None
        seen, reach = (after[name], result) if last else (before[name], sums)
        rows.append(_row(name, "result", seen, reach, _result(node)))
        if acting is not None:
            rows.append(_row(function, "result", after[name], result, _result(acting)))
    return rows


def _row(name: str, kind: str, seen: Any, reach: Interval, fixed: Any) -> dict[str, Any]:
    low, high = reach.ends
    fits = types.holds(fixed, low, high)
    return {
        "layer": name,
        "kind": kind,
        "seen": [seen.low, seen.high],
        "interval": [low, high],
        "propagated": not reach.seen,
        "type": types.called(fixed),
        "holds": list(types.limits(fixed)),
        "beyond": "fits" if fits else "saturates" if types.saturates(fixed) else "wraps",
    }


def _result(node: Any) -> Any:
    return node.get_output_variable().type.precision


def _ends(interval: Interval) -> tuple[np.ndarray, np.ndarray]:
    return interval.low, interval.high


def _through(layer: Any, entered: list[Interval]) -> tuple[Interval, Interval] | None:
    """Return how far a layer's numbers go, before and after its activation; None if unknown."""
    kind, function = layer.__class__.__name__, precision._activation(layer)
    if kind == "Softmax" or function == "softmax":
        return _softmax(layer, entered)
    if function not in _RISING:
        return None
    if kind in _LINEAR:
        sums = _linear(layer, entered[0])
        low, high = (np.asarray(layer.activation(end)) for end in _ends(sums))
        return sums, Interval(low, high)
    if kind == "BatchNormalization":
        # Linear and without a sum: its ends are those of the input's ends, in one order or other.
        ends = [np.asarray(layer(end, training=False)) for end in _ends(entered[0])]
        result = Interval(np.minimum(*ends), np.maximum(*ends))
    elif kind == "Multiply" and len(entered) == 2:
        corners = [a * b for a in _ends(entered[0]) for b in _ends(entered[1])]
        result = Interval(np.minimum.reduce(corners), np.maximum.reduce(corners))
    elif kind == "Subtract":
        (low, high), (lower, higher) = map(_ends, entered)
        result = Interval(low - higher, high - lower)
    elif kind in _MONOTONIC or kind == "Activation":
        result = _rising(layer, entered)
    else:
        return None
    return result, result


def _rising(layer: Callable[..., Any], entered: list[Interval]) -> Interval:
    low, high = (
        np.asarray(layer(list(ends) if len(ends) > 1 else ends[0], training=False))
        for ends in zip(*map(_ends, entered), strict=True)
    )
    return Interval(low, high)


def _linear(layer: Any, entered: Interval) -> Interval:
    """Return the ends of sums: of the middle, and as much to either side as all terms add up to."""
    middle, reach = (entered.high + entered.low) / 2, (entered.high - entered.low) / 2
    kept = layer.get_weights()
    with precision._linear(layer):
        center = np.asarray(layer(middle, training=False))
        layer.set_weights([np.abs(kept[0]), *(np.zeros_like(bias) for bias in kept[1:])])
        try:
            side = np.asarray(layer(reach, training=False))
        finally:
            layer.set_weights(kept)
    return Interval(center - side, center + side)


def _softmax(layer: Any, entered: list[Interval]) -> tuple[Interval, Interval]:
    if hasattr(layer, "kernel"):
        sums = _linear(layer, entered[0])
        return sums, Interval(np.zeros_like(sums.low), np.ones_like(sums.high))
    shares = Interval(np.zeros_like(entered[0].low), np.ones_like(entered[0].high))
    return shares, shares
