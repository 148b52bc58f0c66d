"""How much of the gradient reaches each layer, before and after training.

Of every kernel W the root mean square of dL/dW over its weights. A sigmoid's slope is at most a
quarter, so that through L layers the gradient falls as `4^-L` or faster: it vanishes
(S. Hochreiter, 1991; Y. Bengio, P. Simard, P. Frasconi, IEEE Trans. Neural Networks 5 (1994)
157). A rectifier's is 1 where it is on (X. Glorot, A. Bordes, Y. Bengio, AISTATS 2011).

The gradient is that of a step of training on all of the events at once: it goes through the
averages of batch normalization, which are these events'. The moving ones of a network that was not
trained are no averages of anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hepnn.errors import RunError
from hepnn.explain import network
from hepnn.explain.network import Opened
from hepnn.explain.options import Options
from hepnn.run import Run


def explain(runs: Sequence[Run], stage: str | None, options: Options) -> dict[str, Any]:
    """Return the gradients of every run's layers.

    Returns
    -------
    dict
        `runs`: of each its `run`, `stage`, and `layers` from the input on: `name`, `weights`,
        and the root mean square gradient at the `start`, with weights drawn anew, and
        `trained`. What has no start, as a run that was adopted, has None.

    Raises
    ------
    RunError
        If a gradient is not finite.
    """
    return {"runs": [_of(run, stage or run.stages[-1], options) for run in runs]}


def _of(run: Run, stage: str, options: Options) -> dict[str, Any]:
    trained = network.open_stage(run, stage, options.events)
    start = {}
    if "adopted" not in run.manifest:
        start = dict(norms(trained._replace(model=network.anew(run, options.seed))))
    layers = [
        {
            "name": name,
            "weights": int(np.prod(variable.shape)),
            "start": start.get(name),
            "trained": value,
        }
        for (name, value), variable in zip(
            norms(trained), network.kernels(trained.model), strict=True
        )
    ]
    return {"run": run.name, "stage": stage, "layers": layers}


def rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of a table."""
    return [
        {
            "run": one["run"],
            "layer": layer["name"],
            "weights": layer["weights"],
            "start": None if layer["start"] is None else f"{layer['start']:.3g}",
            "trained": f"{layer['trained']:.3g}",
        }
        for one in document["runs"]
        for layer in one["layers"]
    ]


def norms(opened: Opened) -> list[tuple[str, float]]:
    """Return the root mean square gradient of every kernel, by the variable's path."""
    kernels = network.kernels(opened.model)
    values = [variable.value for variable in kernels]
    with tf.GradientTape() as tape:
        loss = opened.value(training=True)
    found = []
    for variable, one in zip(kernels, tape.gradient(loss, values), strict=True):
        name = variable.path.removesuffix("/kernel")
        norm = 0.0 if one is None else float(np.sqrt(np.mean(np.square(one.numpy()))))
        if not np.isfinite(norm):
            raise RunError(f"the gradient of {name} is not finite")
        found.append((name, norm))
    return found
