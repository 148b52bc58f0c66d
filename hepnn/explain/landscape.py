"""A slice of the loss around a network's weights, with filter normalization.

H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein, "Visualizing the loss landscape of neural nets",
NeurIPS 2018 (arXiv:1712.09913), eq. 1 and section 4:

    f(a, b) = L(theta + a d + b e),    d_ij = g_ij / |g_ij| |theta_ij|

with Gaussian directions g, each filter j of layer i (the weights into one neuron or map) scaled to
the length of the network's own. A rectifier network whose layers are scaled up and down again is
the same function, and so has the same slice. Biases and normalizations stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hepnn.explain import network
from hepnn.explain.options import Options
from hepnn.run import Run


def explain(runs: Sequence[Run], stage: str | None, options: Options) -> dict[str, Any]:
    """Return the slice of every run.

    Returns
    -------
    dict
        `axis`, where the points lie along both directions, and `runs`: of each its `run`,
        `stage`, the `loss` there, `(points, points)`, and its mean `rise` over the
        network's own at half the reach and at all of it.
    """
    axis = np.linspace(-options.reach, options.reach, options.points)
    found = []
    for run in runs:
        name = stage or run.stages[-1]
        opened = network.open_stage(run, name, options.events)
        loss = surface(opened, axis, options.seed)
        far = np.hypot(*np.meshgrid(axis, axis)) / options.reach
        centre = loss[options.points // 2, options.points // 2]
        step = 2 / (options.points - 1)
        found.append(
            {
                "run": run.name,
                "stage": name,
                "loss": loss.tolist(),
                "rise": {
                    str(part): float(loss[np.abs(far - part) <= step / 2 + 1e-9].mean() - centre)
                    for part in (0.5, 1.0)
                },
            }
        )
    return {"axis": axis.tolist(), "seed": options.seed, "runs": found}


def rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of a table."""
    middle = len(document["axis"]) // 2
    return [
        {
            "run": one["run"],
            "stage": one["stage"],
            "loss": f"{one['loss'][middle][middle]:.4g}",
            "rise at half": f"{one['rise']['0.5']:.4g}",
            "rise at the reach": f"{one['rise']['1.0']:.4g}",
        }
        for one in document["runs"]
    ]


def surface(opened: network.Opened, axis: np.ndarray, seed: int) -> np.ndarray:
    """Return the loss `(points, points)`; the first direction goes along the columns.

    The network's weights are as before when it is done.
    """
    variables = network.kernels(opened.model)
    own = [variable.numpy() for variable in variables]
    axes = network.summed(opened.model)
    rng = np.random.default_rng(seed)
    first, second = (
        [normalized(rng, one, over) for one, over in zip(own, axes, strict=True)] for _ in range(2)
    )
    value = tf.function(opened.value, autograph=False)
    loss = np.empty((len(axis), len(axis)))
    try:
        for row, b in enumerate(axis):
            for column, a in enumerate(axis):
                for variable, w, d, e in zip(variables, own, first, second, strict=True):
                    variable.assign(w + a * d + b * e)
                loss[row, column] = value()
    finally:
        for variable, w in zip(variables, own, strict=True):
            variable.assign(w)
    # What overflows is as high as anything that can be drawn.
    return np.nan_to_num(loss, nan=1e30, posinf=1e30)


def normalized(rng: np.random.Generator, weights: np.ndarray, over: tuple[int, ...]) -> np.ndarray:
    """Return a random direction with every filter as long as the weights' own.

    Parameters
    ----------
    rng
        Random numbers.
    weights
        Of a layer.
    over
        Axes of one filter's weights; the others number the filters.
    """
    drawn = rng.normal(size=weights.shape)
    lengths = [np.sqrt(np.sum(one**2, axis=over, keepdims=True)) for one in (weights, drawn)]
    return (drawn / np.maximum(lengths[1], 1e-30) * lengths[0]).astype(weights.dtype)
