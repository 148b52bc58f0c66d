"""A menu: several items, each a network, a threshold and a prescale; one that passes is enough.

```yaml
items:
  top:
    run: runs/jet-tagger
    signal: [t]
    threshold: background=0.01
  monitor:
    run: runs/jet-tagger
    signal: [g]
    threshold: score=0.5
    prescale: 100
seed: 1
```

Items of one network share its outputs. An event that passes an item with prescale n is kept with
a chance of 1/n, which a number drawn from the seed, the item and the event's sequence number
decides: whoever looks at the event comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from hepnn import declarations
from hepnn.declarations import Declaration
from hepnn.errors import DataError, RecipeError, RunError
from hepnn.trigger import export, thresholds
from hepnn.trigger.account import mixed
from hepnn.trigger.export import Export
from hepnn.trigger.inference import BLOCKS, Trigger

#: Bits of the word that says which items an event passed.
MOST = 63


class ItemDeclaration(Declaration):
    """An item as it is declared."""

    run: str = Field(description="Path or name of a run, or the folder of a LiteRT export.")
    stage: str | None = Field(None, description="Stage of the run.")
    form: str = Field("tflite", description="Form of the export.")
    signal: list[str] | None = Field(
        None, description="Classes that are signal, or the quantity to cut on."
    )
    threshold: str | None = Field(
        None, description="score=0.9, background=0.01 or rate=1000; the stored one by default."
    )
    prescale: int = Field(1, ge=1, description="Of so many events that pass, one is kept.")

    @field_validator("threshold")
    @classmethod
    def _readable(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                thresholds.parse(text)
            except RecipeError as error:
                raise ValueError(str(error)) from error
        return text


class MenuDeclaration(Declaration):
    """A menu as it is declared."""

    items: dict[str, ItemDeclaration] = Field(min_length=1, max_length=MOST)
    seed: int = Field(0, ge=0, description="Of the prescales.")


@dataclass(frozen=True)
class Item:
    """One way for an event to be accepted; or a shadow, which is looked at and accepts nothing."""

    name: str
    trigger: Trigger
    prescale: int = 1
    shadow: bool = False


class Menu:
    """Items that look at the same events.

    Attributes
    ----------
    items : tuple of Item
        In the order of the bits.
    features, units : tuple of str
        Of all networks together, each once; events come in this order.
    shape : tuple of int
        Of one event.
    """

    def __init__(self, items: Sequence[Item], seed: int = 0) -> None:
        self.items = tuple(items)
        self.seed = seed
        if not 0 < len(self.items) <= MOST + 1:  # a shadow has no bit
            raise RecipeError(f"a menu has 1 to {MOST} items")
        for name in self.names:
            if self.names.count(name) > 1:
                raise RecipeError(f"two items of the name {name}")
        units: dict[str, str] = {}
        for item in self.items:
            if item.trigger.threshold is None:
                raise RunError(f"item {item.name}: no threshold is given, and none is stored")
            for feature, unit in zip(item.trigger.features, item.trigger.units, strict=True):
                if units.setdefault(feature, unit) != unit:
                    raise RecipeError(
                        f"item {item.name}: {feature} in {unit}, before it was {units[feature]}"
                    )
        self.features, self.units = tuple(units), tuple(units.values())
        self.shape = (*self.items[0].trigger.shape[:-1], len(self.features))
        for item in self.items:
            if item.trigger.shape[:-1] != self.shape[:-1]:
                raise RecipeError(
                    f"item {item.name}: events of shape {item.trigger.shape} beside {self.shape}"
                )
        self._groups = self._by_network()
        self._thresholds = np.array([item.trigger.threshold for item in self.items])
        self._shadows = np.array([item.shadow for item in self.items])

    @property
    def names(self) -> list[str]:
        """The items' names."""
        return [item.name for item in self.items]

    @property
    def looks_at(self) -> tuple[Any, ...]:
        """What one stream's menus have in common: events, items, and what these score."""
        titles = tuple(item.trigger.score_of.title for item in self.items)
        return self.shape, self.features, self.names, titles

    def score(self, x: np.ndarray) -> np.ndarray:
        """Return the scores `(events, items)` float64 of events `(events, *shape)` float32.

        Events that are not finite are for the caller to keep away.

        Raises
        ------
        DataError
            If the events have another shape.
        """
        if x.shape[1:] != self.shape:
            raise DataError(f"an event has shape {x.shape[1:]}, the menu takes {self.shape}")
        scores = np.empty((len(x), len(self.items)))
        for order, trigger, places in self._groups:
            own = x if order is None else np.ascontiguousarray(x[..., order])
            outputs = trigger.run(own)
            for place in places:
                scores[:, place] = self.items[place].trigger.score_of.many(outputs, own)
        return scores

    def score_one(self, x: np.ndarray, scores: np.ndarray) -> None:
        """Write the scores `(items,)` of one event, in `shape` and finite."""
        for order, trigger, places in self._groups:
            own = x if order is None else x[..., order]
            outputs = trigger.run_one(own)
            for place in places:
                scores[place] = self.items[place].trigger.score_of.one(outputs, own)

    def passed(self, scores: np.ndarray) -> np.ndarray:
        """Return which items events pass `(events, items)` bool, before prescales."""
        return np.greater_equal(scores, self._thresholds)

    def kept(self, passed: np.ndarray, number: np.ndarray) -> np.ndarray:
        """Return which items keep events `(events, items)` bool, after prescales.

        Parameters
        ----------
        passed
            As `passed` returns it.
        number
            The events' sequence numbers `(events,)`.
        """
        kept = passed & ~self._shadows
        for place, item in enumerate(self.items):
            if item.prescale > 1:
                drawn = mixed(np.asarray(number, np.uint64), self.seed * 1009 + place + 1)
                kept[:, place] &= drawn % np.uint64(item.prescale) == 0
        return kept

    def decide(self, x: np.ndarray, number: np.ndarray) -> np.ndarray:
        """Return whether any item keeps events `(events,)` bool."""
        return np.any(self.kept(self.passed(self.score(x)), number), axis=1)

    def signal(self, y: np.ndarray) -> np.ndarray | None:
        """Return which events `(events,)` bool are signal of any item, by truth."""
        found = [item.trigger.score_of.signal(y) for item in self.items if not item.shadow]
        known = [one for one in found if one is not None]
        return np.logical_or.reduce(known) if known else None

    def state(self) -> list[Any]:
        """Return the menu as plain data, the networks' files in it: for other processes."""
        items = [
            (item.trigger.export, item.trigger.signal, item.trigger.threshold)
            for item in self.items
        ]
        rest = [(item.name, item.prescale, item.shadow) for item in self.items]
        return [items, rest, self.seed]

    @classmethod
    def of_state(cls, state: list[Any]) -> Menu:
        """Return the menu of what `state` gave, its networks ready."""
        known, rest, seed = state
        items = [
            Item(name, Trigger(*of_trigger), prescale, shadow)
            for of_trigger, (name, prescale, shadow) in zip(known, rest, strict=True)
        ]
        menu = cls(items, seed)
        for size in BLOCKS:
            menu.score(np.zeros((size, *menu.shape), np.float32))
        return menu

    def _by_network(self) -> list[tuple[np.ndarray | None, Trigger, list[int]]]:
        """Return each network once: its features' places, and the items that use it."""
        groups: dict[str, tuple[np.ndarray | None, Trigger, list[int]]] = {}
        for place, item in enumerate(self.items):
            names = item.trigger.features
            order = None
            if names != self.features:
                order = np.array([self.features.index(name) for name in names])
            entry = groups.setdefault(item.trigger.export.sha256, (order, item.trigger, []))
            entry[2].append(place)
        return list(groups.values())


