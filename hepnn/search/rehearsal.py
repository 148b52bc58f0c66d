"""A recipe's figures before any training: those of a network with its first weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, preparation
from hepnn.data import division
from hepnn.recipe import Recipe
from hepnn.run import create
from hepnn.tasks import get as get_task
from hepnn.tasks import scaling as scalings

#: Validation events that are looked at.
EVENTS = 2000


def metrics(recipe: Recipe) -> dict[str, Any]:
    """Return what the task's `evaluate` gives of an untrained network on validation events.

    Raises
    ------
    HepnnError
        If the data or the architecture are refused.
    """
    task = get_task(recipe.task)
    alone = recipe.model_copy(update={"start": None, "compress": [], "targets": []})
    with tempfile.TemporaryDirectory() as folder:
        run = create(alone, Path(folder), "rehearsal")
        with console.working("rehearsal: data, network and figures, before any training"):
            preparation.prepare(run, preparation.open_data(alone), None)
            console.import_tensorflow()
            from hepnn.training import network

            shapes = task.shapes(tuple(run.manifest["data"]["shape"]), run.classes)
            inputs = None if task.FROM_NOISE else preparation.scaling_of(run)
            model = network.assemble(recipe.architecture, *shapes, "float", inputs)
            events = run.events("validation")
            seen = division.take(events, np.arange(min(EVENTS, len(events))))
            outputs = network.predict(model, seen.x)
            return task.evaluate(outputs, seen, run.classes, recipe.seed, scalings.of(run))
