"""Input groups: from the columns of a chunk to one array of the network's inputs.

A quantity goes through its feature's steps in this order: missing values are filled, values are
clipped, then transformed (`log`, `asinh`). What is not finite after that is refused, with the
entry and the quantity named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hepnn.data.card import Feature, Features, Group, Image, Sequence, Tokens
from hepnn.data.expressions import Expression, flat
from hepnn.errors import DataError

#: Name of the last feature of a masked sequence.
MASK = "mask"


class Chunk(NamedTuple):
    """Columns of some examples of one file.

    Attributes
    ----------
    columns : mapping
        Arrays by name: `(examples,)`, `(examples, ...)`, or lists of any length.
    entry : np.ndarray
        The file's entry that each example is of `(examples,)`.
    where : str
        The file, for messages.
    """

    columns: Mapping[str, Any]
    entry: np.ndarray
    where: str

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.entry)

    def number(self, text: str, key: str) -> np.ndarray:
        """Evaluate an expression that gives one number an example `(examples,)`."""
        value = Expression(text, key)(self.columns, self.where)
        return flat(value, len(self), f"{self.where}: {key}: {text!r}")


class Lists(NamedTuple):
    """Lists of any length, one after another."""

    content: np.ndarray
    offsets: np.ndarray

    @property
    def owner(self) -> np.ndarray:
        """The example that each value is of `(values,)`."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def features(group: Group, name: str) -> list[Feature]:
    """Return what the last axis of a group holds, in order."""
    if isinstance(group, Features):
        return list(group.features)
    if isinstance(group, Sequence):
        mask = Feature(name=MASK, description="1 for an object, 0 for padding", scaling="none")
        return [*group.features, *([mask] if group.mask else [])]
    if isinstance(group, Image) and group.pixels is not None:
        return list(group.pixels.channels)
    if isinstance(group, Image):
        one = {"unit": group.unit, "description": group.description, "scaling": group.scaling}
        channels = group.shape[2]
        names = [name] if channels == 1 else [f"{name}_{number}" for number in range(channels)]
        return [Feature.model_validate({"name": channel, **one}) for channel in names]
    return [Feature(name=name, description="tokens", scaling="none")]


def shape(group: Group) -> tuple[int, ...]:
    """Return the shape of one example."""
    if isinstance(group, Features):
        return (len(group.features),)
    if isinstance(group, Sequence):
        return (group.length, len(group.features) + group.mask)
    if isinstance(group, Image):
        return group.shape
    return (group.length,)


def expressions(group: Group, name: str) -> dict[str, str]:
    """Return the expressions that a group evaluates, by the key that has them."""
    if isinstance(group, Features | Sequence):
        found = {f"inputs.{name}.{feature.name}": feature.source for feature in group.features}
        if isinstance(group, Sequence) and group.order_by is not None:
            found[f"inputs.{name}.order_by"] = group.order_by
        return found
    if isinstance(group, Tokens):
        return {f"inputs.{name}": group.expression}
    if group.pixels is None:
        return {f"inputs.{name}": group.expression or name}
    pixels = group.pixels
    found = {f"inputs.{name}.pixels.{c.name}": c.source for c in pixels.channels}
    found[f"inputs.{name}.pixels.rows"] = pixels.rows.expression
    found[f"inputs.{name}.pixels.columns"] = pixels.columns.expression
    return found


def build(group: Group, name: str, chunk: Chunk) -> np.ndarray:
    """Return the inputs of a group `(examples, *shape)` float32.

    Raises
    ------
    DataError
        If a quantity is not finite, has another shape than the card says, or its lists and
        those of the group's other quantities differ in length; naming entry and quantity.
    """
    if isinstance(group, Features):
        return _features(group, name, chunk)
    if isinstance(group, Sequence):
        return _sequence(group, name, chunk)
    if isinstance(group, Tokens):
        return tokens(chunk, group.expression, f"inputs.{name}", group.length, group.vocabulary)
    return _image(group, name, chunk) if group.pixels is None else _pixels(group, name, chunk)


def tokens(chunk: Chunk, text: str, key: str, length: int, vocabulary: int) -> np.ndarray:
    """Return whole numbers below `vocabulary`, cut at `length` or padded with 0."""
    found = lists(Expression(text, key)(chunk.columns, chunk.where), chunk, key)
    bad = (found.content < 0) | (found.content >= vocabulary)
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"{chunk.where}: {key}: token {found.content[place]} of entry "
            f"{chunk.entry[found.owner[place]]} is none of 0 to {vocabulary - 1}"
        )
    out = np.zeros((len(chunk), length), np.float32)
    row, position, kept = _places(found, length)
    out[row, position] = found.content[kept]
    return out