def load_menu(
    path: str | Path, *, input_rate: float | None = None, runs: Path = Path("runs")
) -> Menu:
    """Open a menu.

    Parameters
    ----------
    path
        Of the YAML file.
    input_rate
        Events a second that come in, in Hz, for items whose threshold is a rate.
    runs
        Where runs are that are named.

    Raises
    ------
    RecipeError
        If it says something that it must not.
    RunError
        If a network or a threshold is missing or damaged.
    """
    path = Path(path)
    declared = declarations.parse(MenuDeclaration, declarations.read_yaml(path), path)
    items = []
    for name, one in declared.items.items():
        where = path.parent / one.run if (path.parent / one.run).exists() else one.run
        try:
            items.append(Item(name, _trigger(where, one, input_rate, runs), one.prescale))
        except (DataError, RunError, RecipeError) as error:
            raise type(error)(f"{path}: items.{name}: {error}") from error
    return Menu(items, declared.seed)


def _trigger(
    where: str | Path, one: ItemDeclaration, input_rate: float | None, runs: Path
) -> Trigger:
    read: Export = export.read(where, one.stage, one.form, runs)
    if one.threshold is None:
        kept = thresholds.stored(read)
        if kept is None:
            raise RunError("no threshold is given, and none is stored")
        if one.signal is not None and sorted(one.signal) != sorted(kept["signal"]):
            raise RunError(f"the stored threshold is for {kept['signal']}, not {one.signal}")
        return Trigger(read, kept["signal"], kept["threshold"])
    trigger = Trigger(read, one.signal)
    kind, value = thresholds.parse(one.threshold)
    if kind != "score":
        value = thresholds.choose(trigger, one.threshold, input_rate=input_rate)["threshold"]
    trigger.threshold = value
    return trigger
