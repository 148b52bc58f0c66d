"""Quantization-aware training: the stage `quantized`, fixed point throughout."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from math import prod
from typing import Any

import keras
import numpy as np
from keras.src.layers.merging.base_merge import Merge

from hepnn.compress import Plan
from hepnn.compress.hold import hold
from hepnn.compress.kernels import prunable
from hepnn.layers.activations import PLAIN
from hepnn.layers.attention import Einsum
from hepnn.recipe import Beta, Quantize

#: Numbers of activations that ranges are taken from; more would not fit in memory.
_VALUES = 1 << 28


class BetaRamp(keras.callbacks.Callback):
    """Raise the weight of the EBOPs in logarithmic steps, and log them.

    Parameters
    ----------
    beta
        First and last weight, and the part of the epochs in between.
    epochs
        Of the fit.
    target
        EBOPs at which the pressing stops: below it the weight falls back to the first.
    """

    def __init__(self, beta: Beta, epochs: int, target: float | None) -> None:
        super().__init__()
        self._beta = beta
        self._ramp = max(round(beta.ramp * epochs), 1)
        self._target = target

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the weight for this epoch."""
        part = min(epoch / self._ramp, 1.0)
        beta = self._beta.first * (self._beta.last / self._beta.first) ** part
        if self._target is not None and epoch and ebops(self.model) <= self._target:
            beta = self._beta.first
        for layer in self.model._flatten_layers():  # noqa: SLF001 - cells of recurrent layers
            if getattr(layer, "_beta", None) is not None:
                layer._beta.assign(beta)  # noqa: SLF001 - HGQ2 has no other way
        self._now = beta

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add EBOPs and their weight to the history."""
        if logs is not None:
            logs["ebops"] = ebops(self.model)
            logs["beta"] = self._now

    def state(self) -> dict[str, np.ndarray]:
        """Return the weight of the epoch under way."""
        return {"beta": np.array(self._now)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over the weight of a killed fit."""
        self._now = float(state["beta"])


def plan(step: Quantize, before: keras.Model, calibration: np.ndarray) -> Plan:
    """Plan the stage: the same network in a fixed-point vocabulary, weights taken over.

    Parameters
    ----------
    step
        The recipe's step.
    before
        The model of the stage before.
    calibration
        Events `(events, *shape)` from the training set, for ranges.
    """
    if step.method == "qkeras":
        options: dict[str, Any] = {
            "bits": step.bits,
            "ranges": ranges(before, calibration, step.bits),
        }
        return Plan(
            stage="quantized",
            prepare=hold,
            callbacks=lambda epochs: [],
            finish=lambda model, events: None,
            vocabulary="qkeras",
            options=options,
        )
    options = {
        "beta": step.beta.first,
        "weight_bits": step.weight_bits,
        "lane_fraction": step.lane_fraction,
        "rounding": step.rounding,
    }
    return Plan(
        stage="quantized",
        prepare=hold,
        callbacks=lambda epochs: [BetaRamp(step.beta, epochs, step.ebops)],
        finish=set_ranges,
        vocabulary="hgq",
        options=options,
        ready=step.beta.ramp,
    )


def set_ranges(model: keras.Model, pieces: Iterable[np.ndarray]) -> None:
    """Give every wrapping data lane the integer bits that the events need.

    Parameters
    ----------
    model
        HGQ2 network.
    pieces
        All training inputs `(events, *shape)`; what is out of their range wraps around.
    """
    from hgq.utils import trace_minmax

    for number, events in enumerate(pieces):
        batch = min(len(events), 4096)
        trace_minmax(model, events, reset=number == 0, batch_size=batch, verbose=False)


