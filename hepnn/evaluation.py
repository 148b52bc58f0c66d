"""The metrics of a run's stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files
from hepnn.data import reading
from hepnn.run import Events, Run
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings
from hepnn.tasks.scaling import Scaling


def evaluate(run: Run, dataset: str | None = None) -> dict[str, Any]:
    """Return the metrics of every stage, on the run's test events or on another dataset.

    Without another dataset, `folds` has what the networks of the folds reached on what they held
    out (`hepnn.folding`), if the run has them.

    Raises
    ------
    HepnnError
        If the run or the dataset is damaged.
    """
    document: dict[str, Any] = {"run": str(run), "stages": {}}
    if dataset is None:
        for stage in run.stages:
            document["stages"][stage] = files.read_json(run.stage(stage) / "metrics.json")
        if (folds := run.folds) is not None:
            document["folds"] = folds
        return document
    console.import_tensorflow()
    from hepnn.training import network

    task, scaling = get_task(run.recipe.task), scalings.of(run)
    data = task.view(reading.read_for(run, dataset), run.classes, scaling, run.recipe.seed)
    for stage in run.stages:
        outputs = network.predict(network.of_run(run, stage), data.x)
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
    from hepnn.compress import prune, quantize, storage, structure
    from hepnn.training import network

    events, names = run.events("test"), run.classes
    task, scaling = get_task(run.recipe.task), scalings.of(run)
    outputs = network.predict(model, events.x)
    metrics = task.evaluate(outputs, events, names, run.recipe.seed, scaling)
    metrics["parameters"] = network.parameters(model)
    metrics["size_bytes"] = (folder / "model.keras").stat().st_size
    metrics["sparsity"] = prune.sparsity(model)
    metrics["storage"] = storage.storage(model)
    if units := structure.units(model):
        metrics["units"] = units
    if widths := quantize.bits(model):
        metrics["bits"] = widths
        metrics["ebops"] = quantize.ebops(model)
    files.write_json(folder / "metrics.json", metrics)
    task.pictures(outputs, events, names, metrics, folder, scaling)
    _templates(model, names, folder)
    if scaling is not None and task.SCALED == "inputs":
        _latent_plane(model, events, names, scaling, folder)
    return metrics


def _templates(model: Any, names: Sequence[str], folder: Path) -> None:
    """Draw the weights of a linear classifier of images: of each class, what it looks for."""
    from keras import ops

    from hepnn.plots import templates

    shape = model.inputs[0].shape[1:]
    own = [layer for layer in model.layers if layer.weights and layer.name != "input_scaling"]
    linear = len(own) == 1 and own[0].__class__.__name__ in ("Dense", "QDense")
    if len(shape) != 3 or not linear or own[0] is not model.layers[-1]:
        return
    kernel = ops.convert_to_numpy(getattr(own[0], "qkernel", own[0].kernel))
    if len(kernel) == np.prod(shape) and kernel.shape[1] == len(names):
        weights = kernel.reshape(*shape, -1).sum(axis=2)
        templates.draw(weights.transpose(2, 0, 1), names, folder / "templates.svg")


def _latent_plane(
    model: Any, events: Events, names: Sequence[str], scaling: Scaling, folder: Path
) -> None:
    """Draw the layer `latent` of a network, if it is a plane, and of images what comes of it."""
    import keras

    from hepnn.plots import representation
    from hepnn.training import network

    layers = {layer.name: layer for layer in model.layers}
    if "latent" not in layers:
        return
    encoder = network.up_to(model, "latent")
    if encoder.output_shape[1:] != (2,):
        return
    some = slice(representation.POINTS)
    points = network.predict(encoder, events.x[some])
    classes = events.y[some] if names and events.y.ndim == 1 else None
    representation.plane(points, classes, names, folder / "latent.svg")
    if events.x.ndim != 4 or len(keras.tree.flatten(layers["latent"].output)) > 1:
        return
    corners = np.percentile(points, 5, axis=0), np.percentile(points, 95, axis=0)
    grid = representation.grid(*corners)
    decoder = keras.Model(encoder.outputs, model.outputs)
    z = network.predict(decoder, grid.reshape(-1, 2))
    images = z * 2.0**scaling.exponent + scaling.offset
    shape = (*grid.shape[:2], *images.shape[1:])
    representation.decoded(images.reshape(shape), corners, folder / "decoded.svg")
