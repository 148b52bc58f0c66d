"""A jet's constituents read from a network's inputs, and written back.

What follows from their momenta is computed anew, by the formulas of the data card; then values
are clipped and transformed as the card says, as they were when the data were read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from hepnn.training.alter.derived import Formula
from hepnn.training.alter.inputs import Inputs

_FORWARD = {"log": ops.log, "asinh": ops.arcsinh}
_BACK = {"log": ops.exp, "asinh": ops.sinh}


class Constituents(NamedTuple):
    """The constituents of jets, `(batch, length)` each.

    Attributes
    ----------
    pt, eta, phi
        In the units of the data card; of padding pt is 0.
    real
        Which are constituents, and no padding, bool.
    """

    pt: Any
    eta: Any
    phi: Any
    real: Any


def read(x: Any, inputs: Inputs) -> Constituents:
    """Return the constituents of inputs `(batch, length, features)`."""
    momenta, real = inputs.group["momenta"], x[..., -1] > 0
    pt, eta, phi = (_raw(x, momenta[name], inputs) for name in ("pt", "eta", "phi"))
    return Constituents(tf.where(real, pt, 0.0), eta, phi, real)


def write(x: Any, found: Constituents, inputs: Inputs) -> Any:
    """Return inputs with other momenta, and with what follows from them; padding stays.

    Parameters
    ----------
    x
        Inputs `(batch, length, features)`; features that no momenta are known of are kept.
    found
        The constituents.
    inputs
        What the features are.
    """
    momenta = inputs.group["momenta"]
    raw = {name: _raw(x, name, inputs) for name in inputs.names[:-1]}
    raw |= {momenta["pt"]: found.pt, momenta["eta"]: found.eta, momenta["phi"]: found.phi}
    changed = {momenta[name] for name in ("pt", "eta", "phi")}
    known = dict(raw)
    for name, text in momenta["derived"].items():
        if name in raw:
            raw[name] = Formula(text, inputs.names)(known)
            changed.add(name)
    columns = [
        tf.where(found.real, _given(raw[name], inputs, place), x[..., place])
        if name in changed
        else x[..., place]
        for place, name in enumerate(inputs.names)
    ]
    return tf.stack(columns, axis=-1)


def axis(found: Constituents) -> tuple[Any, Any]:
    """Return the pT-weighted centre of each jet, `(batch, 1)`: eta, phi."""
    total = tf.maximum(tf.reduce_sum(found.pt, axis=1, keepdims=True), 1e-30)
    eta, phi = (
        tf.reduce_sum(found.pt * one, axis=1, keepdims=True) / total
        for one in (found.eta, found.phi)
    )
    return eta, phi


def _raw(x: Any, name: str, inputs: Inputs) -> Any:
    """Return a feature as it is before the card's transform."""
    place = inputs.names.index(name)
    transform = inputs.features[place].get("scaling")
    value = x[..., place]
    return _BACK[transform](value) if transform in _BACK else value


def _given(value: Any, inputs: Inputs, place: int) -> Any:
    """Return a quantity as the network is given it: clipped, then transformed."""
    feature = inputs.features[place]
    low, high = feature.get("clip") or (None, None)
    value = value if low is None else tf.maximum(value, low)
    value = value if high is None else tf.minimum(value, high)
    transform = feature.get("scaling")
    return _FORWARD[transform](value) if transform in _FORWARD else value
