"""How much of the gradient reaches each layer, before and after training.

Of every kernel W the root mean square of dL/dW over its weights. A sigmoid's slope is at most a
quarter, so that through L layers the gradient falls as `4^-L` or faster: it vanishes
(S. Hochreiter, 1991; Y. Bengio, P. Simard, P. Frasconi, IEEE Trans. Neural Networks 5 (1994)
157). A rectifier's is 1 where it is on (X. Glorot, A. Bordes, Y. Bengio, AISTATS 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

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
        `trained`.
    """
    return {"runs": [_of(run, stage or run.stages[-1], options) for run in runs]}


def _of(run: Run, stage: str, options: Options) -> dict[str, Any]:
    trained = network.open_stage(run, stage, options.events)
    begun = trained._replace(model=network.anew(run, options.seed))
    start = dict(_norms(begun))
    layers = [
        {
            "name": name,
            "weights": int(np.prod(variable.shape)),
            "start": start.get(name),
            "trained": value,
        }
        for (name, value), variable in zip(
            _norms(trained), network.kernels(trained.model), strict=True
        )
    ]
    return {"run": run.name, "stage": stage, "layers": layers}


def _norms(opened: Opened) -> list[tuple[str, float]]:
    """Return the root mean square gradient of every kernel, by the variable's path."""
    kernels = network.kernels(opened.model)
    values = [variable.value for variable in kernels]
    with tf.GradientTape() as tape:
        loss = opened.value()
    gradients = tape.gradient(loss, values)
    return [
        (
            variable.path.removesuffix("/kernel"),
            0.0 if one is None else float(np.sqrt(np.mean(np.square(one.numpy())))),
        )
        for variable, one in zip(kernels, gradients, strict=True)
    ]
