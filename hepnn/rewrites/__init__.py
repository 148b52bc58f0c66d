"""Other forms of a network that targets take more easily, checked by numbers.

A rewrite is a module named in `REWRITES`. It has

`TITLE`, `PROMISE`
    What it does, and what stays: `outputs` (equal but for rounding), `ranking` (which output is
    the largest), or `nothing` (the network has to be trained on).
`applies(layer, model) -> bool`
    Whether a layer has another form.
`rewritten(model, layers, x) -> model`
    The network with these layers, by name, in their other form; `x` are calibration events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hepnn import tables
from hepnn.errors import HepnnError

REWRITES = {
    "fold-batch-normalization": "hepnn.rewrites.fold",
    "remove-noise": "hepnn.rewrites.noise",
    "remove-dead-neurons": "hepnn.rewrites.neurons",
    "softmax-to-logits": "hepnn.rewrites.logits",
    "softmax-to-argmax": "hepnn.rewrites.decision",
    "upsample-and-convolve": "hepnn.rewrites.transposed",
    "pool-powers-of-two": "hepnn.rewrites.pooling",
    "normalize-batches": "hepnn.rewrites.normalization",
}

#: Part of what an output spans that sums in another order may change.
TOLERANCE = 1e-5


def get(name: str) -> Any:
    """Return a rewrite's module.

    Raises
    ------
    RecipeError
        If no such rewrite exists.
    """
    return tables.load(REWRITES, name, "rewrite")


def offered(model: Any) -> dict[str, list[str]]:
    """Return the rewrites that apply to each layer, by its name."""
    known = {name: get(name) for name in REWRITES}
    found = {
        layer.name: [name for name, one in known.items() if one.applies(layer, model)]
        for layer in model.layers
    }
    return {layer: names for layer, names in found.items() if names}


def apply(model: Any, names: Sequence[str], x: np.ndarray) -> tuple[Any, list[dict[str, Any]]]:
    """Rewrite a network, one rewrite after the other, and compare it with what it was.

    Parameters
    ----------
    model
        A functional Keras model, float.
    names
        Of rewrites.
    x
        Calibration events `(events, *shape)`.

    Returns
    -------
    tuple
        The network, and of each rewrite its `layers`, its `promise`, `max_abs_diff` and
        `decision_flips` against the network before it.

    Raises
    ------
    HepnnError
        If a rewrite applies to no layer, or if the outputs are not what it promises.
    """
    told = []
    for name in names:
        one = get(name)
        layers = [layer.name for layer in model.layers if one.applies(layer, model)]
        if not layers:
            raise HepnnError(f"rewrite {name} applies to no layer of model {model.name!r}")
        before = np.asarray(model.predict(x, batch_size=1024, verbose=0))
        model = one.rewritten(model, layers, x)
        after = np.asarray(model.predict(x, batch_size=1024, verbose=0))
        difference = float(np.abs(before - after).max())
        largest = before.argmax(axis=-1) != after.argmax(axis=-1)
        flips = float(np.mean(largest)) if before.shape[-1] > 1 else None
        kept = {
            "outputs": difference <= TOLERANCE * max(float(np.ptp(before)), 1.0),
            "ranking": not flips,
            "nothing": True,
        }
        if not kept[one.PROMISE]:
            raise HepnnError(
                f"rewrite {name}: outputs differ by {difference:.3g} on {len(x)} events; not done"
            )
        told.append(
            {
                "rewrite": name,
                "layers": layers,
                "promise": one.PROMISE,
                "max_abs_diff": difference,
                "decision_flips": flips,
            }
        )
    return model, told
