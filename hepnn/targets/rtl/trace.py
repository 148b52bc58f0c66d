"""From a Keras model to alkaid's integer program, and where the two differ."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.errors import TargetError
from hepnn.targets.fixed_point import NEAR, Lane, first_lane, is_fixed_point
from hepnn.targets.interface import one_line, single_input
from hepnn.targets.rtl.repairs import repaired

#: What alkaid asserts of a lane that takes the input itself.
_OF_INPUTS = ("overflow_mode == 'WRAP'", "round_mode in ('TRN', 'RND')")

#: What a layer is traced on when the one before it was refused: 8 bits with a sign.
_STAND_IN = (1, 3, 4)


@dataclass(frozen=True)
class Traced:
    """A network as additions, shifts and wraps of integers.

    Attributes
    ----------
    comb
        alkaid's `CombLogic`.
    lane : Lane
        What turns the physical quantities into the integers that go in.
    shape, output_shape : tuple of int
        Of one event.
    inputs, layers
        The symbolic inputs, and the symbolic outputs of every layer by name.
    """

    comb: Any
    lane: Lane
    shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    inputs: Any
    layers: dict[str, Any]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the interpreter's outputs `(events, *output_shape)` float32."""
        return run(self.comb, self.lane, x).reshape(len(x), *self.output_shape)


def run(comb: Any, lane: Lane, x: np.ndarray) -> np.ndarray:
    """Return the outputs `(events, outputs)` float32 of a program for physical quantities."""
    on_grid = lane.quantize(x).astype(np.float64).reshape(len(x), -1)
    if not len(x):
        return np.empty((0, comb.shape[1]), np.float32)
    return comb.predict(on_grid).reshape(len(x), -1).astype(np.float32)


def trace_network(model: Any, target: str = "rtl") -> Traced:
    """Trace a fixed-point model.

    The host brings the inputs to the grid of the first quantizer, with that quantizer's
    rounding, so that no logic is spent on it. Where no single grid describes the input (it
    meets two quantizers, or something else first) the firmware rounds and takes one bit more,
    and the host refuses what float32 has no steps for.

    Parameters
    ----------
    model
        The Keras model.
    target
        Whose words a refusal is told in.

    Raises
    ------
    TargetError
        If the model has several inputs or outputs, or a layer cannot be traced; the message
        names the layer.
    """
    shape = single_input(model, target)
    for layer in model.layers:
        if _is_float(layer):
            raise _refusal(target, model.name, layer.name, _NOT_FIXED)
    found = first_lane(model)
    try:
        return _trace(model, shape, None if found is None else found[1])
    except Exception as error:  # the tracer's own failures are of every kind
        for name, reason in refusals(model).items():
            raise _refusal(target, model.name, name, reason) from error
        raise TargetError(f"target {target}: model {model.name!r}: {_reason(error)}") from error


def refusals(model: Any) -> dict[str, str]:
    """Return the layers that cannot be traced, each with the reason.

    Every layer is traced alone, on what the one before it gave, so that one refused layer does
    not hide the next.
    """
    import keras
    from alkaid.converter import trace_model
    from alkaid.trace import FVArrayInput

    import hepnn.targets.rtl.decision  # noqa: F401 - more layers for alkaid
    import hepnn.targets.rtl.images  # noqa: F401 - as above
    import hepnn.targets.rtl.recurrent  # noqa: F401 - as above
    import hepnn.targets.rtl.shapes  # noqa: F401 - as above

    shape = tuple(model.inputs[0].shape[1:])
    found = first_lane(model)
    start = FVArrayInput((1, *shape)) if found is None else _on_lane(found[1], shape)
    known = {id(model.inputs[0]): start}
    refused = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if _is_float(layer):
            refused[layer.name] = _NOT_FIXED
            continue
        try:
            alone = keras.Model(layer.input, layer.output)
            sources = keras.tree.flatten(layer.input)
            given = tuple(known.get(id(source), _stand_in(source.shape[1:])) for source in sources)
            with repaired():
                results = trace_model(alone, inputs=given, dump=True)["final"]
        except Exception as error:  # as above
            refused[layer.name] = _reason(error)
            continue
        for tensor, result in zip(keras.tree.flatten(layer.output), results, strict=True):
            known[id(tensor)] = result
    return refused


