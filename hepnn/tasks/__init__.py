"""What a network is trained for: all that differs between tasks is in the task's module.

A task has what `Task` lists, and is named in `TASKS`: a module, or a class that is made with the
recipe's options. Its functions take what the network puts out; labels are in the quantities of
the data, and `scaling` is what lies between the two (None where nothing does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from hepnn import tables
from hepnn.declarations import Declaration
from hepnn.run import Events
from hepnn.tasks.scaling import Scaling

TASKS = {
    "classify": "hepnn.tasks.classify:Classify",
    "regress": "hepnn.tasks.regression:Regress",
    "segment": "hepnn.tasks.segment:Segment",
    "reconstruct": "hepnn.tasks.reconstruct:Reconstruct",
    "generate": "hepnn.tasks.generate:Generate",
    "embed": "hepnn.tasks.embed",
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
    """What a task has.

    Attributes
    ----------
    LABELS : str or None
        The kind of labels in a data card that is needed; None where any will do.
    SCALED : str or None
        What the scaling of the outputs is fitted on: `labels`, `inputs`, or None.
    FROM_NOISE : bool
        Whether the network's inputs are random numbers and not the data's quantities.
    FIGURES : mapping
        The figures of `evaluate` that each class or target has, by key.
    PICTURES : mapping
        The pictures that `pictures` draws: their titles by the file's stem.
    WORDS : Words
        How a change of the outputs is told.
    """

    LABELS: str | None
    SCALED: Literal["labels", "inputs"] | None
    FROM_NOISE: bool
    FIGURES: Mapping[str, Figure]
    PICTURES: Mapping[str, str]
    WORDS: Words

    def shapes(
        self, shape: tuple[int, ...], names: Sequence[Any]
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the network's input and output shape of one event.

        Parameters
        ----------
        shape
            Of one event of the data.
        names
            Of the classes or targets.
        """

    def view(
        self, events: Events, names: Sequence[str], scaling: Scaling | None, seed: int
    ) -> Events:
        """Return events as the network sees them: its inputs, and what it is judged by.

        Most tasks return them as they are.
        """

    def learns_from(self, events: Events, names: Sequence[str]) -> np.ndarray | None:
        """Return which events `(events,)` bool are trained on; None for all of them."""

    def loss(self, counts: Sequence[int] = ()) -> Any:
        """Return the Keras loss of encoded labels and outputs.

        Parameters
        ----------
        counts
            Training events of each class, where the data have classes.
        """

    def metrics(self) -> list[Any]:
        """Return the Keras metrics that are followed in training."""

    def encode(self, events: Events, scaling: Scaling | None = None) -> np.ndarray:
        """Return what the network is trained to put out."""

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
        names: Sequence[str] = (),
    ) -> dict[str, float]:
        """Return what other outputs change: the figures that a recipe's bounds are of.

        `decision_flips` is the fraction of events decided otherwise, `max_efficiency_shift` the
        largest shift of what the decisions are good for. Both are finite, whatever the answer.
        """


def get(wanted: str | Declaration) -> Task:
    """Return a task, by name or as a recipe declares it.

    Raises
    ------
    RecipeError
        If no such task exists.
    """
    name = wanted if isinstance(wanted, str) else wanted.name  # type: ignore[attr-defined]
    found = tables.load(TASKS, name, "task")
    if isinstance(found, type):
        options = {} if isinstance(wanted, str) else wanted.model_dump(exclude={"name"})
        return found(**options)
    return found
