"""The metrics of a run's stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hepnn import console, files
from hepnn.data import division
from hepnn.run import Run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings


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

    data = division.read_for(run, dataset)
    task, scaling = get_task(run.recipe.task), scalings.of(run)
    for stage in run.stages:
        outputs = network.predict(network.load_model(run.model_file(stage)), data.x)
        document["stages"][stage] = task.evaluate(outputs, data, run.classes, scaling=scaling)
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
    from hepnn.compress import prune, quantize
    from hepnn.training import network

    events, names = run.events("test"), run.classes
    task, scaling = get_task(run.recipe.task), scalings.of(run)
    outputs = network.predict(model, events.x)
    metrics = task.evaluate(outputs, events, names, run.recipe.seed, scaling)
    metrics["parameters"] = network.parameters(model)
    metrics["size_bytes"] = (folder / "model.keras").stat().st_size
    metrics["sparsity"] = prune.sparsity(model)
    if widths := quantize.bits(model):
        metrics["bits"] = widths
        metrics["ebops"] = quantize.ebops(model)
    files.write_json(folder / "metrics.json", metrics)
    task.pictures(outputs, events, names, metrics, folder, scaling)
    return metrics
