"""Structured pruning: whole neurons and filters go.

H. Li et al., "Pruning filters for efficient ConvNets" (arXiv:1608.08710), by the L2 norm of what
a unit weighs its inputs with: a neuron is a column of a dense kernel, a filter an output channel
of a convolution. Unlike there, the units go during the training and stay as zeros, so that the
network keeps its shape and every stage its weights' names; compilers of firmware drop what is
constant, and the rewrite `remove-dead-neurons` really shrinks a float network.

Of a removed unit kernel and bias are zero, and where a batch normalization of its own follows
the layer, its offset and moving mean too. It is *dead* if every layer that it reaches is handed
exact zeros. It is removed but not dead

- before an activation that does not keep zero, as a sigmoid: it is a constant;
- before a residual sum, difference or maximum: the other branch lives on in that channel, and
  only the unit's own arithmetic is saved;
- before a normalization that is not of this layer alone, as in DenseNets, or a layer
  normalization.

The units of the last layers, which are the network's outputs, are never removed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.layers.convolutional.base_conv import BaseConv

from hepnn.compress.kernels import Mask, prunable
from hepnn.errors import RecipeError, nearest
from hepnn.layers import wiring
from hepnn.recipe import Prune

#: Layers that have a kind of units, by the recipe's `structure`.
KINDS = {
    "neuron": (keras.layers.Dense,),
    "filter": (BaseConv,),
    "unit": (keras.layers.Dense, BaseConv),
}


class UnitMasks(keras.callbacks.Callback):
    """Renew the masks of the units at the start of each epoch, by the schedule.

    Parameters
    ----------
    step
        The recipe's step.
    model
        The model; the constraints are put on its weights.
    schedule
        Of a final sparsity: `(epoch) -> (whether the masks are renewed, sparsity)`.

    Raises
    ------
    RecipeError
        If the network has no such layer, or a layer named by the recipe has no units to remove.
    """

    def __init__(self, step: Prune, model: keras.Model, schedule: Callable[[float], Any]) -> None:
        super().__init__()
        self._layers = layers(model, step.structure)
        if not self._layers:
            raise RecipeError(
                f"prune.structure: the network has no {step.structure} besides its outputs"
            )
        for name in step.layers:
            if name not in self._layers:
                raise RecipeError(
                    f"prune.layers: {name!r} has no {step.structure} to remove; "
                    f"{nearest(name, self._layers)}"
                )
        self._schedules = {}
        self._masks = {}
        self._held = {}
        for name, layer in self._layers.items():
            self._schedules[name] = schedule(step.layers.get(name, step.sparsity))
            self._masks[name] = tf.Variable(tf.ones(layer.kernel.shape[-1]), trainable=False)
            self._held[name] = _parts(layer, model)
            for variable in self._held[name]:
                variable.constraint = Mask(self._masks[name])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Choose the smallest units anew and set them to zero."""
        for name, layer in self._layers.items():
            renewed, sparsity = self._schedules[name](epoch)
            if not renewed:
                continue
            norms = norms_of(layer.kernel.numpy())
            removed = min(round(float(sparsity) * len(norms)), len(norms) - 1)
            mask = np.ones(len(norms), np.float32)
            mask[np.argsort(norms, kind="stable")[:removed]] = 0
            self._masks[name].assign(mask)
            for variable in self._held[name]:
                variable.assign(variable.numpy() * mask)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add the fraction of units that are removed to the history."""
        if logs is not None:
            kept = np.concatenate([mask.numpy() for mask in self._masks.values()])
            logs["removed_units"] = float(1 - kept.mean())

    def state(self) -> dict[str, np.ndarray]:
        """Return the masks."""
        return {name: mask.numpy() for name, mask in self._masks.items()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over the masks of a killed fit."""
        for name, mask in self._masks.items():
            mask.assign(state[name])


def layers(model: keras.Model, structure: str) -> dict[str, Any]:
    """Return the layers whose units can be removed, by name: all such but the last ones."""
    last, known = _last(model), prunable(model)
    return {
        layer.name: layer
        for layer in model.layers
        if layer.name in known and isinstance(layer, KINDS[structure]) and layer.name not in last
    }


def norms_of(kernel: np.ndarray) -> np.ndarray:
    """Return the L2 norm of each unit `(units,)` of a kernel `(..., units)`."""
    return np.sqrt(np.square(kernel.reshape(-1, kernel.shape[-1]).astype(np.float64)).sum(axis=0))