def ranges(model: keras.Model, events: np.ndarray, bits: int) -> dict[str, float]:
    """Return the power of two that each layer's inputs, kernel and bias are best held in.

    Of a batch normalization these are its inputs, what it multiplies with and what it adds; of a
    sum or a product its inputs.

    The largest value alone would spend most bits on a tail: of the powers of two up to it, the
    one is taken that `bits` bits, saturating, repeat with the smallest mean squared error.

    Parameters
    ----------
    model
        Float network.
    events
        Calibration events `(events, *shape)`.
    bits
        Bits of every number, the sign included.
    """
    found: dict[str, float] = {}
    kernels = prunable(model)
    layers = [layer for layer in model.layers if layer.name in kernels or _on_lanes(layer)]
    entering = {layer.name: _entering(layer, model) for layer in layers}
    probe = keras.Model(model.inputs, entering)
    numbers = sum(prod(tensor.shape[1:]) for tensor in probe.outputs)
    values = probe.predict(events[: max(_VALUES // numbers, 1)], batch_size=1024, verbose=0)
    for layer in layers:
        name = layer.name
        # All inputs of a sum share a lane's range.
        masked = getattr(layer, "masked", False)  # the mask is one bit, whatever the others are
        parts = [part[..., :-1] if masked else part for part in values.pop(name)]
        value = np.concatenate([part.ravel() for part in parts])
        found[f"{name}.input.min"] = float(value.min())
        found[f"{name}.input"] = best_range(value, bits, signed=bool(value.min() < 0))
        if name in kernels:
            kernel, bias = layer.kernel.numpy(), layer.bias
            offset = None if bias is None else bias.numpy()
        elif isinstance(layer, keras.layers.BatchNormalization):
            kernel, offset = _scale_and_offset(layer)
        else:
            continue
        found[f"{name}.kernel"] = best_range(kernel, bits)
        if hasattr(layer, "recurrent_kernel"):
            again = layer.recurrent_kernel.numpy()
            found[f"{name}.recurrent_kernel"] = best_range(again, bits)
        if offset is not None:
            found[f"{name}.bias"] = best_range(offset, bits)
    return found


def _entering(layer: Any, model: keras.Model) -> list[Any]:
    """Return a layer's inputs but constants and mask bits, which have lanes of their own.

    Of a layer that is called several times, those of every call.
    """
    calls = [node for node in chain(*model._nodes_by_depth.values()) if node.operation is layer]  # noqa: SLF001
    inputs = [tensor for node in calls for tensor in node.input_tensors]
    varied = [tensor for tensor in inputs if not _constant(tensor._keras_history.operation)]  # noqa: SLF001
    return varied or inputs


def _constant(layer: Any) -> bool:
    """Say whether a layer is one of the words `Mask` and `ConstantEinsum`."""
    held = isinstance(layer, keras.layers.EinsumDense) and not layer.trainable
    return held and layer.name != "input_scaling"


def _on_lanes(layer: Any) -> bool:
    """Say whether a layer without a kernel quantizes its inputs in fixed point."""
    keeps = isinstance(layer, keras.layers.Concatenate)
    merges = isinstance(layer, Merge) and not keeps
    function = getattr(getattr(layer, "activation", None), "__name__", PLAIN[0])
    tabled = isinstance(layer, keras.layers.Activation) and function not in PLAIN
    curved = tabled or isinstance(layer, keras.layers.ELU | keras.layers.LeakyReLU)
    return merges or curved or isinstance(layer, keras.layers.BatchNormalization | Einsum)


def _scale_and_offset(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what a batch normalization multiplies with and adds at inference."""
    scale = 1.0 / np.sqrt(layer.moving_variance.numpy() + layer.epsilon)
    if layer.scale:
        scale = scale * layer.gamma.numpy()
    offset = -scale * layer.moving_mean.numpy()
    return scale, offset + layer.beta.numpy() if layer.center else offset


def best_range(values: np.ndarray, bits: int, signed: bool = True) -> float:
    """Return the power of two at which so many saturating bits repeat the values best.

    >>> best_range(np.array([0.5, -0.5, 0.25]), 4)
    1.0
    """
    flat = np.asarray(values, np.float64).ravel()
    steps = 2.0 ** (bits - 1 if signed else bits)
    top = int(np.ceil(np.log2(max(np.abs(flat).max(initial=0.0), 2.0**-8))))

    def error(power: int) -> float:
        step = 2.0**power / steps
        held = np.clip(np.round(flat / step), -steps if signed else 0.0, steps - 1) * step
        return float(np.mean((held - flat) ** 2))

    return 2.0 ** min(range(top + 1, top - 5, -1), key=error)


def ebops(model: keras.Model) -> float:
    """Return the effective bit operations of one event, HGQ2's estimate of the logic."""
    return float(sum(int(layer.ebops) for layer in _with_ebops(model)))


def bits(model: keras.Model) -> dict[str, dict[str, float]]:
    """Return the mean bits of weights and of data lanes by layer; empty for a float model."""
    found = {}
    for layer in model.layers:
        if hasattr(layer, "kq") and getattr(layer, "enable_iq", False):
            found[layer.name] = {
                "weights": float(np.mean(layer.kq.bits)),
                "lanes": float(np.mean(layer.iq.bits)),
            }
    return found


def _with_ebops(model: keras.Model) -> list[Any]:
    return [layer for layer in model.layers if getattr(layer, "enable_ebops", False)]
