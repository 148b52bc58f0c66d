"""Recurrent networks step by step: what one step does to the states, and what they answer.

A chain of layers that treat every step alike, up to the last recurrent layer, is two programs on
whole numbers: one takes the features of a step and the states before it and gives the states
after it; the other takes the states of the last recurrent layer and gives the network's outputs.
So a program sees a sequence as it comes, of any length, and keeps a few numbers between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepnn.targets.cpp.program import Program
from hepnn.targets.fixed_point import Lane

#: The lanes that states are on, in the order of the states.
_STATES = ("state", "memory")

#: Layers without parameters that treat every number alike, or do nothing after training.
_ALIKE = ("Activation", "ReLU", "Dropout", "SpatialDropout1D", "GaussianNoise")


@dataclass(frozen=True)
class Steps:
    """A recurrent network as two programs.

    Attributes
    ----------
    count, features : int
        Of a sequence, as the network was trained.
    backwards : bool
        Whether it begins with the last step.
    lane : Lane
        The grid of a step's features, its parts `(1, features)`.
    advance, answer : Program
        From features and states to states; from states to outputs.
    factors : list of int
        What a state that `advance` gives is multiplied by to be on the grid that it takes.
    first : int
        The first state of the last recurrent layer, which `answer` begins with.
    """

    count: int
    features: int
    backwards: bool
    lane: Lane
    advance: Program
    answer: Program
    factors: list[int]
    first: int


def of(model: Any, lane: Lane) -> Steps | None:
    """Return a network's two programs, or None where it has no such form.

    Parameters
    ----------
    model
        The Keras model.
    lane
        The grid of its inputs, of one event.

    Raises
    ------
    TargetError
        If a number needs more than 64 bits.
    """
    import keras
    from alkaid.converter import trace_model

    from hepnn.targets.rtl.recurrent import carrying
    from hepnn.targets.rtl.repairs import repaired

    layers = _chain(model)
    if layers is None:
        return None
    recurrent = [layer for layer in layers if _is_recurrent(layer)]
    last = recurrent[-1]
    count, features = model.inputs[0].shape[1:]
    k, i, f = (np.broadcast_to(part, (1, count, features)) for part in (lane.k, lane.i, lane.f))
    if any((part != part[:, :1]).any() for part in (k, i, f)):
        return None
    of_step = Lane(k[:, 0], i[:, 0], f[:, 0], lane.rounding, lane.overflow)
    lanes = {layer.name: _lanes(layer) for layer in recurrent}
    with repaired():
        entering = _symbols(of_step, (1, 1, features))
        before = {
            name: tuple(_symbols(one, (1, one.k.shape[-1])) for one in each)
            for name, each in lanes.items()
        }
        front = keras.Model(model.inputs, last.output)
        with carrying(before) as after:
            try:
                trace_model(front, inputs=(entering,), dump=True)
            except ValueError:  # more than one step came out of a layer
                return None
        states = _joined(before.values())
        advance = _program(
            np.concatenate([entering.ravel(), states]),
            _joined(after[name] for name in lanes),
            _flat([of_step, *(one for each in lanes.values() for one in each)]),
        )
        shown = _symbols(lanes[last.name][0], (1, last.units))
        tail = keras.Model(last.output, model.outputs[0])
        outputs = trace_model(tail, inputs=(shown,), dump=True)["final"][0]
        answer = _program(shown.ravel(), outputs.ravel(), _flat([lanes[last.name][0]]))
    held = _flat([one for each in lanes.values() for one in each])
    finer = held.f.astype(int) - np.asarray(advance.fractions)
    if (finer < 0).any():
        return None
    return Steps(
        count=count,
        features=features,
        backwards=last.go_backwards,
        lane=of_step,
        advance=advance,
        answer=answer,
        factors=[1 << int(shift) for shift in finer],
        first=sum(one.k.size for layer in recurrent[:-1] for one in lanes[layer.name]),
    )


def _chain(model: Any) -> list[Any] | None:
    """Return the layers one behind the other up to the last recurrent one, all alike by step."""
    layers = []
    tensor = model.inputs[0]
    for layer in model.layers[1:]:
        if layer.input is not tensor:
            return None
        tensor = layer.output
        layers.append(layer)
    recurrent = [n for n, layer in enumerate(layers) if _is_recurrent(layer)]
    if not recurrent or tensor is not model.outputs[0]:
        return None
    found = layers[: recurrent[-1] + 1]
    directions = {layer.go_backwards for layer in found if _is_recurrent(layer)}
    fits = len(directions) == 1 and not found[-1].return_sequences
    return found if fits and all(_by_step(layer) for layer in found) else None


def _is_recurrent(layer: Any) -> bool:
    from hepnn.layers.recurrent import Recurrent

    return isinstance(layer, Recurrent)


def _by_step(layer: Any) -> bool:
    kind = layer.__class__.__name__
    if kind == "QEinsumDense":
        data, _, weight = layer.equation.partition("->")[0].partition(",")
        return len(layer.input.shape) == 3 and data[-2] not in weight
    return _is_recurrent(layer) or kind == "QDense" or kind in _ALIKE


def _lanes(layer: Any) -> list[Lane]:
    """Return the grids of a layer's states, their parts `(1, units)`; dead ones of no bits."""
    found = []
    for name in _STATES[: layer.states]:
        lane = Lane.of(layer.lane(name))
        assert lane is not None, "hepnn's own lanes are plain fixed point"
        k, i, f = np.broadcast_arrays(lane.k, lane.i, lane.f, np.empty((1, layer.units)))[:3]
        k, i, f = (np.where(lane.bits > 0, part, 0.0) for part in (k, i, f))
        found.append(Lane(k, i, f, lane.rounding, lane.overflow))
    return found


def _symbols(lane: Lane, shape: tuple[int, ...]) -> Any:
    from alkaid.trace import FVArray

    parts = (np.broadcast_to(part, shape).astype(np.int64) for part in (lane.k, lane.i, lane.f))
    return FVArray.from_kif(*parts)


def _joined(states: Any) -> Any:
    return np.concatenate([one.ravel() for each in states for one in each])


def _program(inputs: Any, outputs: Any, lane: Lane) -> Program:
    from alkaid.trace import trace

    return Program(trace(inputs, outputs, keep_dead_inputs=True), lane)


def _flat(lanes: list[Lane]) -> Lane:
    k, i, f = (
        np.concatenate([np.asarray(part, np.float64).ravel() for part in parts])
        for parts in zip(*((one.k, one.i, one.f) for one in lanes), strict=True)
    )
    return Lane(k, i, f, lanes[0].rounding, lanes[0].overflow)
