"""A picture of what a network is trained on, of images and of jets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from hepnn.plots import altered as plots
from hepnn.run import Events
from hepnn.training.alter import momenta
from hepnn.training.alter.alteration import Alteration
from hepnn.training.alter.inputs import Inputs


def draw(altered: Alteration, events: Events, seed: int, path: Path) -> None:
    """Draw the first events before and after; nothing of inputs that are no picture.

    Parameters
    ----------
    altered
        The changes.
    events
        Some events.
    seed
        Of the changes.
    path
        The SVG file to write.
    """
    inputs = altered.inputs
    if not (inputs.jets or inputs.kind == "image"):
        return
    x = tf.constant(events.x[: plots.DRAWN])
    seen, _ = altered(x, tf.constant(events.y[: plots.DRAWN]), seed, 0)
    if inputs.jets:
        plots.jets(_constituents(x, inputs), _constituents(seen, inputs), path)
    else:
        plots.images(x.numpy(), seen.numpy(), path)


def _constituents(x: Any, inputs: Inputs) -> np.ndarray:
    found = momenta.read(x, inputs)
    return np.stack([found.pt.numpy(), found.eta.numpy(), found.phi.numpy()], axis=1)
