"""A random network by its number: words, sizes, widths, signs, modes; and events that try it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hgq.config import QuantizerConfig
from hgq.constraints import Constant
from hgq.layers import QSoftmax, QUnaryFunctionLUT

from fuzz import events
from fuzz.events import CALIBRATION
from fuzz.images import IMAGE
from fuzz.sequences import SEQUENCE
from fuzz.words import EVERYWHERE, VECTOR, Drawing
from hepnn import vocabularies
from hepnn.vocabularies.hgq import HGQ

#: Different answers to the 200 events in range that a network has to have, or equal bits would
#: say nothing; a network with fewer is drawn again.
ANSWERS = 30

_ATTEMPTS = 40

ROUNDINGS = ("RND", "TRN", "RND_CONV")
OVERFLOWS = ("WRAP", "SAT", "SAT_SYM")

#: By the axes of an event.
WORDS = {1: VECTOR, 2: SEQUENCE, 3: IMAGE}

#: Every number of axes with each of its words, those of images first.
FIRST = [
    (axes, word)
    for axes in (3, 2, 1)
    for word in WORDS[axes]
    if axes == 1 or word not in EVERYWHERE
] + [(axes, word) for axes in (2, 3) for word in EVERYWHERE]


class Mixed(HGQ):
    """HGQ's layers with modes of its own for every lane and weight."""

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__()
        self._rng = rng

    def lane(self, layer: str) -> Any:
        """Return a lane of any mode, uneven or not."""
        rng = self._rng
        return QuantizerConfig(
            "kif",
            "datalane",
            i0=2,
            f0=4,
            round_mode=str(rng.choice(ROUNDINGS)),
            overflow_mode=str(rng.choice(OVERFLOWS)),
            homogeneous_axis=None,
            heterogeneous_axis=(-1,) if rng.random() < 0.8 else (),
        )

    def weight(self, layer: str, part: str) -> Any:
        """Return a quantizer of weights of any mode."""
        place = "bias" if part == "bias" else "weight"
        mode = {"round_mode": str(self._rng.choice(ROUNDINGS))}
        mode["overflow_mode"] = str(self._rng.choice(OVERFLOWS[1:]))
        return QuantizerConfig("kbi", place, b0=5, **mode)


@dataclass(frozen=True)
class Drawn:
    """A network that answers.

    Attributes
    ----------
    model
        The Keras model.
    x, outputs : ndarray
        Events, the first `CALIBRATION` in range, and what Keras answers to them.
    vocabulary : str
        `hgq`, `mixed` or `qkeras`.
    words : list of str
        What it is made of.
    answers : int
        Different answers to the events in range.
    """

    model: Any
    x: np.ndarray
    outputs: np.ndarray
    vocabulary: str
    words: list[str] = field(default_factory=list)
    answers: int = 0


def network(seed: int, number: int) -> Drawn:
    """Draw a network.

    Parameters
    ----------
    seed
        Of all networks.
    number
        Of this one, from 0; by it the word that it has in any case.

    Raises
    ------
    ValueError
        If so many networks in a row answer alike to everything.
    """
    for attempt in range(_ATTEMPTS):
        drawn = _once(np.random.SeedSequence([seed, number, attempt]), number)
        if drawn.answers >= ANSWERS:
            return drawn
    raise ValueError(f"no network of {_ATTEMPTS} for seed {seed}, number {number} answers")


def _once(sequence: np.random.SeedSequence, number: int) -> Drawn:
    import keras

    keras.backend.clear_session()
    of_kind, of_words, of_weights, of_lanes, of_events = map(
        np.random.default_rng, sequence.spawn(5)
    )
    axes, first = FIRST[number % len(FIRST)]
    vocabulary = str(of_kind.choice(["hgq", "mixed", "mixed", "qkeras"]))
    shape = events.shape(of_kind, axes)
    has_mask = axes == 2 and (first.__name__ == "masked" or of_kind.random() < 0.3)
    scaled = bool(of_kind.random() < 0.7) or has_mask
    x = events.calibration(of_kind, shape, has_mask, scaled)
    kept = of_words.bit_generator.state

    def build(nn: Any) -> tuple[Any, list[str]]:
        of_words.bit_generator.state = kept
        keras.utils.set_random_seed(int(sequence.generate_state(1)[0]))
        if scaled:
            nn.scaling = events.scales(x, has_mask)
        drawing = Drawing(nn, of_words)
        drawing.masked = has_mask
        return _sentence(drawing, shape, axes, first)

    if vocabulary == "qkeras":
        model, words = _qkeras(build, of_kind, of_weights, x)
    else:
        nn = Mixed(of_kind) if vocabulary == "mixed" else _hgq(of_kind)
        model, words = build(nn)
        _randomize(model, of_weights)
        _set_lanes(model, x, of_lanes)
    tried = events.trying(x, of_events, model, has_mask)
    outputs = np.asarray(model(tried, training=False))
    answers = len(np.unique(outputs[:CALIBRATION].reshape(CALIBRATION, -1), axis=0))
    return Drawn(model, tried, outputs, vocabulary, words, answers)