def quantities(group: Group, name: str, chunk: Chunk) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the raw values of a group's quantities, and the example that each value is of.

    Raises
    ------
    DataError
        As `build`, but for values that are not finite.
    """
    key = f"inputs.{name}"
    if isinstance(group, Features):
        owner = np.arange(len(chunk))
        return [(chunk.number(f.source, f"{key}.{f.name}"), owner) for f in group.features]
    if isinstance(group, Image) and group.pixels is None:
        pixels = np.asarray(Expression(group.expression or name, key)(chunk.columns, chunk.where))
        channels = pixels.reshape(len(chunk), -1, group.shape[2])
        owner = np.repeat(np.arange(len(chunk)), channels.shape[1])
        return [(channels[..., number].reshape(-1), owner) for number in range(group.shape[2])]
    if isinstance(group, Tokens):
        sources = {name: group.expression}
    elif isinstance(group, Sequence):
        sources = {feature.name: feature.source for feature in group.features}
    else:
        assert group.pixels is not None
        sources = {channel.name: channel.source for channel in group.pixels.channels}
    found = [
        lists(Expression(text, f"{key}.{one}")(chunk.columns, chunk.where), chunk, f"{key}.{one}")
        for one, text in sources.items()
    ]
    return [(one.content, one.owner) for one in found]


def for_statistics(group: Group, x: np.ndarray) -> np.ndarray:
    """Return inputs with NaN where a masked sequence has no object."""
    if not isinstance(group, Sequence) or not group.mask:
        return x
    return np.where(x[..., -1:] > 0, x, np.float32(np.nan))


def lists(value: Any, chunk: Chunk, key: str) -> Lists:
    """Lay out lists as one array and the places where each begins.

    Stored lists of one length are lists too.

    Raises
    ------
    DataError
        If there is one number an example.
    """
    if isinstance(value, np.ndarray):
        if value.ndim != 2 or len(value) != len(chunk):
            raise DataError(
                f"{chunk.where}: {key}: expected a list an entry, found an array of shape "
                f"{value.shape[1:]}"
            )
        steps = np.arange(len(value) + 1, dtype=np.int64) * value.shape[1]
        return Lists(value.reshape(-1), steps)
    import awkward as ak

    try:
        counts = ak.to_numpy(ak.num(value, axis=1)).astype(np.int64)
        content = ak.to_numpy(ak.flatten(value, axis=1))
    except (TypeError, ValueError, ak.errors.AxisError) as error:
        raise DataError(f"{chunk.where}: {key}: expected one list of numbers an entry") from error
    return Lists(content, np.concatenate([[0], np.cumsum(counts)]))


def prepared(
    feature: Feature, value: np.ndarray, entry: np.ndarray, where: str, key: str
) -> np.ndarray:
    """Fill, clip and transform one quantity; return it in float64.

    Parameters
    ----------
    feature
        The steps.
    value
        `(values,)`, or more axes for a stored image.
    entry
        The entry that each value is of `(values,)`.
    where, key
        File and quantity, for messages.

    Raises
    ------
    DataError
        If a value is not finite, or has no logarithm; naming its entry.
    """
    value = np.asarray(value, np.float64)
    if feature.missing is not None:
        absent = np.isnan(value) | (value == feature.missing.value)
        value = np.where(absent, feature.missing.fill, value)
    if feature.clip is not None:
        value = np.clip(value, *feature.clip)
    if feature.scaling == "log":
        bad = value <= 0
        if bad.any():
            place = np.argwhere(bad)[0]
            raise DataError(
                f"{where}: {key!r} is {value[tuple(place)]:g} in entry {entry[place[0]]}, which "
                "has no logarithm; give the feature a clip above 0"
            )
        value = np.log(value)
    elif feature.scaling == "asinh":
        value = np.arcsinh(value)
    wrong = ~np.isfinite(value)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise DataError(
            f"{where}: feature {key!r} is not finite in entry {entry[place[0]]} "
            f"({int(wrong.sum())} such values)"
        )
    return value


def _features(group: Features, name: str, chunk: Chunk) -> np.ndarray:
    out = np.empty((len(chunk), len(group.features)), np.float32)
    for column, feature in enumerate(group.features):
        value = chunk.number(feature.source, f"inputs.{name}.{feature.name}")
        out[:, column] = prepared(feature, value, chunk.entry, chunk.where, feature.name)
    return out


def _sequence(group: Sequence, name: str, chunk: Chunk) -> np.ndarray:
    key = f"inputs.{name}"
    found = {
        feature.name: lists(
            Expression(feature.source, f"{key}.{feature.name}")(chunk.columns, chunk.where),
            chunk,
            f"{key}.{feature.name}",
        )
        for feature in group.features
    }
    first = next(iter(found.values()))
    for other, one in found.items():
        unequal = np.flatnonzero(np.diff(one.offsets) != np.diff(first.offsets))
        if len(unequal):
            raise DataError(
                f"{chunk.where}: {key}: the lists of {next(iter(found))!r} and {other!r} differ "
                f"in length in entry {chunk.entry[unequal[0]]}"
            )
    order: Any = slice(None)
    if group.order_by is not None:
        text = Expression(group.order_by, f"{key}.order_by")
        by = lists(text(chunk.columns, chunk.where), chunk, f"{key}.order_by")
        if not np.array_equal(by.offsets, first.offsets):
            raise DataError(f"{chunk.where}: {key}.order_by: other lists than the features'")
        order = np.lexsort((-by.content, by.owner))
    row, position, kept = _places(first, group.length)
    width = len(features(group, name))
    out = np.zeros((len(chunk), group.length, width), np.float32)
    if group.padding:
        out[...] = group.padding
    place, entry, cells = row * group.length + position, chunk.entry[row], out.reshape(-1, width)
    for column, feature in enumerate(group.features):
        value = found[feature.name].content[order][kept]
        cells[place, column] = prepared(feature, value, entry, chunk.where, feature.name)
    if group.mask:
        out[..., -1] = 0.0
        cells[place, -1] = 1.0
    return out


def _image(group: Image, name: str, chunk: Chunk) -> np.ndarray:
    text = Expression(group.expression or name, f"inputs.{name}")
    value = np.asarray(text(chunk.columns, chunk.where))
    if len(value) != len(chunk) or value[0:1].size * len(value) != len(value) * int(
        np.prod(group.shape)
    ):
        raise DataError(
            f"{chunk.where}: inputs.{name}: images of shape {value.shape[1:]}, the card says "
            f"{group.shape}"
        )
    if value.dtype == np.uint8 and group.scaling in ("standard", "minmax", "none"):
        return value.reshape(len(value), *group.shape).astype(np.float32)
    feature = features(group, name)[0]
    pixels = prepared(feature, value, chunk.entry, chunk.where, name)
    return pixels.reshape(len(value), *group.shape).astype(np.float32)


def _pixels(group: Image, name: str, chunk: Chunk) -> np.ndarray:
    """Fill images: every constituent adds to the pixel that it lies in, or lies outside."""
    pixels, key = group.pixels, f"inputs.{name}.pixels"
    assert pixels is not None
    height, width, channels = group.shape
    places = []
    for side, axis, bins in (("rows", pixels.rows, height), ("columns", pixels.columns, width)):
        text = Expression(axis.expression, f"{key}.{side}")
        place = lists(text(chunk.columns, chunk.where), chunk, f"{key}.{side}")
        low, high = axis.range
        places.append((place, np.floor((place.content - low) * (bins / (high - low)))))
    (rows, row), (columns, column) = places
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    flat_pixel = ((rows.owner * height + row) * width + column)[inside].astype(np.int64)
    out = np.empty((len(chunk), height, width, channels), np.float32)
    for number, channel in enumerate(pixels.channels):
        text = Expression(channel.source, f"{key}.{channel.name}")
        value = lists(text(chunk.columns, chunk.where), chunk, f"{key}.{channel.name}")
        for other in (rows, columns):
            if not np.array_equal(other.offsets, value.offsets):
                raise DataError(f"{chunk.where}: {key}.{channel.name}: other lists than the axes'")
        total = np.bincount(flat_pixel, value.content[inside], len(chunk) * height * width)
        grid = total.reshape(len(chunk), height, width)
        out[..., number] = prepared(channel, grid, chunk.entry, chunk.where, channel.name)
    return out


def _places(found: Lists, length: int) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return example and position of the values among the first `length`, and which they are."""
    owner = found.owner
    position = np.arange(len(owner)) - found.offsets[:-1][owner]
    if np.diff(found.offsets).max(initial=0) <= length:
        return owner, position, slice(None)
    kept = position < length
    return owner[kept], position[kept], kept
