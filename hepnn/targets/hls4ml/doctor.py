"""Why firmware of a float network answers otherwise than Keras: the layer, the type, the mend.

Both sides are run layer by layer on the same events. What a layer itself adds is seen where Keras
computes the layer from the firmware's own inputs: the first layer that adds more than the bound
is the one to look at, whatever the layers before it did. Its cause is read off its types and the
values that meet them, and the mend changes one type of that layer.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import TargetError
from hepnn.targets import hls4ml
from hepnn.targets.hls4ml import folded, intervals, lookups, precision, types
from hepnn.targets.hls4ml.lookups import ADDRESS, MARGIN
from hepnn.targets.interface import logged, one_line
from hepnn.targets.kit import Kit

#: Root mean square of what a layer adds, over the spread of its outputs, that is called large.
LARGE = 0.01


@dataclass(frozen=True)
class Finding:
    """What is wrong with one layer.

    Attributes
    ----------
    layer : str
        hls4ml's name of it.
    cause : str
        `input range`, `weight range`, `weight resolution`, the same of a `bias`, `accumulator`,
        `overflow by wrap`, `saturation`, `table of ...` or `resolution`.
    says : str
        The values that show it.
    added, carried : float
        Root mean square of what the layer adds, and of the difference to Keras that it has with
        what came in, over the spread of its outputs.
    types : dict of str
        The types of the layer, as hls4ml has them.
    mend : dict of str
        What mends it: a type by `layer.kind`.
    """

    layer: str
    cause: str
    says: str
    added: float
    carried: float
    types: dict[str, str]
    mend: dict[str, str]

    @property
    def wraps(self) -> bool:
        """Whether a value that does not fit becomes another one."""
        return self.cause in ("overflow by wrap", "accumulator", "input range")

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Examination:
    """What one conversion of a network shows.

    Attributes
    ----------
    findings : list of Finding
        In the order of the layers.
    outputs : np.ndarray
        The firmware's `(events, ...)`.
    bits : int
        Of all results and weights: what a mend costs shows in them.
    ranges : list of dict
        What types hold, against how far numbers can go (`intervals.report`).
    """

    findings: list[Finding]
    outputs: np.ndarray
    bits: int
    ranges: list[dict[str, Any]]


def examine(model: Any, kit: Kit, calibration: np.ndarray, x: np.ndarray) -> Examination:
    """Convert a float network as a kit says, and look at it layer by layer.

    Parameters
    ----------
    model
        The Keras model.
    kit
        How hls4ml writes it.
    calibration
        Events that types come from.
    x
        Events that both sides are run on.

    Raises
    ------
    TargetError
        If hls4ml does not convert it, or cannot trace it.
    """
    from hepnn.targets.hls4ml import project
    from hepnn.targets.hls4ml.recurrent import written_out

    entering, stripped = hls4ml.entering(model, kit)
    network, _ = written_out(entering)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        folder.mkdir()
        with logged(folder.parent / "build.log"):
            if kit.hls4ml.types == "default":
                graph = project.plain(network, folder, kit)
            else:
                graph = project.calibrated(network, folder, kit, calibration)
        findings, outputs = diagnose(network, graph, x, folder.parent / "build.log")
        ranges = intervals.report(network, graph, precision.looked_at(calibration))
    if stripped:
        weights = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        outputs = weights / weights.sum(axis=-1, keepdims=True)
    return Examination(findings, outputs, _all_bits(graph), ranges)


def _all_bits(graph: Any) -> int:
    total = 0
    for layer in graph.get_layers():
        result = layer.get_output_variable()
        total += int(result.type.precision.width) * int(result.size())
        for weight in layer.weights.values():
            total += int(weight.type.precision.width) * int(np.size(weight.data))
    return total


def diagnose(model: Any, graph: Any, x: np.ndarray, log: Path) -> tuple[list[Finding], np.ndarray]:
    """Run Keras and a converted network layer by layer; return what is found, and the outputs."""
    model = folded.layerwise(model, graph, x)
    layers = [layer for layer in graph.get_layers() if layer.class_name != "Input"]
    for layer in layers:
        layer.set_attr("trace", True)
    with logged(log):
        try:
            outputs, traced = graph.trace(np.ascontiguousarray(x, np.float32))
        except Exception as error:  # hls4ml raises bare exceptions
            raise TargetError(f"hls4ml cannot trace it: {one_line(error)}") from error
    given = types.on(x, graph.get_input_variables()[0].type.precision)
    found = []
    if finding := _of_input(graph, x, given):
        found.append(finding)
    made = {layer.name: given for layer in model.layers if layer.__class__.__name__ == "InputLayer"}
    for layer in model.layers:
        if layer.name in made:
            continue
        before = [tensor._keras_history.operation.name for tensor in precision._inputs(layer)]
        entered = [made[name] for name in before]
        names = _names(layer, traced)
        for position, name in enumerate(names):
            last = position == len(names) - 1
            expected = _keras(layer, entered, whole=len(names) == 1, function_alone=position == 1)
            answer = traced[name].reshape(expected.shape)
            wanted = expected if not last else _reference(model, layer, x)
            node = graph.graph[name]
            finding = _look(node, layer, entered, expected, answer, wanted, position)
            if finding is not None:
                found.append(finding)
            entered = [answer]
        made[layer.name] = entered[0] if names else _keras(layer, entered, whole=True)
    return found, np.asarray(outputs).reshape(len(x), -1)


def _names(layer: Any, traced: dict[str, np.ndarray]) -> list[str]:
    """Return hls4ml's names of a layer and of its activation, those that are traced."""
    function = precision._activation(layer)
    return [name for name in (layer.name, f"{layer.name}_{function}") if name in traced]


