"""How the tests of changes call them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hepnn.recipe import Fit
from hepnn.training.alter.inputs import Inputs


def image_inputs(shape: tuple[int, ...], **known: Any) -> Inputs:
    """Return what is known of images."""
    features = [{"name": f"c{n}", "scaling": "standard"} for n in range(shape[-1])]
    return Inputs("pictures", "classify", {"kind": "image"}, features, shape, 3, **known)


def table_inputs(features: int, **known: Any) -> Inputs:
    """Return what is known of single numbers."""
    named = [{"name": f"f{n}", "scaling": "standard"} for n in range(features)]
    known = {"classes": 3, **known}
    return Inputs("table", "classify", {"kind": "features"}, named, (features,), **known)


def changed(
    inputs: Inputs,
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    seed: int = 1,
    step: int = 0,
    **sections: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a batch as a fit with `augment` and `noise` changes it, inside of XLA."""
    import tensorflow as tf

    from hepnn.training.alter.alteration import Alteration

    altered = Alteration(Fit.model_validate(sections), inputs)
    labels = np.zeros(len(x), np.int32) if y is None else y
    function = tf.function(
        lambda a, b, number: altered(a, b, seed, number), jit_compile=True, autograph=False
    )
    found = function(tf.constant(x), tf.constant(labels), tf.constant(step, tf.int64))
    return found[0].numpy(), found[1].numpy()
