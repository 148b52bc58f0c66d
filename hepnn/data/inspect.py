"""A look at data before anything is trained on them: a dataset with its card, or a bare file."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console
from hepnn.data import bare, groups, statistics
from hepnn.data import card as cards
from hepnn.data import dataset as datasets
from hepnn.data.card import Classes, Feature, Image
from hepnn.errors import DataError

#: Values that are kept of a feature and class, for its histogram.
DRAWN = 20_000

#: Entries of a bare file whose range is looked at.
LOOKED_AT = 10_000


@dataclass
class _Quantity:
    """What is seen of one feature, chunk by chunk."""

    feature: Feature
    classes: int
    known: statistics.Statistics = field(default_factory=lambda: statistics.empty(1))
    not_finite: int = 0
    missing: int = 0
    clipped: int = 0
    drawn: list[list[np.ndarray]] = field(default_factory=list)

    def add(self, value: np.ndarray, of_class: np.ndarray) -> None:
        """Take the raw values of a chunk in, before they are filled and clipped."""
        value = np.asarray(value, np.float64)
        finite = np.isfinite(value)
        self.not_finite += int((~finite).sum())
        if self.feature.missing is not None:
            absent = ~finite | (value == self.feature.missing.value)
            self.missing += int(absent.sum())
            value, of_class = value[~absent], of_class[~absent]
        if self.feature.clip is not None:
            low, high = self.feature.clip
            outside = (value < (-np.inf if low is None else low)) | (
                value > (np.inf if high is None else high)
            )
            self.clipped += int(outside.sum())
        self.known = self.known + statistics.of(value[:, None])
        self.drawn = self.drawn or [[] for _ in range(self.classes)]
        for number, kept in enumerate(self.drawn):
            room = DRAWN - sum(map(len, kept))
            if room > 0:
                kept.append(value[of_class == number][:room])

    def values(self) -> list[np.ndarray]:
        """Return the kept values of each class."""
        return [np.concatenate(kept) if kept else np.empty(0) for kept in self.drawn]

    def row(self) -> dict[str, Any]:
        """Return one line of the table."""
        known = self.known
        seen = known.events > 0
        return {
            "feature": self.feature.name,
            "unit": self.feature.unit,
            "values": known.events,
            "min": float(known.lowest[0]) if seen else None,
            "mean": float(known.mean[0]) if seen else None,
            "std": float(known.std[0]) if seen else None,
            "max": float(known.highest[0]) if seen else None,
            "not finite": self.not_finite,
            "missing": self.missing,
            "clipped": self.clipped,
            "scaling": self.feature.scaling,
        }


def summarize(name: str | Path, plot: Path | None = None) -> dict[str, Any]:
    """Look at a dataset, group by group and at its observers, or at a bare file.

    Parameters
    ----------
    name
        Short name or path of a card; or a ROOT, Parquet, HDF5, npz or CSV file, or a folder of
        images.
    plot
        File to draw every feature's histograms to; of an image group, the mean image a class.
        The name of a further group, or `observers`, is put before the suffix.

    Returns
    -------
    dict
        `name`, `title`, `files`, `read` (what was read and what was left out, by reason),
        `groups` with their shape and features, `classes`, `plots`. Of a bare file its
        `columns`.

    Raises
    ------
    HepnnError
        If the card or its files are not what they should be.
    """
    path = Path(name)
    kind = "/" if path.is_dir() and not (path / "dataset.yaml").exists() else path.suffix
    if kind in bare.FORMATS and path.exists():
        return _bare(path, bare.FORMATS[kind])
    card, _ = cards.load(name)
    document: dict[str, Any] = {"name": card.name, "title": card.title, "groups": {}, "plots": []}
    looks = dict(card.inputs)
    if card.observers:
        looks["observers"] = cards.Features(features=card.observers)
    for number, (key, group) in enumerate(looks.items()):
        with console.working(f"reading {card.name}, {key}"):
            data = datasets.open_dataset(name, [key if key in card.inputs else next(iter(looks))])
            drawn = plot
            if plot is not None and number:
                drawn = plot.with_name(f"{plot.stem}-{key}{plot.suffix}")
            _look(data, group, key, document, drawn)
    return document


def _look(
    data: datasets.Dataset,
    group: cards.Group,
    name: str,
    document: dict[str, Any],
    plot: Path | None,
) -> None:
    card = data.card
    of_classes = isinstance(card.labels, Classes)
    classes = data.classes if of_classes else [""]
    features = groups.features(group, name)
    shown = [feature for feature in features if feature.name != groups.MASK]
    is_image = isinstance(group, Image)
    quantities = [_Quantity(feature, len(classes)) for feature in shown]
    shape = groups.shape(group)
    sums = [np.zeros(shape) for _ in classes] if is_image else []
    lengths: list[np.ndarray] = []
    events, weight = np.zeros(len(classes), int), np.zeros(len(classes))
    counts: Counter[str] = Counter()
    for chunk, of_class, left in data.assembler.chunks():
        counts += left
        if not len(chunk):
            continue
        of_class = of_class if of_classes else np.zeros(len(chunk), int)
        raw = groups.quantities(group, name, chunk)
        for quantity, (value, owner) in zip(quantities, raw, strict=True):
            quantity.add(value, of_class[owner])
        if isinstance(group, cards.Sequence):
            lengths.append(np.bincount(raw[0][1], minlength=len(chunk)))
        events += np.bincount(of_class, minlength=len(classes))
        weight += np.bincount(of_class, data.assembler.weight(chunk), len(classes))
        if is_image:
            x = groups.build(group, name, chunk)
            for number in range(len(classes)):
                sums[number] += x[of_class == number].sum(axis=0)
    document["files"] = {
        "read": len(data.assembler.survey.parts),
        "skipped": data.assembler.survey.skipped,
    }
    document["read"] = dict(counts)
    document["events"] = int(events.sum())
    found: dict[str, Any] = {
        "kind": group.kind,
        "shape": list(shape),
        "features": [quantity.row() for quantity in quantities],
    }
    if lengths and len(every := np.concatenate(lengths)):
        found["lengths"] = {
            "mean": float(every.mean()),
            "largest": int(every.max()),
            "cut": int((every > group.length).sum()),  # type: ignore[union-attr]
        }
    document["groups"][name] = found
    document["labels"] = card.labels.kind
    document["classes"] = [
        {"class": title, "events": int(number), "weight": float(total)}
        for title, number, total in zip(classes, events, weight, strict=True)
        if of_classes
    ]
    if plot is None or not events.sum():
        return
    from hepnn.plots import data as pictures

    if is_image:
        means = {
            title or data.name: total / max(number, 1)
            for title, total, number in zip(classes, sums, events, strict=True)
        }
        pictures.images(means, [f.name for f in shown], plot, f"Mean images of {data.name}")
    else:
        units = {feature.name: feature.unit for feature in shown}
        values = {quantity.feature.name: quantity.values() for quantity in quantities}
        pictures.histograms(values, units, classes, plot, f"Features of {data.name}")
    document["plots"].append(str(plot))


def _bare(path: Path, kind: str) -> dict[str, Any]:
    document: dict[str, Any] = {"name": str(path), "format": kind, "columns": []}
    tree = None
    if kind == "root":
        from hepnn.data.formats import root

        document["trees"] = root.trees(path)
        if not document["trees"]:
            raise DataError(f"{path}: has no tree")
        tree = max(document["trees"], key=lambda name: document["trees"][name])
        document["tree"] = tree
    reader = bare.open_file(path, kind, tree)
    with contextlib.closing(reader):
        document["entries"] = reader.entries
        for name, column in reader.columns.items():
            low = high = None
            if column.kind in ("flat", "jagged") and reader.entries:
                value = reader.read([name], 0, min(reader.entries, LOOKED_AT))[name]
                known = statistics.of(_content(value).astype(np.float64)[:, None])
                if known.events:
                    low, high = float(known.lowest[0]), float(known.highest[0])
            document["columns"].append(
                {
                    "column": name,
                    "kind": column.kind,
                    "type": column.dtype,
                    "shape": list(column.shape),
                    "unit": column.unit,
                    "min": low,
                    "max": high,
                    "description": column.description,
                }
            )
    return document


def _content(value: Any) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    import awkward as ak

    return ak.to_numpy(ak.flatten(value, axis=None))