def probe(traced: Traced, events: int, seed: int = 0) -> np.ndarray:
    """Return inputs `(events, *shape)`: a half in range, the rest at its ends and far outside."""
    rng = np.random.default_rng(seed)
    shape = (events, *traced.shape)
    low, high = (np.broadcast_to(end, shape) for end in (traced.lane.lowest, traced.lane.highest))
    low, high = (np.where(high > low, end, sign) for end, sign in ((low, -1.0), (high, 1.0)))
    x = rng.uniform(low, high)
    quarter = events // 4
    ends = np.where(rng.random(shape) < 0.5, low, high)
    x[:quarter] = ends[:quarter]
    x[quarter : 2 * quarter] *= 1000
    return traced.lane.within(x.astype(np.float32))


def difference(model: Any, traced: Traced, x: np.ndarray) -> tuple[str, str] | None:
    """Return the first layer that differs from Keras and how often, or None for equal bits."""
    import keras

    wanted = model.predict(x, verbose=0)
    wrong = _differing(traced.predict(x), wanted)
    if not wrong:
        return None
    named = [layer for layer in model.layers if f"/{layer.name}/final" in traced.layers]
    outputs = keras.Model(model.inputs, [layer.output for layer in named])
    for layer, expected in zip(named, outputs.predict(x, verbose=0), strict=True):
        count = _differing(_of_layer(traced, layer.name, x), expected)
        if count:
            return layer.name, f"differs from Keras in {count} of {len(x)} events"
    return model.layers[-1].name, f"differs from Keras in {wrong} of {len(x)} events"


_NOT_FIXED = "not fixed point: quantize first"


def _trace(model: Any, shape: tuple[int, ...], lane: Lane | None) -> Traced:
    from alkaid.converter import trace_model
    from alkaid.trace import trace

    import hepnn.targets.rtl.decision  # noqa: F401 - as above
    import hepnn.targets.rtl.images  # noqa: F401
    import hepnn.targets.rtl.recurrent  # noqa: F401
    import hepnn.targets.rtl.shapes  # noqa: F401

    with repaired():
        given = None if lane is None else (_on_lane(lane, shape),)
        layers = trace_model(model, inputs=given, dump=True)
        inputs, outputs = layers["inputs"][0], layers["final"][0]
        comb = trace(inputs.ravel(), outputs.ravel())
    if not comb.inp_kifs.sum():
        raise TargetError("its outputs do not depend on its inputs")
    if lane is None:
        k, i, f = (part.reshape((1, *shape)).astype(np.float64) for part in comb.inp_kifs)
        lane = Lane(k, i, f, "TRN", NEAR)
    return Traced(comb, lane, shape, tuple(model.outputs[0].shape[1:]), inputs, layers)


def _of_layer(traced: Traced, name: str, x: np.ndarray) -> np.ndarray:
    from alkaid.trace import trace

    output = traced.layers[f"/{name}/final"][0]
    with repaired():
        comb = trace(traced.inputs.ravel(), output.ravel(), keep_dead_inputs=True)
    return run(comb, traced.lane, x)


def _on_lane(lane: Lane, shape: tuple[int, ...]) -> Any:
    from alkaid.trace import FVArray

    k, i, f = (
        np.broadcast_to(part, (1, *shape)).astype(np.int64) for part in (lane.k, lane.i, lane.f)
    )
    return FVArray.from_kif(k, i, f)


def _stand_in(shape: tuple[int, ...]) -> Any:
    from alkaid.trace import FVArray

    return FVArray.from_kif(*(np.full((1, *shape), part) for part in _STAND_IN))


def _is_float(layer: Any) -> bool:
    if hasattr(layer, "layers"):
        return any(_is_float(inner) for inner in layer.layers)
    return bool(layer.weights) and not is_fixed_point(layer)


def _differing(a: np.ndarray, b: np.ndarray) -> int:
    return int((a.reshape(len(a), -1) != b.reshape(len(b), -1)).any(axis=1).sum())


def _refusal(target: str, model: str, layer: str, reason: str) -> TargetError:
    return TargetError(f"target {target}: model {model!r}, layer {layer!r}: {reason}")


def _reason(error: Exception) -> str:
    """Say in a line why the tracer stopped; its assertions often say nothing themselves."""
    if isinstance(error, TargetError):
        return str(error)
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], type):
        return f"{error.args[0].__name__} is not known to alkaid"
    if "unquantized input" in str(error):
        return "its input has no quantizer"
    if str(error):
        return f"alkaid: {one_line(error)}"
    frames = traceback.extract_tb(error.__traceback__)
    if any(said in str(frames[-1].line) for said in _OF_INPUTS):
        return (
            "its input meets several lanes, and this one saturates or rounds to even:"
            " let one layer take the input"
        )
    return f"alkaid: {type(error).__name__} at {frames[-1].line!r}"
