"""Pruning: the smallest weights are zero, and stay zero.

M. Zhu, S. Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model
compression" (arXiv:1710.01878). The schedules and the masks are TensorFlow Model
Optimization's. Masks are renewed at the start of an epoch; between renewals a constraint
multiplies each kernel by its mask right after the optimizer, so that every engine keeps them.
Whole neurons and filters are pruned by `hepnn.compress.structure`.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_model_optimization.python.core.sparsity.keras import pruning_schedule
from tensorflow_model_optimization.python.core.sparsity.keras.pruning_impl import Pruning

from hepnn.compress import Plan
from hepnn.compress.kernels import RECURRENT, Mask, prunable
from hepnn.compress.structure import UnitMasks
from hepnn.errors import RecipeError, nearest
from hepnn.recipe import Prune


class Masks(keras.callbacks.Callback):
    """Renew the masks at the start of each epoch, by the schedule.

    Parameters
    ----------
    step
        The recipe's step.
    model
        The model; the constraints are put on its kernels.
    epochs
        Of the fit.
    """

    def __init__(self, step: Prune, model: keras.Model, epochs: int) -> None:
        super().__init__()
        self._epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._masks: list[tf.Variable] = []
        self._kernels = prunable(model)
        self._prunings = []
        for name in step.layers:
            if name not in self._kernels:
                raise RecipeError(f"prune.layers: no {name!r}; {nearest(name, self._kernels)}")
        for name, kernel in self._kernels.items():
            mask = tf.Variable(tf.ones(kernel.shape), trainable=False)
            threshold = tf.Variable(0.0, trainable=False)
            kernel.constraint = Mask(mask)
            self._masks.append(mask)
            layer = name.removesuffix(RECURRENT)
            sparsity = step.layers.get(name, step.layers.get(layer, step.sparsity))
            self._prunings.append(
                Pruning(
                    lambda: self._epoch,
                    [(kernel.value, mask, threshold)],
                    _schedule(step, sparsity, epochs),
                    (1, 1),
                    "AVG",
                )
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Choose the smallest weights anew and set them to zero."""
        self._epoch.assign(epoch)
        for pruning in self._prunings:
            pruning.conditional_mask_update()
            pruning.weight_mask_op()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Add the sparsity to the history."""
        if logs is not None:
            logs["sparsity"] = sparsity(self.model)["total"]

    def state(self) -> dict[str, np.ndarray]:
        """Return the masks."""
        return {f"mask{number}": mask.numpy() for number, mask in enumerate(self._masks)}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take over the masks of a killed fit."""
        for number, mask in enumerate(self._masks):
            mask.assign(state[f"mask{number}"])


def plan(step: Prune, before: keras.Model, calibration: np.ndarray) -> Plan:
    """Plan the stage `pruned`: the network of the stage before, trained on with masks."""
    made: list[keras.Model] = []

    def callbacks(epochs: int) -> list[Any]:
        if step.structure == "weight":
            return [Masks(step, made[-1], epochs)]
        return [UnitMasks(step, made[-1], lambda goal: _schedule(step, goal, epochs))]

    return Plan(
        stage="pruned",
        prepare=made.append,
        callbacks=callbacks,
        finish=lambda model, events: None,
        ready=step.end if step.schedule == "polynomial" else step.begin,
    )


def sparsity(model: keras.Model) -> dict[str, Any]:
    """Return the fraction of kernel weights that are exactly zero: in total and by layer."""
    zeros = {name: kernel.numpy() == 0 for name, kernel in prunable(model).items()}
    total = sum(z.size for z in zeros.values())
    return {
        "total": float(sum(z.sum() for z in zeros.values()) / total) if total else 0.0,
        "layers": {name: float(z.mean()) for name, z in zeros.items()},
    }


def _schedule(step: Prune, sparsity: float, epochs: int) -> Any:
    begin = round(step.begin * (epochs - 1))
    if step.schedule == "constant":
        return pruning_schedule.ConstantSparsity(sparsity, begin, frequency=1)
    end = max(round(step.end * (epochs - 1)), begin + 1)
    initial = min(step.initial, sparsity)
    return pruning_schedule.PolynomialDecay(initial, sparsity, begin, end, frequency=1)