def _keras(
    layer: Any, entered: list[np.ndarray], *, whole: bool, function_alone: bool = False
) -> np.ndarray:
    """Return what Keras makes of inputs: of the layer, of its sums, or of its function alone."""
    inputs = [value.astype(np.float32) for value in entered]
    given: Any = inputs[0] if len(inputs) == 1 else inputs
    if function_alone:
        return np.asarray(layer.activation(given))
    if whole or not hasattr(layer, "activation"):
        return np.asarray(layer(given, training=False))
    with precision._linear(layer):
        return np.asarray(layer(given, training=False))


def _reference(model: Any, layer: Any, x: np.ndarray) -> np.ndarray:
    import keras

    return np.asarray(keras.Model(model.inputs, layer.output).predict(x, verbose=0))


def _look(
    node: Any,
    layer: Any,
    entered: list[np.ndarray],
    expected: np.ndarray,
    answer: np.ndarray,
    wanted: np.ndarray,
    position: int,
) -> Finding | None:
    """Return what is wrong with one layer of hls4ml's; None where it adds little."""
    spread = float(expected.std()) or 1.0
    added = _rms(answer - expected) / spread
    if added <= LARGE:
        return None
    cause, says, mend = _cause(node, layer, entered, expected, position)
    carried = _rms(answer - wanted) / spread
    return Finding(node.name, cause, says, added, carried, _types(node), mend)


def _cause(
    node: Any, layer: Any, entered: list[np.ndarray], expected: np.ndarray, position: int
) -> tuple[str, str, dict[str, str]]:
    """Name the cause, show the values, and propose one type."""
    result = node.get_output_variable().type.precision
    function = str(node.get_attr("activation") or node.class_name).lower()
    if function in lookups.TABLED:
        return lookups.fault(node, entered[0], function)
    name, values = node.name, _Values(float(expected.min()), float(expected.max()))
    width = max(int(result.width), ADDRESS)
    kernel = getattr(layer, "kernel", None)
    weight = node.weights.get("weight")
    if kernel is not None and weight is not None and position == 0:
        found = _weights(node, layer, entered, expected)
        if found:
            return found
    accum = node.get_attr("accum_t")
    if (
        accum is not None
        and position == 0
        and not types.holds(accum.precision, values.low, values.high)
    ):
        wide = precision.Fixed(
            True, _bits(values.largest) + MARGIN + 1, types.fraction(accum.precision)
        )
        says = (
            f"sums from {values.low:.4g} to {values.high:.4g}, {types.described(accum.precision)}"
        )
        return "accumulator", says, {f"{name}.accum": str(wide)}
    fitting = precision.result_type(precision.Range(values.low, values.high), width, MARGIN)
    mend = {f"{name}.result": str(fitting)}
    outside = types.outside(result, expected)
    if outside:
        wraps = not types.saturates(result)
        says = f"{outside:.2%} of its values, {values.low:.4g} to {values.high:.4g}, are beyond "
        cause = "overflow by wrap" if wraps else "saturation"
        return cause, says + types.described(result), mend
    step = 2.0 ** -types.fraction(result)
    says = f"steps of {step:.3g} on values of spread {float(expected.std()):.3g}"
    finer = precision.Fixed(
        bool(result.signed), int(result.integer), width + 2 - int(result.integer), ",RND,SAT"
    )
    return "resolution", says, {f"{name}.result": str(finer)}


