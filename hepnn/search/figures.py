"""What a run reaches on validation events, and what it costs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files
from hepnn.errors import RecipeError, TargetError, nearest
from hepnn.recipe import Recipe
from hepnn.run import Run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings

#: What a network costs, and what that is.
COSTS = {
    "luts": "LUTs, alkaid's model",
    "ebops": "effective bit operations",
    "clocks": "clocks of the pipeline",
    "latency": "latency of the pipeline, ns",
    "weights": "weights that are not zero",
}

#: Those that only a network in fixed point has.
OF_FIXED_POINT = ("luts", "ebops", "clocks", "latency")

#: Those that are known after the network was traced into cells.
OF_FIRMWARE = ("luts", "clocks", "latency")

#: Figures of which less is better.
LESS = (
    "loss",
    "rmse",
    "mae",
    "resolution",
    "error",
    "calibration_error",
    "distance",
    "two_sample_auc",
    "wasserstein",
)

#: Figures that no network is the better for having more or less of.
AIMLESS = ("events", "bias", "rmse_baseline", "wasserstein_chance")

#: Where a run's figures are kept.
FILE = "figures.json"

_USUAL = ("accuracy", "auc", "mean_iou", "rmse", "loss")


def insist_on_costs(costs: Sequence[str], recipe: Recipe) -> None:
    """See that costs are known ones, and such as a recipe's last stage has.

    Raises
    ------
    RecipeError
        If one is not.
    """
    for cost in costs:
        if cost not in COSTS:
            raise RecipeError(f"unknown cost {cost!r}; {nearest(cost, COSTS)}")
        if cost in OF_FIXED_POINT and all(step.step != "quantize" for step in recipe.compress):
            raise RecipeError(
                f"cost {cost} is of networks in fixed point: the recipe has no step quantize in "
                "compress"
            )


def insist_on_metrics(names: Sequence[str], reached: Mapping[str, Any]) -> None:
    """See that metrics are figures that can be searched for.

    Parameters
    ----------
    names
        Dotted keys.
    reached
        What the task's `evaluate` gives of some network.

    Raises
    ------
    RecipeError
        If one is not.
    """
    for name in names:
        entries(reached, name)
        if name.split(".")[0] in AIMLESS:
            raise RecipeError(f"metric {name!r}: neither more nor less of it is better")


def of_run(run: Run, costs: Sequence[str]) -> dict[str, Any]:
    """Return the validation figures of a finished run's last stage and its costs, and keep them.

    Parameters
    ----------
    run
        Trained.
    costs
        Those of `COSTS` that are wanted; one that cannot be told is None.

    Returns
    -------
    dict
        `run`, `stage`, `metrics` as the task's `evaluate` gives them, and `costs`.
    """
    path = run.path / FILE
    known = dict(files.read_json(path)) if path.exists() else None
    if known is not None and all(cost in known["costs"] for cost in costs):
        return known
    console.import_tensorflow()
    from hepnn.compress import prune, quantize
    from hepnn.training import network

    stage = run.stages[-1]
    model = network.of_run(run, stage)
    if known is None:
        events, task = run.events("validation"), get_task(run.recipe.task)
        outputs = network.predict(model, events.x)
        metrics = task.evaluate(outputs, events, run.classes, run.recipe.seed, scalings.of(run))
        zero = prune.sparsity(model)["total"]
        spent = {"weights": round(network.parameters(model) * (1 - zero))}
        known = {"run": run.name, "stage": stage, "metrics": metrics, "costs": spent}
    if quantize.bits(model):
        known["costs"]["ebops"] = quantize.ebops(model)
        if any(cost in OF_FIRMWARE for cost in costs):
            known["costs"] |= _firmware(model)
    files.write_json(path, known)
    return known


def _firmware(model: Any) -> dict[str, float | None]:
    """Return cells and clocks as alkaid estimates them; None where it does not take the model."""
    from hepnn.targets import kit as kits
    from hepnn.targets.rtl import project, trace

    try:
        traced = trace.trace_network(model)
    except TargetError as error:
        console.say(f"no estimate of LUTs: {error}")
        return dict.fromkeys(OF_FIRMWARE)
    with tempfile.TemporaryDirectory() as name:
        written = project.write(traced.comb, Path(name), "verilog", kits.of("rtl"))
    return {
        "luts": written["alkaid"]["lut"],
        "clocks": written["latency_clocks"],
        "latency": written["latency_ns"],
    }


def usual(metrics: Mapping[str, Any]) -> str:
    """Return the figure that tells most of a task: the first of a few that it has.

    Raises
    ------
    RecipeError
        If it has none of them.
    """
    for name in _USUAL:
        if metrics.get(name) is not None:
            return name
    raise RecipeError(f"give a metric; {nearest('', metrics)}")


def less_is_better(name: str) -> bool:
    """Say whether a figure or a cost is the better the smaller it is."""
    return name in COSTS or name.split(".")[0] in LESS


def entries(metrics: Mapping[str, Any], name: str) -> list[Any]:
    """Return the numbers under a dotted key, None for one that is not known of these events.

    A key may itself have dots, as `0.01` has.

    Raises
    ------
    RecipeError
        If there is nothing, or it is no number.
    """
    here: Any = metrics
    rest = name
    while rest:
        if not isinstance(here, Mapping):
            raise RecipeError(f"metric {name!r}: {rest!r} is of no figure")
        keys = [key for key in here if rest == key or rest.startswith(f"{key}.")]
        if not keys:
            raise RecipeError(f"unknown metric {name!r}; {nearest(rest, here)}")
        key = max(keys, key=len)
        here, rest = here[key], rest[len(key) + 1 :]
    found = list(here.values()) if isinstance(here, Mapping) else [here]
    if not all(one is None or isinstance(one, int | float) for one in found):
        raise RecipeError(f"metric {name!r} is no number")
    return found


def figure(metrics: Mapping[str, Any], name: str) -> float:
    """Return a figure by its dotted key; of one that every class or target has, the mean.

    Raises
    ------
    RecipeError
        If there is none, it is no number, or not known of these events.
    """
    values = entries(metrics, name)
    if None in values:
        raise RecipeError(f"metric {name!r} is not known of these events")
    return float(np.mean(values))
