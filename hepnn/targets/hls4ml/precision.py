"""Fixed-point types for a float network, from its weights and from calibration events.

hls4ml's own defaults give every layer the same sixteen bits whatever its numbers are. Here

- results have the integer bits that calibration events need, one more by default, and round
  and saturate;
- weights and biases have the integer bits that they need;
- sums are as wide as the types of their terms can make them, so that they never overflow;
- tables have as many entries as the values that address them need;
- the input resolves every feature to 1/4096 of its standard deviation, or to the grid that all
  its values lie on.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.errors import TargetError
from hepnn.targets.hls4ml import entries

#: Fraction of a feature's standard deviation that the input resolves, in bits.
_INPUT_RESOLUTION = 12

#: Calibration events that are looked at, and how many at a time.
_EVENTS, _BATCH = 4096, 512

#: Entries of a table of which nothing is known.
_TABLE = 4096

#: What holds a table's entries, which are between -2 and 2, and those that are not.
_UP_TO_TWO = "fixed<18,2,RND,SAT>"
_ENTRIES = {"softplus": "fixed<18,5,RND,SAT>"}

#: Functions that hls4ml's templates have; it takes any other and writes C++ that does not compile.
_FUNCTIONS = (
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
    "softmax",
)

#: What hls4ml calls the type of a kernel; of one factor a channel, in some backends, a scale.
_KERNEL = {"weight", "scale"}

#: What layers of unknown arithmetic get.
_FALLBACK = "fixed<32,16,RND,SAT>"

#: Layers whose output type hls4ml takes from the input.
_MOVING = (
    "Flatten",
    "Reshape",
    "Permute",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "MaxPooling1D",
    "MaxPooling2D",
)


@dataclass(frozen=True)
class Fixed:
    """A fixed-point type: integer bits with the sign, and fraction bits."""

    signed: bool
    integer: int
    fraction: int
    mode: str = ""

    def __str__(self) -> str:
        """Return hls4ml's name of the type."""
        prefix = "" if self.signed else "u"
        width = max(self.integer + self.fraction, 1)
        return f"{prefix}fixed<{width},{self.integer}{self.mode}>"

    @property
    def largest(self) -> float:
        """Bound of the absolute value."""
        return 2.0 ** (self.integer - self.signed)


@dataclass
class Range:
    """Smallest and largest value met."""

    low: float = np.inf
    high: float = -np.inf

    def add(self, values: np.ndarray) -> None:
        """Widen the range to hold values."""
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))


def configuration(
    model: Any, calibration: np.ndarray, *, base: dict[str, Any], width: int, margin: int
) -> dict[str, Any]:
    """Fill hls4ml's configuration by name with calibrated types.

    Parameters
    ----------
    model
        A float Keras model without a final softmax.
    calibration
        Physical quantities `(events, *shape)`.
    base
        What `config_from_keras_model(granularity="name")` returned.
    width
        Bits of results and weights.
    margin
        Integer bits beyond the largest result met.
    """
    for name, reason in refused(model).items():
        raise TargetError(f"target hls4ml: layer {name!r}: {reason}")
    calibration = looked_at(calibration)
    after, before = measured(model, calibration)
    names: dict[str, Any] = base["LayerName"]
    types: dict[int, Fixed] = {}
    for layer in model.layers:
        entry = names.get(layer.name)
        if layer.__class__.__name__ == "InputLayer":
            types[id(layer.output)] = input_type(calibration, margin)
            if entry is not None:
                entry["Precision"]["result"] = str(types[id(layer.output)])
            continue
        entered = [types[id(t)] for t in _inputs(layer)]
        result = result_type(after[layer.name], width, margin)
        if layer.__class__.__name__ in _MOVING:
            result = entered[0]
        elif entry is not None:
            inner = result_type(before[layer.name], width, margin)
            _fill(layer, entry["Precision"], entered, inner, width)
        activation = names.get(f"{layer.name}_{_activation(layer)}")
        for table in (activation, entry):
            if table is not None and "TableSize" in table:
                table["TableSize"] = _entries(layer, after, before)
                # Beside the layer's other types hls4ml 1.3 does not read it.
                table["table_t"] = _ENTRIES.get(_activation(layer), _UP_TO_TWO)
        if activation is not None:
            activation["Precision"]["result"] = str(result)
        types[id(layer.output)] = result
    base["Model"]["Precision"] = {"default": _FALLBACK}
    # Fused, a batch normalization would change weights after their type was chosen.
    base["SkipOptimizers"] = ["fuse_batch_normalization"]
    return base


