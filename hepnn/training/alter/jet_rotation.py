"""Jets turned around their axis.

In the plane, around the pT-weighted centre `(eta_0, phi_0)`:

    (eta - eta_0, phi - phi_0)' = R(angle) (eta - eta_0, phi - phi_0)

B. M. Dillon et al., arXiv:2108.04253. In space, by O. Rodrigues' formula, of massless
constituents `p = pT (cos phi, sin phi, sinh y)` around the direction n of their sum:

    p' = p cos(angle) + (n x p) sin(angle) + n (n p) (1 - cos(angle))

with `y = eta - eta_jet`, so that the jet is central: a boost along the beam, which changes no pT
and no mass. The sum of the momenta is along n, and stays.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from keras import ops

from hepnn.recipe.augment import JetRotation
from hepnn.training.alter import momenta
from hepnn.training.alter.batch import Batch
from hepnn.training.alter.draws import Draws
from hepnn.training.alter.inputs import Inputs
from hepnn.training.alter.momenta import Constituents


def change(batch: Batch, settings: JetRotation, inputs: Inputs, draws: Draws) -> Batch:
    """Return jets `(batch, length, features)`, each turned by an angle of its own."""
    largest = math.radians(settings.degrees)
    angle = draws.uniform([tf.shape(batch.x)[0], 1], -largest, largest)
    found = momenta.read(batch.x, inputs)
    turned = in_space(found, angle) if settings.space else in_plane(found, angle)
    return batch._replace(x=momenta.write(batch.x, turned, inputs))


def in_plane(found: Constituents, angle: Any) -> Constituents:
    """Turn pseudorapidity and azimuth around their centre."""
    eta, phi = momenta.axis(found)
    across, along = found.eta - eta, found.phi - phi
    cosine, sine = tf.cos(angle), tf.sin(angle)
    return found._replace(
        eta=eta + cosine * across - sine * along, phi=phi + sine * across + cosine * along
    )


def in_space(found: Constituents, angle: Any) -> Constituents:
    """Turn the momenta around their sum."""
    x, y = found.pt * tf.cos(found.phi), found.pt * tf.sin(found.phi)
    z, energy = found.pt * ops.sinh(found.eta), found.pt * ops.cosh(found.eta)
    total_z, total_energy = (tf.reduce_sum(one, axis=1, keepdims=True) for one in (z, energy))
    # The rapidity of the sum, at which the jet is at rest along the beam.
    boost = tf.atanh(total_z / tf.maximum(total_energy, 1e-30))
    z = found.pt * ops.sinh(found.eta - boost)
    p = tf.stack([x, y, z], axis=-1)
    total = tf.reduce_sum(p, axis=1, keepdims=True)
    n = total / tf.maximum(tf.norm(total, axis=-1, keepdims=True), 1e-30)
    cosine, sine = tf.cos(angle)[..., None], tf.sin(angle)[..., None]
    along = tf.reduce_sum(n * p, axis=-1, keepdims=True)
    q = p * cosine + tf.linalg.cross(tf.broadcast_to(n, tf.shape(p)), p) * sine
    q += n * along * (1.0 - cosine)
    pt = tf.maximum(tf.sqrt(q[..., 0] ** 2 + q[..., 1] ** 2), 1e-30)
    return Constituents(
        pt=tf.where(found.real, pt, 0.0),
        eta=boost + ops.arcsinh(q[..., 2] / pt),
        phi=tf.atan2(q[..., 1], q[..., 0]),
        real=found.real,
    )
