"""What a network is trained for: all that differs between tasks is in the task's module.

A task is a module with what `Task` lists, named in `TASKS`. Its functions take what the network
puts out; labels are in the quantities of the data, and `scaling` is what lies between the two
(None where nothing does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from hepnn import tables
from hepnn.run import Events
from hepnn.tasks.scaling import Scaling

TASKS = {
    "classify": "hepnn.tasks.classify",
    "regress": "hepnn.tasks.regress",
}


class Figure(NamedTuple):
    """How tables say a figure that each class, or each target, has.

    Attributes
    ----------
    title : str
        What it is; `{}` stands for the working point, in per cent, of a figure that has several.
    percent : bool
        Whether it is a fraction, shown in per cent.
    unit : bool
        Whether it has the unit of its target.
    """

    title: str
    percent: bool = False
    unit: bool = False


class Words(NamedTuple):
    """How it is told that an artefact answers otherwise than the reference.

    Attributes
    ----------
    decision, flip : str
        What `decision_flips` counts: a decision that flips.
    efficiency : str
        What `max_efficiency_shift` is a shift of.
    """

    decision: str
    flip: str
    efficiency: str


class Task(Protocol):
    """What the module of a task has.

    Attributes
    ----------
    LABELS : str
        The kind of labels in a data card that is predicted.
    FIGURES : mapping
        The figures of `evaluate` that each class or target has, by key.
    PICTURES : mapping
        The pictures that `pictures` draws: their titles by the file's stem.
    WORDS : Words
        How a change of the outputs is told.
    """

    LABELS: str
    FIGURES: Mapping[str, Figure]
    PICTURES: Mapping[str, str]
    WORDS: Words

    def output_shape(self, names: Sequence[Any]) -> tuple[int, ...]:
        """Return the shape of one event's outputs, for the names of the classes or targets."""

    def loss(self) -> Any:
        """Return the Keras loss of encoded labels and outputs."""

    def metrics(self) -> list[Any]:
        """Return the Keras metrics that are followed in training."""

    def encode(self, y: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
        """Return labels as the network is trained on them."""

    def decode(self, outputs: np.ndarray, scaling: Scaling | None = None) -> np.ndarray:
        """Return outputs in the quantities of the labels: what `encode` undoes."""

    def evaluate(
        self,
        outputs: np.ndarray,
        events: Events,
        names: Sequence[str],
        seed: int = 0,
        scaling: Scaling | None = None,
    ) -> dict[str, Any]:
        """Return every metric, as JSON: `events`, `loss`, and figures with `<figure>_interval`.

        A figure of each class or target is a mapping by its name, `{"auc": {"top": 0.97}}`; one
        at several working points a mapping of these.
        """

    def headline(self, metrics: Mapping[str, Any]) -> str:
        """Return the figure that stands for all, in a few words: `accuracy 0.7164`."""

    def rows(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Return the lines of a table of few figures, by their label."""

    def pictures(
        self,
        outputs: np.ndarray,
        events: Events,
        names: Sequence[str],
        metrics: Mapping[str, Any],
        folder: Path,
        scaling: Scaling | None = None,
    ) -> None:
        """Draw `PICTURES` into the folder of a stage."""

    def changes(
        self,
        reference: np.ndarray,
        answer: np.ndarray,
        events: Events,
        scaling: Scaling | None = None,
    ) -> dict[str, float]:
        """Return what other outputs change: the figures that a recipe's bounds are of.

        `decision_flips` is the fraction of events decided otherwise, `max_efficiency_shift` the
        largest shift of what the decisions are good for. Both are finite, whatever the answer.
        """


def get(name: str) -> Task:
    """Return the module of a task.

    Raises
    ------
    RecipeError
        If no such task exists.
    """
    return tables.load(TASKS, name, "task")
