"""What a change of the inputs has to know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hepnn.data.dataset import Dataset
from hepnn.recipe import Recipe
from hepnn.run import Run
from hepnn.tasks import get


@dataclass(frozen=True)
class Inputs:
    """The inputs of a network, and what its labels are.

    Attributes
    ----------
    dataset : str
        Name of the data, for messages.
    task : str
        Name of the task.
    group : mapping
        The input group as its card has it: `kind`, and of a sequence `mask`, `padding`,
        `momenta`.
    features : list of mapping
        What the last axis holds: `name`, `scaling`, `clip`.
    shape : tuple of int
        Of one event.
    classes : int
        Number of classes; 0 where the labels are no classes of events.
    pixels : bool
        Whether the labels are a class for every pixel.
    reconstructs : bool
        Whether the labels are the scaled inputs themselves.
    noisy : bool
        Whether the network's inputs are random numbers anyway.
    seed : int
        Of what is done to an event once and for all.
    offset, width : np.ndarray
        Of the scaled inputs `z = (x - offset) / width`, `(features,)`.
    """

    dataset: str
    task: str
    group: Mapping[str, Any]
    features: Sequence[Mapping[str, Any]]
    shape: tuple[int, ...]
    classes: int = 0
    pixels: bool = False
    reconstructs: bool = False
    noisy: bool = False
    seed: int = 0
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    width: np.ndarray = field(default_factory=lambda: np.ones(1))

    @property
    def kind(self) -> str:
        """Features, sequence, tokens or image."""
        return str(self.group.get("kind", "features"))

    @property
    def masked(self) -> bool:
        """Whether the last feature says what is an object, and what padding."""
        return self.kind == "sequence" and bool(self.group.get("mask", True))

    @property
    def jets(self) -> bool:
        """Whether they are the momenta of a jet's constituents."""
        momenta = self.group.get("momenta")
        named = momenta is not None and all(momenta[n] in self.names for n in ("pt", "eta", "phi"))
        return self.masked and named

    @property
    def names(self) -> list[str]:
        """The features' names."""
        return [str(feature["name"]) for feature in self.features]


def of_data(recipe: Recipe, data: Dataset) -> Inputs:
    """Return what is known of a recipe's inputs before they are scaled."""
    entry = {
        "name": data.name,
        "group": data.group.model_dump(mode="json", exclude={"features", "pixels"}),
        "features": [feature.model_dump(mode="json") for feature in data.features],
        "shape": data.shape,
        "classes": data.classes,
    }
    return _of(recipe, entry)


def of_run(run: Run, scaling: Mapping[str, np.ndarray]) -> Inputs:
    """Return what is known of a prepared run's inputs.

    Parameters
    ----------
    run
        The run.
    scaling
        Of its inputs (`hepnn.data.scaling`).
    """
    return _of(
        run.recipe,
        run.manifest["data"],
        offset=np.asarray(scaling["offset"], np.float64),
        width=2.0 ** np.asarray(scaling["exponent"], np.float64),
    )


def _of(recipe: Recipe, entry: Mapping[str, Any], **scaling: np.ndarray) -> Inputs:
    task = get(recipe.task)
    return Inputs(
        dataset=entry["name"],
        task=recipe.task.name,
        group=entry["group"],
        features=entry["features"],
        shape=tuple(entry["shape"]),
        classes=len(entry["classes"]) if recipe.task.name == "classify" else 0,
        pixels=task.LABELS == "mask",
        reconstructs=task.SCALED == "inputs" and not task.FROM_NOISE,
        noisy=task.FROM_NOISE,
        seed=recipe.seed,
        **scaling,
    )
