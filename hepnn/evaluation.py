"""The metrics of a run's stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files
from hepnn.data import dataset as datasets
from hepnn.run import Run
from hepnn.tasks import get as get_task


def evaluate(run: Run, dataset: str | None = None) -> dict[str, Any]:
    """Return the metrics of every stage, on the run's test events or on another dataset.

    Raises
    ------
    HepnnError
        If the run or the dataset is damaged.
    """
    document: dict[str, Any] = {"run": str(run), "stages": {}}
    if dataset is None:
        for stage in run.stages:
            document["stages"][stage] = files.read_json(run.stage(stage) / "metrics.json")
        return document
    console.import_tensorflow()
    from hepnn.training import network

    data = datasets.load_for(run, dataset)
    task = get_task(run.recipe.task)
    for stage in run.stages:
        logits = network.predict(network.load_model(run.model_file(stage)), data.x)
        document["stages"][stage] = task.evaluate(logits, data, run.classes)
    return document


def write(model: Any, run: Run, folder: Path) -> dict[str, Any]:
    """Evaluate a stage's model on the test events; write `metrics.json` and the plots.

    Parameters
    ----------
    model
        Keras model, saved in `folder` already.
    run
        Its run.
    folder
        Of the stage.
    """
    from hepnn import plots
    from hepnn.compress import prune, quantize
    from hepnn.training import network

    events, classes = run.events("test"), run.classes
    task = get_task(run.recipe.task)
    logits = network.predict(model, events.x)
    metrics = task.evaluate(logits, events, classes, run.recipe.seed)
    metrics["parameters"] = network.parameters(model)
    metrics["size_bytes"] = (folder / "model.keras").stat().st_size
    metrics["sparsity"] = prune.sparsity(model)
    if widths := quantize.bits(model):
        metrics["bits"] = widths
        metrics["ebops"] = quantize.ebops(model)
    files.write_json(folder / "metrics.json", metrics)
    plots.confusion(np.asarray(metrics["confusion"]), classes, folder / "confusion.svg")
    score = task.scores(logits)
    curves = {}
    for number, name in enumerate(classes):
        _, signal, fakes = task.roc(score[:, number], events.y == number, events.weight)
        curves[name] = {"signal": signal, "background": fakes, "auc": metrics["auc"][name]}
    plots.roc(curves, folder / "roc.svg")
    return metrics
