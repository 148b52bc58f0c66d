"""Error of a layer of neurons against its width, on a function of one variable.

Two networks with one hidden layer, on the recipe `function-mlp`. One is trained, three seeds a
width, on values with noise. The other is not: its neurons are steps, set so that their sum is
constant on equal intervals and right in the middle of each, which needs the function itself. Its
error is the interval's length times the slope over the root of 12, and so falls as 1 / width. Both
are compared with the function without noise at the test events.

    python benchmarks/width.py --draw models/function-mlp/width.svg --json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import architectures, console, pipeline, vocabularies

RECIPE = "function-mlp"

TRAINED = (2, 4, 8, 16, 32, 64)
CONSTRUCTED = tuple(2**power for power in range(1, 11))


def constructed(function: Callable[[np.ndarray], np.ndarray], width: int) -> Any:
    """Return a network of `width` steps that follows a function on [-1, 1]."""
    nn = vocabularies.get("float")
    model = architectures.get("mlp")((1,), (1,), nn=nn, hidden=[width], activation="step")
    edges = np.linspace(-1, 1, width + 2)
    values = function((edges[1:] + edges[:-1]) / 2)
    model.get_layer("dense1").kernel.assign(np.ones((1, width)))
    model.get_layer("dense1").bias.assign(-edges[1:-1])
    model.get_layer("logits").kernel.assign(np.diff(values)[:, None])
    model.get_layer("logits").bias.assign(values[:1])
    return model


def trained(width: int, seed: int, runs: Path) -> tuple[Any, np.ndarray]:
    """Return the test events of a trained run, and what its network predicts for them."""
    from hepnn.tasks import regress
    from hepnn.tasks import scaling as scalings
    from hepnn.training import network

    changes = {"seed": seed, "targets": [], "compress": [], "architecture.hidden": [width]}
    run = pipeline.train(RECIPE, changes, runs=runs, name=f"width{width}-seed{seed}")
    events, scaling = run.events("test"), scalings.of(run)
    assert scaling is not None
    outputs = network.predict(network.load_model(run.model_file("float")), events.x)
    return events, regress.decode(outputs, scaling)[:, 0]


def rmse(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the root mean squared difference."""
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def draw(errors: dict[int, list[float]], steps: dict[int, float], path: Path) -> None:
    """Draw both errors over the width: mean and spread of the trained, and each of the sums."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from hepnn.plots.style import COLOURS, STYLE, write

    with rc_context(STYLE):
        figure = Figure((5.2, 3.9), layout="constrained")
        axes = figure.subplots()
        widths = np.array(list(steps))
        axes.plot(widths, list(steps.values()), "s", color=COLOURS[1], label="sum of steps")
        first = steps[int(widths[-1])] * widths[-1]
        axes.plot(widths, first / widths, color=COLOURS[1], linewidth=0.9, label="1 / width")
        means = [np.mean(values) for values in errors.values()]
        spread = [np.std(values, ddof=1) if len(values) > 1 else 0 for values in errors.values()]
        axes.errorbar(
            list(errors), means, spread, fmt="o-", color=COLOURS[0], capsize=3, label="trained"
        )
        axes.set(xscale="log", yscale="log", xlabel="neurons", ylabel="RMSE to the function")
        axes.legend()
        write(figure, path, "Error of a hidden layer against its width, trained and constructed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--draw", type=Path, help="an SVG file")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    console.import_tensorflow()
    from hepnn.data.synthetic.functions import FUNCTIONS

    errors: dict[int, list[float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for width in TRAINED:
            for seed in arguments.seeds:
                events, prediction = trained(width, seed, Path(temporary))
                errors.setdefault(width, []).append(rmse(prediction, events.observers[:, 0]))
            console.say(f"{width} neurons, trained: {errors[width]}")
    truth = events.observers[:, 0]
    steps = {
        width: rmse(constructed(FUNCTIONS["sine"], width).predict(events.x, verbose=0)[:, 0], truth)
        for width in CONSTRUCTED
    }
    figures = {f"steps_{width}": error for width, error in steps.items()}
    for width, values in errors.items():
        figures[f"trained_{width}"] = float(np.mean(values))
        figures[f"trained_{width}_spread"] = float(np.std(values, ddof=1)) if values[1:] else 0.0
    if arguments.draw:
        draw(errors, steps, arguments.draw)
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:24} {value:.4g}")


if __name__ == "__main__":
    main()
