"""The changes of a fit, put before its train step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from hepnn import tables
from hepnn.recipe import Fit
from hepnn.training import optimizers
from hepnn.training.alter import AUGMENT, NOISE
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs
from hepnn.training.alter.refuse import check_fit

#: Steps that no fit has.
_STEPS = 1 << 40

_Change = tuple[int, Callable[..., Batch], Any]


class Alteration:
    """What the batches of one fit are changed by.

    Parameters
    ----------
    plan
        `augment` and `noise` of the fit.
    inputs
        What is known of the inputs.

    Raises
    ------
    RecipeError
        If the data cannot be changed so.
    """

    def __init__(self, plan: Fit, inputs: Inputs) -> None:
        check_fit(plan, inputs)
        self.inputs = inputs
        self._augment = _changes(plan.augment, AUGMENT, "augmentation", 0)
        self._noise = _changes(plan.noise, NOISE, "noise", len(AUGMENT))

    def __bool__(self) -> bool:
        """Say whether anything is changed."""
        return bool(self._augment or self._noise)

    def __call__(self, x: Any, y: Any, seed: int, step: Any) -> tuple[Any, Any]:
        """Return inputs and labels as the network is trained on them.

        Parameters
        ----------
        x, y
            A batch, tensors.
        seed
            Of the fit.
        step
            Number of the step in the fit.
        """
        batch = Batch(x, y, x)
        for number, change, settings in self._augment:
            batch = change(batch, settings, self.inputs, Draws((seed, number), step))
        if self.inputs.reconstructs and self._augment:
            offset, width = (
                tf.constant(one, tf.float32) for one in (self.inputs.offset, self.inputs.width)
            )
            batch = batch._replace(y=tf.cast((batch.x - offset) / width, y.dtype))
        for number, change, settings in self._noise:
            batch = change(batch, settings, self.inputs, Draws((seed, number), step))
        return batch.x, batch.y

    def attach(self, model: keras.Model, seed: int) -> None:
        """Put the changes before a model's train step, until `detach`.

        The step's number is the optimizer's, which is in the checkpoint.

        Parameters
        ----------
        model
            Compiled, with whatever train step it has.
        seed
            Of the fit.
        """
        train_step = model.train_step

        def changed(data: Any) -> Any:
            x, y, *weight = data
            # The property counts the updates where gradients are accumulated over steps; the
            # optimizer that scales the loss counts nothing.
            step = tf.cast(optimizers.inner(model.optimizer)._iterations, tf.int64)  # noqa: SLF001
            # Of several devices each has random numbers of its own.
            device = tf.distribute.get_replica_context().replica_id_in_sync_group
            step += tf.cast(device, tf.int64) * _STEPS
            return train_step((*self(x, y, seed, step), *weight))

        vars(model)["train_step"] = changed


def detach(model: keras.Model) -> None:
    """Leave a model its own train step."""
    vars(model).pop("train_step", None)


def _changes(section: Any, table: dict[str, str], noun: str, first: int) -> list[_Change]:
    return [
        (first + number, tables.load(table, name, noun), getattr(section, name))
        for number, name in enumerate(table)
        if getattr(section, name) is not None
    ]