def _weights(
    node: Any, layer: Any, entered: list[np.ndarray], expected: np.ndarray
) -> tuple[str, str, dict[str, str]] | None:
    """Return what is wrong with a layer's weights; None where they alone would add little."""
    kept = layer.get_weights()
    kinds = [node.weights[name].type.precision for name in ("weight", "bias")[: len(kept)]]
    layer.set_weights([types.on(*pair) for pair in zip(kept, kinds, strict=True)])
    try:
        alone = _keras(layer, entered, whole=False)
    finally:
        layer.set_weights(kept)
    if _rms(alone - expected) <= LARGE * float(expected.std() or 1.0):
        return None
    worst = max(range(len(kept)), key=lambda n: _rms(types.on(kept[n], kinds[n]) - kept[n]))
    name, values, kind = ("weight", "bias")[worst], kept[worst], kinds[worst]
    width = max(int(kind.width), ADDRESS) + 2
    mend = {f"{node.name}.{name}": str(precision.weight_type(values, width))}
    if types.outside(kind, values):
        largest = float(np.abs(values).max())
        return f"{name} range", f"values up to {largest:.4g}, {types.described(kind)}", mend
    step, spread = 2.0 ** -types.fraction(kind), float(values.std())
    return f"{name} resolution", f"steps of {step:.3g} on values of spread {spread:.3g}", mend


def _of_input(graph: Any, x: np.ndarray, given: np.ndarray) -> Finding | None:
    """Return what is wrong with the input's type; None where it holds the events."""
    variable = graph.get_input_variables()[0]
    kind = variable.type.precision
    spread = float(x.std()) or 1.0
    added = _rms(given - x) / spread
    if added <= LARGE:
        return None
    outside = types.outside(kind, x)
    fitting = precision.input_type(np.asarray(x), MARGIN)
    says = (
        f"{outside:.2%} of the quantities, {float(x.min()):.4g} to {float(x.max()):.4g}, are "
        f"beyond {types.described(kind)}"
        if outside
        else f"steps of {2.0 ** -types.fraction(kind):.3g} on quantities of spread {spread:.3g}"
    )
    cause = "input range" if outside else "resolution"
    name = next(layer.name for layer in graph.get_layers() if layer.class_name == "Input")
    mend = {f"{name}.result": str(fitting)}
    return Finding(name, cause, says, added, added, {"result": types.called(kind)}, mend)


@dataclass(frozen=True)
class _Values:
    low: float
    high: float

    @property
    def largest(self) -> float:
        return max(abs(self.low), abs(self.high), 2.0**-16)


def _types(node: Any) -> dict[str, str]:
    found = {"result": types.called(node.get_output_variable().type.precision)}
    for kind, variable in node.weights.items():
        found[kind] = types.called(variable.type.precision)
    for kind in ("accum_t", "table_t", "exp_table_t", "inv_table_t"):
        if node.get_attr(kind) is not None:
            found[kind.removesuffix("_t")] = types.called(node.get_attr(kind).precision)
    return found


def _bits(largest: float) -> int:
    return math.floor(math.log2(largest)) + 1


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.asarray(values, np.float64) ** 2)))