def _sentence(d: Drawing, shape: tuple[int, ...], axes: int, first: Any) -> tuple[Any, list[str]]:
    words = []
    d.inputs = x = d.nn.Input(shape, name="inputs")
    if d.rng.random() < 0.4 and first.__name__ not in ("SimpleRNN", "LSTM", "PeepholeLSTM", "GRU"):
        before = d.one_of(*EVERYWHERE)
        x = before(d, x)
        words.append(before.__name__)
    x = first(d, x)
    words.append(first.__name__)
    for _ in range(d.size(0, 2)):
        word = d.one_of(*WORDS[len(x.shape) - 1])
        x = word(d, x)
        words.append(word.__name__)
    x = to_vector(d, x)
    words.append(f"to_vector{axes}")
    outputs = d.nn.Dense(d.size(1, 5), name="logits")(x)
    return d.nn.Model(d.inputs, outputs), words


def to_vector(d: Drawing, x: Any) -> Any:
    """Bring what is left to `(features,)`: a pooling over all places, or all numbers in a row."""
    axes = len(x.shape) - 1
    if axes == 1:
        return x
    places = int(np.prod(x.shape[1:-1]))
    ways = ["Flatten", f"GlobalMaxPooling{axes - 1}D"]
    if places & (places - 1) == 0:
        ways.append(f"GlobalAveragePooling{axes - 1}D")
    if places * x.shape[-1] > 48:
        ways = ways[1:]
    way = d.one_of(*ways)
    return getattr(d.nn, way)(name=d.name(way.lower()))(x)


def _hgq(rng: np.random.Generator) -> Any:
    return vocabularies.get(
        "hgq",
        rounding=str(rng.choice(["RND", "TRN"])),
        weight_bits=int(rng.integers(3, 8)),
        lane_fraction=int(rng.integers(2, 7)),
    )


def _qkeras(
    build: Any, of_kind: np.random.Generator, of_weights: np.random.Generator, x: np.ndarray
) -> tuple[Any, list[str]]:
    from hepnn.compress import quantize
    from hepnn.recipe import Quantize
    from hepnn.training import network as networks

    reference, words = build(vocabularies.get("float"))
    _randomize(reference, of_weights)
    step = Quantize(method="qkeras", bits=int(of_kind.integers(3, 9)))
    model, _ = build(vocabularies.get("qkeras", **quantize.plan(step, reference, x).options))
    networks.warm_start(model, reference)
    return model, words


def _randomize(model: Any, rng: np.random.Generator) -> None:
    """Draw weights, some of them zero, so that signals neither die nor grow."""
    for variable in model.variables:
        path, name = variable.path, variable.name
        if "input_scaling" in path or not variable.shape or variable.dtype != "float32":
            continue
        if "kernel" in name or name == "peephole":
            spread = 1.6 / np.sqrt(max(np.prod(variable.shape[:-1]), 1))
            value = rng.normal(0, spread, variable.shape)
            if not variable.trainable:
                continue
            variable.assign(np.where(rng.random(variable.shape) < 0.1, 0.0, value))
        elif name in ("bias", "beta", "bn_beta", "moving_mean", "recurrent_bias"):
            if variable.trainable or name == "moving_mean":
                variable.assign(rng.normal(0, 0.3, variable.shape))
        elif name in ("gamma", "bn_gamma", "moving_variance"):
            variable.assign(rng.uniform(0.4, 1.6, variable.shape))


def _set_lanes(model: Any, x: np.ndarray, rng: np.random.Generator) -> None:
    """Give every lane and weight a width of its own; some lanes overflow on usual events."""
    from hepnn.compress import quantize

    quantizers = [q for q in model._flatten_layers() if hasattr(q, "kif") and q.trainable]
    lanes = [q for q in quantizers if hasattr(q, "_f")]
    inside = _inside_tables(model)
    for lane in lanes:
        coarse = rng.random(lane._f.shape) < (0.0 if id(lane) in inside else 0.1)
        fraction = rng.integers(2, 7, lane._f.shape)
        lane._f.assign(np.where(coarse, rng.integers(-2, 2, lane._f.shape), fraction))
    for weight in (q for q in quantizers if hasattr(q, "_b")):
        weight._b.assign(rng.integers(1, 7, weight._b.shape))
        weight._i.assign(rng.integers(-1, 2, weight._i.shape))
    quantize.set_ranges(model, [x])
    for lane in lanes:
        if id(lane) in inside or isinstance(lane.i_constraint, Constant):
            continue
        shape = lane._i.shape
        cut = np.where(rng.random(shape) < 0.15, rng.integers(1, 3, shape), 0)
        lane._i.assign(np.asarray(lane._i) - cut)
        sign = np.where(rng.random(shape) < 0.1, 1 - np.asarray(lane._k), np.asarray(lane._k))
        lane._k.assign(sign)
        # Here and there a channel that passes nothing.
        dead = rng.random(shape) < (0.05 if np.prod(shape) > 1 else 0.0)
        lane._f.assign(np.where(dead, -20.0, np.asarray(lane._f)))


def _inside_tables(model: Any) -> set[int]:
    """Return the quantizers in and behind tables."""
    kinds = QSoftmax, QUnaryFunctionLUT
    tables = [layer for layer in model.layers if isinstance(layer, kinds)]
    return {id(part) for layer in tables for part in layer._flatten_layers()}
