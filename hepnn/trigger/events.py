"""Events as they come: an array, or quantities by name; and what makes one malformed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hepnn.errors import DataError, nearest
from hepnn.trigger.export import Export


def array(x: Any, read: Export) -> np.ndarray:
    """Return events as float32, `shape` for one or `(events, *shape)` for many.

    Raises
    ------
    DataError
        If a feature is missing or unknown, or the shape is another.
    """
    if isinstance(x, Mapping):
        x = _stacked(x, read)
    try:
        x = np.asarray(x, np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"an event is no array of numbers: {error}") from error
    if read.shape not in (x.shape, x.shape[1:]):
        raise DataError(f"an event has shape {x.shape}, the network takes {read.shape}")
    return x


def insist_on_finite(x: np.ndarray, read: Export) -> None:
    """Raise if a number of many events `(events, *shape)` is not finite.

    Raises
    ------
    DataError
        Naming the first feature.
    """
    fine = np.isfinite(x)
    if fine.all():
        return
    place = np.argwhere(~fine)[0]
    feature = read.features[place[-1]] if len(read.features) == x.shape[-1] else str(place[1:])
    raise DataError(f"feature {feature} is {x[tuple(place)]}")


def _stacked(x: Mapping[str, Any], read: Export) -> np.ndarray:
    for name in x:
        if name not in read.features:
            raise DataError(f"no feature {name!r}; {nearest(str(name), read.features)}")
    missing = [name for name in read.features if name not in x]
    if missing:
        raise DataError(f"feature {missing[0]} is missing")
    try:
        return np.stack([np.asarray(x[name], np.float32) for name in read.features], axis=-1)
    except (TypeError, ValueError) as error:
        raise DataError(f"the features are not numbers of one length: {error}") from error