def _entries(layer: Any, after: dict[str, Range], before: dict[str, Range]) -> int:
    """Return how many entries a layer's table needs for the values that address it."""
    function = _activation(layer)
    if not entries.known(function):
        return _TABLE
    entering = addressing(layer, after, before)
    return entries.needed(function, entering.low, entering.high)


def addressing(layer: Any, after: dict[str, Range], before: dict[str, Range]) -> Range:
    """Return the range of what enters a layer's activation."""
    if hasattr(layer, "kernel"):
        return before[layer.name]
    (entering,) = _inputs(layer)
    return after[entering._keras_history.operation.name]


def looked_at(calibration: np.ndarray) -> np.ndarray:
    """Return the calibration events that types come from."""
    step = max(1, len(calibration) // _EVENTS)
    return np.asarray(calibration[::step][:_EVENTS], np.float32)


def refused(model: Any) -> dict[str, str]:
    """Return the layers of a float network that hls4ml would take and not get right, with why."""
    nodes = itertools.chain(*model._nodes_by_depth.values())
    uses = Counter(node.operation.name for node in nodes)
    again = "called {} times; types of a float stage are worked out for one: quantize first"
    found = {name: again.format(count) for name, count in uses.items() if count > 1}
    for layer in model.layers:
        if _activation(layer) not in _FUNCTIONS:
            found[layer.name] = f"hls4ml has no function {_activation(layer)!r}"
    return found


def result_type(values: Range, width: int, margin: int) -> Fixed:
    """Return the type of a layer's results; it rounds and saturates."""
    signed = values.low < 0
    largest = max(abs(values.low), abs(values.high), 2.0**-16)
    integer = _integer_bits(largest) + margin + signed
    return Fixed(signed, integer, width - integer, ",RND,SAT")


def weight_type(values: np.ndarray, width: int, *, exact: bool = False) -> Fixed:
    """Return the type of weights or biases: no wider than they need.

    With `exact` it is as wide as it takes to hold every one.
    """
    values = np.asarray(values, np.float64)
    if not values.any():
        return Fixed(False, 1, 0)
    signed = bool((values < 0).any())
    integer = _integer_bits(float(np.abs(values).max())) + signed
    needed = fraction_bits(values)
    fraction = needed if exact else min(width - integer, needed)
    return Fixed(signed, integer, max(fraction, 1 - integer), ",RND,SAT")


def input_type(calibration: np.ndarray, margin: int) -> Fixed:
    """Return one type for all features of the input."""
    flat = calibration.reshape(-1, calibration.shape[-1]).astype(np.float64)
    spread = flat.std(axis=0)
    wanted = np.ceil(_INPUT_RESOLUTION - np.log2(np.where(spread > 0, spread, 1.0)))
    grid = np.array([fraction_bits(feature) for feature in flat.T])
    fraction = int(np.minimum(wanted, grid).max())
    signed = bool((flat < 0).any())
    integer = _integer_bits(max(float(np.abs(flat).max()), 2.0**-16)) + margin + signed
    return Fixed(signed, integer, max(fraction, 1 - integer), ",RND,SAT")


def fraction_bits(values: np.ndarray) -> int:
    """Return the fraction bits that hold every value exactly; negative for multiples of 2."""
    values = np.abs(np.asarray(values, np.float64).ravel())
    values = values[values > 0]
    if not len(values):
        return 0
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    places = np.log2((whole & -whole).astype(np.float64)).astype(np.int64)
    return int(np.max(53 - places - exponent))


def _fill(
    layer: Any, precision: dict[str, str], entered: list[Fixed], result: Fixed, width: int
) -> None:
    """Set one layer's types: the weights', the sums' and the result before its activation."""
    if "result" in precision:
        precision["result"] = str(result)
    kind = layer.__class__.__name__
    kernel = getattr(layer, "kernel", None)
    if kernel is not None and len(entered) == 1 and _KERNEL & precision.keys():
        _fill_linear(layer, np.asarray(kernel), precision, entered[0], width)
    elif kind == "BatchNormalization":
        scale = np.asarray(layer.moving_variance + layer.epsilon) ** -0.5
        scale = scale * (np.asarray(layer.gamma) if layer.scale else 1.0)
        offset = (np.asarray(layer.beta) if layer.center else 0.0) - scale * layer.moving_mean
        precision["scale"] = str(weight_type(scale, width))
        precision["bias"] = str(weight_type(np.asarray(offset), width))
    elif "accum" in precision and len(entered) == 1:
        # Averages: the sum over the window of the input's own values.
        window = int(np.prod(getattr(layer, "pool_size", layer.input.shape[1:-1])))
        wide = entered[0].integer + _integer_bits(float(window))
        precision["accum"] = str(Fixed(entered[0].signed, wide, entered[0].fraction + 8))


def _fill_linear(
    layer: Any, kernel: np.ndarray, precision: dict[str, str], entered: Fixed, width: int
) -> None:
    # The powers of two of an input scaling reach further than any fixed width.
    weight = weight_type(kernel, width, exact=layer.name == "input_scaling")
    precision["scale" if "scale" in precision else "weight"] = str(weight)
    channels = kernel.shape[-1]
    elementwise = kernel.ndim == 1
    sums = np.abs(kernel) if elementwise else np.abs(kernel).reshape(-1, channels).sum(axis=0)
    total = sums.max() * entered.largest
    bias = getattr(layer, "bias", None)
    fraction = entered.fraction + weight.fraction
    if bias is not None:
        kept = weight_type(np.asarray(bias), width, exact=layer.name == "input_scaling")
        precision["bias"] = str(kept)
        total = total + kept.largest
        fraction = max(fraction, kept.fraction)
    # Rounded weights may be half a step above the real ones, each.
    terms = 1 if elementwise else kernel.size // channels
    total = total + terms * 2.0**-weight.fraction * entered.largest
    if "accum" in precision:
        precision["accum"] = str(Fixed(True, _integer_bits(total) + 1, fraction))


def measured(model: Any, x: np.ndarray) -> tuple[dict[str, Range], dict[str, Range]]:
    """Return the ranges of every layer's output, and of it before the layer's activation."""
    import keras

    layers = [layer for layer in model.layers if layer.__class__.__name__ != "InputLayer"]
    after = {layer.name: Range() for layer in layers}
    after[model.inputs[0]._keras_history.operation.name] = Range(float(x.min()), float(x.max()))
    before = {layer.name: Range() for layer in layers}
    met = [tensor for layer in layers for tensor in (*_inputs(layer), layer.output)]
    probe = keras.Model(model.inputs[0], met)
    for start in range(0, len(x), _BATCH):
        values = iter(probe(x[start : start + _BATCH], training=False))
        for layer in layers:
            entered = [next(values) for _ in _inputs(layer)]
            result = np.asarray(next(values))
            after[layer.name].add(result)
            if _activation(layer) != "linear" and hasattr(layer, "kernel"):
                with _linear(layer):
                    result = np.asarray(layer(entered[0], training=False))
            before[layer.name].add(result)
    return after, before


@contextlib.contextmanager
def _linear(layer: Any) -> Iterator[None]:
    import keras

    kept = layer.activation
    layer.activation = keras.activations.linear
    try:
        yield
    finally:
        layer.activation = kept


def _inputs(layer: Any) -> list[Any]:
    entered = layer.input
    return list(entered) if isinstance(entered, (list, tuple)) else [entered]


def _activation(layer: Any) -> str:
    return getattr(getattr(layer, "activation", None), "__name__", "linear")


def _integer_bits(largest: float) -> int:
    """Return the bits left of the point, without a sign, for values up to and with `largest`."""
    return int(np.floor(np.log2(largest))) + 1
