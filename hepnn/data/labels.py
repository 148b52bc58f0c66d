"""Labels: from the columns of a chunk to what is to be predicted."""

from __future__ import annotations

import numpy as np

from hepnn.data.card import Boxes, Classes, Labels, Mask, TokenLabels, Values
from hepnn.data.expressions import Expression
from hepnn.data.groups import Chunk, prepared, tokens
from hepnn.errors import DataError, nearest


def names(labels: Labels) -> list[str]:
    """Return the classes, or the targets' names; none where there are no labels."""
    if isinstance(labels, Classes):
        return labels.names
    if isinstance(labels, Values):
        return [target.name for target in labels.targets]
    if isinstance(labels, Mask | Boxes):
        return labels.classes
    return []


def expressions(labels: Labels) -> dict[str, str]:
    """Return the expressions that the labels evaluate, by the key that has them."""
    if isinstance(labels, Classes) and labels.where:
        return {f"labels.where.{name}": text for name, text in labels.where.items()}
    if isinstance(labels, Values):
        return {f"labels.targets.{target.name}": target.source for target in labels.targets}
    if isinstance(labels, Classes | Mask | Boxes | TokenLabels):
        return {"labels.column": labels.column or ""}
    return {}


def build(labels: Labels, chunk: Chunk) -> np.ndarray:
    """Return the labels of a chunk's examples.

    Returns
    -------
    np.ndarray
        `(examples,)` int32 classes, -1 where no condition of `where` holds; `(examples,
        targets)` float32 values; `(examples, height, width)` int32 masks; `(examples, length,
        5)` float32 boxes; `(examples, length)` int32 tokens; `(examples, 0)` without labels.

    Raises
    ------
    DataError
        If a label is none of the declared ones; naming its entry.
    """
    if isinstance(labels, Classes):
        return _conditions(labels, chunk) if labels.where else _classes(labels, chunk)
    if isinstance(labels, Values):
        columns = [
            prepared(
                target,
                chunk.number(target.source, f"labels.targets.{target.name}"),
                chunk.entry,
                chunk.where,
                target.name,
            )
            for target in labels.targets
        ]
        return np.stack(columns, axis=1).astype(np.float32)
    if isinstance(labels, Mask):
        y = _array(labels.column, chunk, labels.shape)
        return _whole(y, len(labels.classes), chunk).astype(np.int32)
    if isinstance(labels, Boxes):
        y = _array(labels.column, chunk, (labels.length, 5)).astype(np.float32)
        _whole(y[..., 4], len(labels.classes) + 1, chunk)
        return y
    if isinstance(labels, TokenLabels):
        found = tokens(chunk, labels.column, "labels.column", labels.length, labels.vocabulary)
        return found.astype(np.int32)
    return np.zeros((len(chunk), 0), np.float32)


def _conditions(labels: Classes, chunk: Chunk) -> np.ndarray:
    y = np.full(len(chunk), -1, np.int32)
    for number, (name, text) in reversed(list(enumerate(labels.where.items()))):
        y[chunk.number(text, f"labels.where.{name}").astype(bool)] = number
    return y


def _classes(labels: Classes, chunk: Chunk) -> np.ndarray:
    value = Expression(labels.column or "", "labels.column")(chunk.columns, chunk.where)
    value = np.asarray(value)
    if value.ndim != 1:
        raise DataError(
            f"{chunk.where}: labels.column: expected one label an entry, found arrays of shape "
            f"{value.shape[1:]}"
        )
    if value.dtype.kind in "OUS":
        known = {name: number for number, name in enumerate(labels.names)}
        for entry, text in zip(chunk.entry, value, strict=True):
            if text not in known:
                raise DataError(
                    f"{chunk.where}: label {text!r} of entry {entry} is no class; "
                    f"{nearest(str(text), known)}"
                )
        return np.array([known[text] for text in value], np.int32)
    return _whole(value, len(labels.names), chunk).astype(np.int32)


def _whole(value: np.ndarray, classes: int, chunk: Chunk) -> np.ndarray:
    numbers = np.asarray(value, np.float64)
    bad = ~np.isfinite(numbers) | (numbers != np.round(numbers))
    bad |= (numbers < 0) | (numbers >= classes)
    if bad.any():
        place = tuple(np.argwhere(bad)[0])
        raise DataError(
            f"{chunk.where}: label {value[place]} of entry {chunk.entry[place[0]]} is none of 0 "
            f"to {classes - 1}"
        )
    return np.asarray(value)


def _array(column: str, chunk: Chunk, shape: tuple[int, ...]) -> np.ndarray:
    value = np.asarray(Expression(column, "labels.column")(chunk.columns, chunk.where))
    if value.size != len(chunk) * int(np.prod(shape)):
        raise DataError(
            f"{chunk.where}: labels.column: arrays of shape {value.shape[1:]}, the card says "
            f"{shape}"
        )
    return value.reshape(len(chunk), *shape)