def removed(layer: Any) -> np.ndarray:
    """Return which units `(units,)` bool of a layer have neither weights nor a bias.

    Of a quantized layer what it computes with counts: widths that fell to nothing remove too.
    """
    kernel = np.asarray(layer.qkernel if hasattr(layer, "qkernel") else layer.kernel)
    gone = np.asarray(~kernel.reshape(-1, kernel.shape[-1]).any(axis=0))
    if layer.bias is not None:
        bias = np.asarray(layer.qbias if hasattr(layer, "qbias") else layer.bias)
        gone = np.logical_and(gone, bias == 0)
    return gone


def units(model: keras.Model) -> dict[str, Any]:
    """Count the units, those that are removed, and those that are dead, in total and by layer.

    Empty where none is removed.
    """
    found = {}
    for name, layer in layers(model, "unit").items():
        gone = removed(layer)
        dead = int(gone.sum()) if gone.any() and dies(layer, model, gone) else 0
        found[name] = {"units": len(gone), "removed": int(gone.sum()), "dead": dead}
    if not any(one["removed"] for one in found.values()):
        return {}
    keys = ("units", "removed", "dead")
    return {**{key: sum(one[key] for one in found.values()) for key in keys}, "layers": found}


def dies(layer: Any, model: keras.Model, gone: np.ndarray) -> bool:
    """Say whether all that a layer's removed units reach is handed exact zeros.

    Parameters
    ----------
    layer
        With units.
    model
        Its network.
    gone
        Which units are removed.
    """
    if not _keeps_zero(getattr(layer, "activation", None)):
        return False
    waiting, seen = wiring.consumers(layer, model), []
    while waiting:
        one = waiting.pop()
        if one in seen or hasattr(one, "kernel") or isinstance(one, keras.layers.Multiply):
            continue
        seen.append(one)
        if not (isinstance(one, keras.layers.Concatenate) or _passes_zeros(one, gone)):
            return False
        waiting += wiring.consumers(one, model)
    return True


def hold_removed(model: keras.Model) -> None:
    """Keep what belongs to removed units at zero in the training to come."""
    for layer in layers(model, "unit").values():
        gone = removed(layer)
        if gone.any():
            mask = tf.constant((~gone).astype(np.float32))
            for variable in _parts(layer, model):
                if variable is not layer.kernel and not variable.numpy()[gone].any():
                    variable.constraint = Mask(mask)


def _parts(layer: Any, model: keras.Model) -> list[Any]:
    """Return the variables `(..., units)` that are zero for a unit that is removed."""
    found = [layer.kernel, layer.bias]
    behind = wiring.consumers(layer, model)
    if len(behind) == 1 and _normalizes_channels(behind[0]):
        norm = behind[0]
        # HGQ2's has another name for it.
        offset = norm.bn_beta if hasattr(norm, "bn_beta") else norm.beta
        found += [offset, norm.moving_mean]
    return [variable for variable in found if variable is not None]


def _normalizes_channels(layer: Any) -> bool:
    normalizes = isinstance(layer, keras.layers.BatchNormalization)
    return normalizes and layer.axis in (-1, len(layer.input.shape) - 1)


def _last(model: keras.Model) -> set[str]:
    """Return the layers with a kernel behind which there is no other one."""
    waiting = [tensor._keras_history.operation for tensor in model.outputs]  # noqa: SLF001
    found, seen = set(), []
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.append(one)
        if hasattr(one, "kernel"):
            found.add(one.name)
            continue
        entering = keras.tree.flatten(one.input) if not _begins(one) else []
        waiting += [tensor._keras_history.operation for tensor in entering]  # noqa: SLF001
    return found


def _begins(layer: Any) -> bool:
    return isinstance(layer, keras.layers.InputLayer)


def _keeps_zero(function: Any) -> bool:
    return function is None or not np.asarray(function(np.zeros((1, 2), np.float32))).any()


def _passes_zeros(layer: Any, gone: np.ndarray) -> bool:
    """Say whether a layer with one input leaves channels at zero that are zero."""
    if _normalizes_channels(layer):
        return len(gone) == layer.input.shape[-1] and not _offset(layer)[gone].any()
    if layer.weights or isinstance(layer.input, list | tuple):
        return False
    return not np.asarray(layer(np.zeros((1, *layer.input.shape[1:]), np.float32))).any()


def _offset(norm: Any) -> np.ndarray:
    """Return by how much a batch normalization moves each channel that is zero."""
    if hasattr(norm, "qscaler_and_qoffset"):
        return np.asarray(norm.qscaler_and_qoffset[1])
    beta = norm.beta.numpy() if norm.center else 0.0
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    scale = (norm.gamma.numpy() if norm.scale else 1.0) / np.sqrt(variance + norm.epsilon)
    return beta - mean * scale
