"""Quantization-aware training: the stage `quantized`, fixed point throughout."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from hepnn.compress import Plan
from hepnn.compress.prune import hold_zeros, prunable
from hepnn.recipe import Beta, Quantize


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
        for layer in self.model.layers:
            if getattr(layer, "_beta", None) is not None:
                layer._beta.assign(beta)  # noqa: SLF001 - HGQ2 has no other way
        self._now = beta

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add EBOPs and their weight to the history."""
        if logs is not None:
            logs["ebops"] = ebops(self.model)
            logs["beta"] = self._now


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
        options: dict[str, Any] = {"bits": step.bits, "ranges": ranges(before, calibration)}
        return Plan(
            stage="quantized",
            prepare=hold_zeros,
            callbacks=lambda epochs, steps: [],
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
        prepare=hold_zeros,
        callbacks=lambda epochs, steps: [BetaRamp(step.beta, epochs, step.ebops)],
        finish=set_ranges,
        vocabulary="hgq",
        options=options,
        ready=step.beta.ramp,
    )


def set_ranges(model: keras.Model, events: np.ndarray) -> None:
    """Give every wrapping data lane the integer bits that the events need.

    Parameters
    ----------
    model
        HGQ2 network.
    events
        All training events; what is out of their range wraps around.
    """
    from hgq.utils import trace_minmax

    trace_minmax(model, events, batch_size=min(len(events), 4096), verbose=False)


def ranges(model: keras.Model, events: np.ndarray) -> dict[str, float]:
    """Return the largest absolute values of inputs, kernels and biases of a model's layers."""
    found: dict[str, float] = {}
    layers = prunable(model)
    inputs = [model.get_layer(name).input for name in layers]
    values = keras.Model(model.inputs, inputs).predict(events, batch_size=4096, verbose=0)
    for name, value in zip(layers, values if len(layers) > 1 else [values], strict=True):
        layer = model.get_layer(name)
        found[f"{name}.input"] = float(np.abs(value).max())
        found[f"{name}.input.min"] = float(value.min())
        found[f"{name}.kernel"] = float(np.abs(layer.kernel.numpy()).max())
        if layer.bias is not None:
            found[f"{name}.bias"] = float(np.abs(layer.bias.numpy()).max())
    return found


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
