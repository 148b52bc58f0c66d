"""White noise: `z' = z + sigma n`, `n ~ N(0, 1)`; of a sequence, on its objects only."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hepnn.recipe.noise import WhiteNoise
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: WhiteNoise, inputs: Inputs, draws: Draws) -> Batch:
    """Return inputs `(batch, *shape)` with noise on every number."""
    noise = draws.normal(tf.shape(batch.x))
    return batch._replace(x=added(batch.x, settings.sigma * noise, inputs))


def added(x: Any, noise: Any, inputs: Inputs) -> Any:
    """Return inputs with noise in units of the scaled input; the mask and padding stay."""
    width = inputs.width.astype("float32")
    if not inputs.masked:
        return x + noise * width
    width[-1] = 0.0
    return x + tf.where(x[..., -1:] > 0, noise * width, 0.0)
