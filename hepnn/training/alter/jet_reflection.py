"""Jets mirrored at their axis: `phi' = 2 phi_axis - phi`, in half of them.

Parity: pT, pseudorapidity, all distances and all masses stay.
"""

from __future__ import annotations

import tensorflow as tf

from hepnn.recipe.augment import JetReflection
from hepnn.training.alter import momenta
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: JetReflection, inputs: Inputs, draws: Draws) -> Batch:
    """Return jets `(batch, length, features)`, half of them mirrored."""
    found = momenta.read(batch.x, inputs)
    _, middle = momenta.axis(found)
    chosen = draws.happens([tf.shape(batch.x)[0], 1], 0.5)
    mirrored = found._replace(phi=tf.where(chosen, 2.0 * middle - found.phi, found.phi))
    return batch._replace(x=momenta.write(batch.x, mirrored, inputs))
