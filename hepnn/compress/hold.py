"""What one stage has made of the weights, the stages behind it keep."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hepnn.compress.kernels import RECURRENT, Mask, Shared, prunable
from hepnn.compress.structure import hold_removed


def hold(model: keras.Model) -> None:
    """Keep in the training to come what is zero at zero, and what is equal equal.

    Kernels whose weights share values (`hepnn.compress.cluster`) are told by their weights: those
    that are trained one by one are hardly ever equal. Where a quantizer has a width for each
    weight, the widths are shared as the weights are.
    """
    for name, kernel in prunable(model).items():
        weights = kernel.numpy()
        values, members = np.unique(weights[weights != 0], return_inverse=True)
        if 2 * len(values) <= len(members) > 0:
            groups = np.zeros(weights.shape, np.int32)
            groups[weights != 0] = 1 + members
            share(model, name, groups)
        elif len(members) < weights.size:
            kernel.constraint = Mask(tf.constant((weights != 0).astype(np.float32)))
    hold_removed(model)


def share(model: keras.Model, name: str, groups: np.ndarray) -> None:
    """Let the weights of each group be equal, now and in the training to come.

    Parameters
    ----------
    model
        Its weights are changed.
    name
        Of a kernel, as `prunable` has it.
    groups
        Number of each weight's group; weights of the group 0 are zero.
    """
    kernel = prunable(model)[name]
    kernel.constraint = Shared(groups)
    kernel.assign(kernel.constraint(kernel))
    for width in _widths(model, name):
        if width.shape == kernel.shape:
            # A width has no zeros: the group 0 is one as any other.
            width.constraint = Shared(groups + 1, width.constraint)
            width.assign(width.constraint(width))


def _widths(model: keras.Model, name: str) -> list[Any]:
    """Return the trained bit widths of a kernel's weights; none of a float kernel."""
    layer = model.get_layer(name.removesuffix(RECURRENT))
    owner = getattr(layer, "cell", layer)
    quantizer = getattr(owner, "rkq" if name.endswith(RECURRENT) else "kq", None)
    return [] if quantizer is None else list(quantizer.trainable_variables)
