"""Soft constituents moved: `eta' ~ N(eta, scale / max(pT, scale))`, phi alike.

B. M. Dillon et al., arXiv:2108.04253: what a jet is must not hang on soft radiation at small
angles. No pT changes; the mass does by what soft constituents add to it.
"""

from __future__ import annotations

import tensorflow as tf

from hepnn.recipe.augment import Smearing
from hepnn.training.alter import momenta
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs


def change(batch: Batch, settings: Smearing, inputs: Inputs, draws: Draws) -> Batch:
    """Return jets `(batch, length, features)` whose constituents moved, the soft ones most."""
    found = momenta.read(batch.x, inputs)
    width = settings.scale / tf.maximum(found.pt, settings.scale)
    eta, phi = (one + width * draws.normal(tf.shape(one)) for one in (found.eta, found.phi))
    moved = found._replace(eta=eta, phi=phi)
    return batch._replace(x=momenta.write(batch.x, moved, inputs))
