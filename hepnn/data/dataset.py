"""A loaded dataset: events with names, checked before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hepnn.data import card as cards
from hepnn.data import table
from hepnn.data.card import Card, Feature
from hepnn.errors import DataError, RecipeError, nearest
from hepnn.recipe import FractionSplits
from hepnn.run import Events, Run, fingerprint


@dataclass(frozen=True)
class Dataset:
    """Events in memory.

    Attributes
    ----------
    name, title : str
        The card's.
    features : list of Feature
        What the last axis of `x` holds, in order; one entry for an image.
    events : Events
        All events.
    classes : list of str
        The classes, in the order of the label's numbers.
    splits : FractionSplits
        The card's own division.
    fingerprint : str
        Checksum of the arrays.
    """

    name: str
    title: str
    features: list[Feature]
    events: Events
    classes: list[str]
    splits: FractionSplits
    fingerprint: str


def load(name: str | Path, inputs: Sequence[str] | None = None) -> Dataset:
    """Load a dataset by short name or path of its card.

    Parameters
    ----------
    name
        Short name, or path of a `dataset.yaml` or its folder.
    inputs
        Features to take, in that order; all by default.

    Raises
    ------
    RecipeError
        If the card or a feature is unknown.
    DataError
        If the data are not what the card says: see `check`.
    """
    card, folder = cards.load(name)
    features = _choose(card, inputs)
    columns = table.read(card, folder, [feature.name for feature in features])
    x, y, weight = columns
    where = f"dataset {card.name}"
    check(x, y, weight, [f.name for f in features], card.labels.classes, where)
    events = Events(
        np.ascontiguousarray(x, np.float32),
        np.ascontiguousarray(y, np.int32),
        np.ascontiguousarray(weight, np.float32),
    )
    marks = fingerprint(events.x, events.y, events.weight)
    return Dataset(card.name, card.title, features, events, card.labels.classes, card.splits, marks)


def load_for(run: Run, name: str | Path) -> Events:
    """Load other events for a run's networks.

    Raises
    ------
    DataError
        If they have another shape or other classes than the run.
    """
    loaded = load(name, run.recipe.inputs)
    shape = tuple(run.manifest["data"]["shape"])
    if loaded.events.x.shape[1:] != shape:
        raise DataError(
            f"dataset {loaded.name} has events of shape {loaded.events.x.shape[1:]}, "
            f"run {run.name} of {shape}"
        )
    if loaded.classes != run.classes:
        raise DataError(f"dataset {loaded.name} has other classes than run {run.name}")
    return loaded.events


def check(
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    names: Sequence[str],
    classes: Sequence[str],
    where: str,
) -> None:
    """Refuse events that cannot be trained on.

    Raises
    ------
    DataError
        If there is no event, if lengths differ, if a value is not finite, if a label is not a
        class's number, or if only one class occurs; naming the feature and the first entry.
    """
    if len(x) == 0:
        raise DataError(f"{where}: no events")
    if not len(x) == len(y) == len(weight):
        raise DataError(f"{where}: {len(x)} events but {len(y)} labels, {len(weight)} weights")
    if not np.isfinite(x).all():
        entry, *_, column = np.argwhere(~np.isfinite(x))[0]
        count = int((~np.isfinite(x)).sum())
        name = names[column] if len(names) == x.shape[-1] else names[0]
        raise DataError(
            f"{where}: feature {name!r} is not finite in entry {entry} ({count} such values)"
        )
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise DataError(f"{where}: a weight is negative or not finite")
    labels = y.astype(np.float64)
    bad = ~np.isfinite(labels) | (labels != np.round(labels))
    bad |= (labels < 0) | (labels >= len(classes))
    if bad.any():
        entry = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{where}: label {y[entry]} of entry {entry} is none of 0 to {len(classes) - 1}"
        )
    if len(np.unique(y)) < 2:
        raise DataError(f"{where}: all events are of class {classes[int(y[0])]!r}")


def split(
    dataset: Dataset, splits: FractionSplits | None, limit: int | None = None
) -> dict[str, Events]:
    """Divide the events by a seeded permutation: no event in two splits.

    Parameters
    ----------
    dataset
        What to divide.
    splits
        Fractions and seed; the dataset's own by default.
    limit
        Use only so many events of the permutation.

    Raises
    ------
    DataError
        If a split is empty or lacks a class that occurs in the data.
    """
    splits = splits or dataset.splits
    order = np.random.default_rng(splits.seed).permutation(len(dataset.events))[:limit]
    fractions = np.array([splits.train, splits.validation, splits.test])
    ends = np.round(np.cumsum(fractions) * len(order) + 1e-9).astype(int)
    present = np.unique(dataset.events.y)
    made = {}
    for name, start, end in zip(("train", "validation", "test"), (0, *ends[:2]), ends, strict=True):
        chosen = order[start:end]
        if len(chosen) == 0:
            raise DataError(
                f"dataset {dataset.name}: the {name} split of {len(order)} events is empty"
            )
        part = take(dataset.events, chosen)
        lacking = np.setdiff1d(present, part.y)
        if len(lacking):
            missing = dataset.classes[int(lacking[0])]
            raise DataError(
                f"dataset {dataset.name}: the {name} split of {len(chosen)} events has no "
                f"{missing!r}"
            )
        made[name] = part
    return made


def take(events: Events, chosen: np.ndarray) -> Events:
    """Return the chosen events."""
    return replace(events, x=events.x[chosen], y=events.y[chosen], weight=events.weight[chosen])


def _choose(card: Card, inputs: Sequence[str] | None) -> list[Feature]:
    if card.inputs.image is not None:
        if inputs:
            raise RecipeError(f"dataset {card.name} is of images and has no features to choose")
        image = card.inputs.image
        return [Feature(name="image", unit=image.unit, description=image.description)]
    known = {feature.name: feature for feature in card.inputs.features}
    chosen = list(inputs) if inputs is not None else list(known)
    if not chosen:
        raise RecipeError("inputs: the list of features is empty")
    for name in chosen:
        if name not in known:
            hint = nearest(name, known)
            raise RecipeError(f"dataset {card.name} has no feature {name!r}; {hint}")
    if len(set(chosen)) < len(chosen):
        raise RecipeError("inputs: a feature is named twice")
    return [known[name] for name in chosen]
