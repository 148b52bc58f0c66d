"""A dataset: its card read, its files looked at, an input group chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hepnn.data import card as cards
from hepnn.data import groups, labels
from hepnn.data.assemble import Assembler
from hepnn.data.card import Card, Feature, Features, Group
from hepnn.errors import RecipeError, nearest
from hepnn.recipe import AnySplits

#: Inputs beyond this are streamed from disk, unless the recipe says otherwise.
MEMORY_LIMIT = 1 << 30


@dataclass(frozen=True)
class Dataset:
    """A card with one input group chosen; the files are opened, no event is read.

    Attributes
    ----------
    card : Card
        The card.
    group : Group
        The input group.
    features : list of Feature
        What the last axis of the inputs holds, in order.
    shape : tuple of int
        Of one event's inputs.
    classes : list of str
        The classes in the order of the label's numbers, or the targets.
    splits : AnySplits
        How the entries are divided.
    assembler : Assembler
        Reads the files.
    """

    card: Card
    group: Group
    features: list[Feature]
    shape: tuple[int, ...]
    classes: list[str]
    splits: AnySplits
    assembler: Assembler

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name

    @property
    def nbytes(self) -> int:
        """Bytes of the inputs, if every entry gives one example."""
        return self.assembler.survey.entries * int(np.prod(self.shape)) * 4


def open_dataset(
    name: str | Path, inputs: Sequence[str] | None = None, division: AnySplits | None = None
) -> Dataset:
    """Open a dataset by short name or path of its card.

    Parameters
    ----------
    name
        Short name, or path of a `dataset.yaml` or its folder.
    inputs
        An input group, or features of one, in that order; not needed where there is one group.
    division
        How to divide the entries; the card's own way by default.

    Raises
    ------
    RecipeError
        If the card, a group, a feature or an expression is unknown.
    DataError
        If a file is missing or damaged, or lacks a column.
    """
    card, folder = cards.load(name)
    group_name, group = _choose(card, inputs)
    division = division or card.splits
    assembler = Assembler(card, folder, group_name, group, division)
    return Dataset(
        card=card,
        group=group,
        features=groups.features(group, group_name),
        shape=groups.shape(group),
        classes=labels.names(card.labels),
        splits=division,
        assembler=assembler,
    )


def _choose(card: Card, inputs: Sequence[str] | None) -> tuple[str, Group]:
    """Return the input group that is asked for, cut to the features that are."""
    known = dict(card.inputs)
    if inputs is not None and not inputs:
        raise RecipeError("inputs: the list is empty")
    if inputs is None:
        if len(known) > 1:
            names = ", ".join(known)
            raise RecipeError(
                f"dataset {card.name} has the input groups {names}: choose one with inputs: [...]"
            )
        return next(iter(known.items()))
    if len(inputs) == 1 and inputs[0] in known:
        return inputs[0], known[inputs[0]]
    if len(set(inputs)) < len(inputs):
        raise RecipeError("inputs: a feature is named twice")
    several = [name for name in inputs if name in known]
    if several:
        raise RecipeError(f"inputs: a network takes one group, not {' and '.join(inputs)}")
    for name, group in known.items():
        if isinstance(group, Features | cards.Sequence):
            features = {feature.name: feature for feature in group.features}
            if inputs[0] in features:
                for wanted in inputs:
                    if wanted not in features:
                        raise RecipeError(
                            f"dataset {card.name} has no feature {wanted!r}; "
                            f"{nearest(wanted, features)}"
                        )
                chosen = [features[wanted] for wanted in inputs]
                return name, group.model_copy(update={"features": chosen})
    every = [f.name for g in known.values() if isinstance(g, Features) for f in g.features]
    raise RecipeError(
        f"dataset {card.name} has no feature {inputs[0]!r}; {nearest(inputs[0], [*every, *known])}"
    )
