"""Where events come from: a file, a data card, a generator, the run's own test events, or Python.

All events are in memory, as the menu takes them, before the first arrives. One that is malformed
keeps its place: it arrives, and is counted as failed with its reason.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.data import bare, reading
from hepnn.data.generate import job
from hepnn.errors import DataError, nearest
from hepnn.recipe import parse_override
from hepnn.trigger.account import mixed
from hepnn.trigger.menu import Menu

#: Name of the source that draws the run's test events; and, followed by `:` and the name of a
#: generator of `hepnn data make`, of one that makes new events.
GENERATOR = "generator"


@dataclass(frozen=True)
class Source:
    """Events to replay.

    Attributes
    ----------
    name : str
        Where they come from.
    x : np.ndarray
        `(events, *shape)` float32, in the menu's order; zeros where an event is malformed.
    y : np.ndarray or None
        Class numbers `(events,)`.
    fault : np.ndarray
        `(events,)` int64: 0, or one more than the place of what is wrong in `faults`.
    faults : list of str
        What is wrong with malformed events.
    classes : tuple of str
        Names of the class numbers.
    drawn : int or None
        Seed with which events are drawn at random; None to replay them in order.
    """

    name: str
    x: np.ndarray
    y: np.ndarray | None
    fault: np.ndarray
    faults: list[str]
    classes: tuple[str, ...] = ()
    drawn: int | None = None

    def __len__(self) -> int:
        """Return the number of different events."""
        return len(self.x)

    def row(self, number: np.ndarray) -> np.ndarray:
        """Return which event `(events,)` each sequence number is; after the last, the first."""
        if self.drawn is None:
            return number % len(self.x)
        return (mixed(number, self.drawn) % np.uint64(len(self.x))).astype(np.int64)


def opened(wanted: str, menu: Menu, seed: int = 0) -> Source:
    """Read a source.

    Parameters
    ----------
    wanted
        Path of a data file; short name or path of a data card; `generator`: test events of the
        run of the menu's first item, drawn at random; or `generator:KIND,SETTING=VALUE,...`:
        events that `hepnn data make KIND` makes first, as `generator:jets,per_class=200`.
    menu
        That looks at the events.
    seed
        Of the generator.

    Raises
    ------
    DataError
        If nothing can be read, or a feature is in no column.
    RecipeError
        If there is no such card, generator or setting.
    MissingDependency
        If a generator needs an extra that is not installed.
    """
    first = menu.items[0].trigger.export
    if wanted == GENERATOR:
        run = first.opened_run()
        events = run.events("test")
        x = _ordered(events.x, first.features, menu)
        return _checked(wanted, x, _labels(events.y), first.names, drawn=seed)
    if wanted.startswith(f"{GENERATOR}:"):
        return _generated(wanted, menu, seed)
    if bare.is_bare(wanted):
        return _of_file(Path(wanted), menu)
    if Path(wanted).suffix.lower() in bare.FORMATS and not Path(wanted).exists():
        raise DataError(f"{wanted}: no such file")
    return _of_card(wanted, wanted, menu)


def of_events(events: Iterable[Any], menu: Menu, name: str = "python") -> Source:
    """Return events that Python has: mappings by name, or arrays in the menu's order.

    Whatever is wrong with one of them is said when it arrives.

    Raises
    ------
    DataError
        If there are none.
    """
    rows, faults, reasons = [], [], []
    for event in events:
        found, reason = _one(event, menu)
        rows.append(found)
        if reason and reason not in reasons:
            reasons.append(reason)
        faults.append(reasons.index(reason) + 1 if reason else 0)
    if not rows:
        raise DataError(f"{name}: no events")
    return Source(name, np.array(rows, np.float32), None, np.array(faults, np.int64), reasons)


def _one(event: Any, menu: Menu) -> tuple[np.ndarray, str]:
    """Return an event and what is wrong with it."""
    nothing = np.zeros(menu.shape, np.float32)
    if isinstance(event, Mapping):
        missing = [name for name in menu.features if event.get(name) is None]
        if missing:
            return nothing, f"feature {missing[0]} is missing"
    try:
        if isinstance(event, Mapping):
            event = np.stack([np.asarray(event[name]) for name in menu.features], axis=-1)
        x = np.asarray(event, np.float32)
    except (TypeError, ValueError):
        return nothing, "no array of numbers"
    if x.shape != menu.shape:
        return nothing, "wrong length"
    return (x, "") if np.isfinite(x).all() else (nothing, "not finite")


def _checked(
    name: str,
    x: np.ndarray,
    y: np.ndarray | None,
    classes: tuple[str, ...],
    drawn: int | None = None,
) -> Source:
    """Return a source of arrays, its malformed events marked."""
    fine = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    fault = np.where(fine, 0, 1)
    faults = [] if fine.all() else ["not finite"]
    x = np.where(fine.reshape(-1, *(1 for _ in x.shape[1:])), x, np.float32(0))
    return Source(name, np.ascontiguousarray(x, np.float32), y, fault, faults, classes, drawn)


def _labels(y: np.ndarray) -> np.ndarray | None:
    return y if y.ndim == 1 and y.dtype.kind in "iu" else None


def _ordered(x: np.ndarray, features: tuple[str, ...], menu: Menu) -> np.ndarray:
    """Return events in the menu's order."""
    missing = [name for name in menu.features if name not in features]
    if missing:
        raise DataError(f"the events have no feature {missing[0]}")
    return x[..., [features.index(name) for name in menu.features]]


def _of_card(card: str | Path, name: str, menu: Menu) -> Source:
    first = menu.items[0].trigger.export
    events = reading.read_for(first.opened_run(), card)
    return _checked(name, _ordered(events.x, first.features, menu), _labels(events.y), first.names)


def _generated(wanted: str, menu: Menu, seed: int) -> Source:
    """Make events, and read those of its cards that the run can take."""
    kind, *settings = wanted.partition(":")[2].split(",")
    overrides = dict(parse_override(setting) for setting in settings)
    refused: Exception | None = None
    with tempfile.TemporaryDirectory() as folder:
        made = job.make(kind, Path(folder) / kind, seed, overrides)
        for card in sorted(made.rglob("dataset.yaml")):
            try:
                return _of_card(card, wanted, menu)
            except DataError as error:
                refused = error
    raise DataError(f"{wanted}: none of its events are the network's: {refused}")


def _of_file(path: Path, menu: Menu) -> Source:
    """Read a file that has a column for each feature, or an array `x`; labels `y` if there."""
    with contextlib.closing(bare.open_file(path, bare.FORMATS[path.suffix.lower()])) as reader:
        columns, count = reader.columns, reader.entries
        if not count:
            raise DataError(f"{path}: no events")

        def take(name: str) -> Any:
            return reader.read([name], 0, count)[name]

        labels = np.asarray(take(bare.LABELS)) if bare.LABELS in columns else None
        first = menu.items[0].trigger.export
        y = None if labels is None or labels.dtype.kind not in "iu" else labels
        if bare.INPUTS in columns:
            found = of_events(take(bare.INPUTS), menu, str(path))
            return Source(str(path), found.x, y, found.fault, found.faults, first.names)
        for name in menu.features:
            if name not in columns:
                raise DataError(f"{path}: no column {name!r}; {nearest(name, columns)}")
        x = np.stack([np.asarray(take(name), np.float32) for name in menu.features], axis=-1)
    if x.shape[1:] != menu.shape:
        raise DataError(f"{path}: an event has shape {x.shape[1:]}, the menu takes {menu.shape}")
    return _checked(str(path), x, y, first.names)
