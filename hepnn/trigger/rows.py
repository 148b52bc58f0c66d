"""What is written of accepted events: a column a number, by name."""

from __future__ import annotations

import numpy as np

from hepnn.errors import RecipeError
from hepnn.trigger.menu import Menu
from hepnn.trigger.overload import Waiting
from hepnn.trigger.source import Source

#: Columns beside the features and the scores.
OWN = ("number", "items", "prescale", "arrival_ns", "latency_ns", "label")


def of(
    menu: Menu,
    source: Source,
    events: Waiting,
    scores: np.ndarray,
    kept: np.ndarray,
    done: np.ndarray,
    started: int,
) -> dict[str, np.ndarray]:
    """Return the columns of accepted events.

    Single quantities are a column a feature, events of more axes one column `x`. `items` has a
    bit for each item that keeps the event; times are in ns.

    Parameters
    ----------
    menu
        That decided.
    source
        The events' quantities and labels.
    events
        Which they are.
    scores
        `(events, items)`.
    kept
        Which items keep them `(events, items)` bool.
    done
        When each was scored, in ns `(events,)`.
    started
        When the stream started, in ns.
    """
    x = source.x[events.row]
    columns = {"number": events.number}
    if x.ndim == 2:
        columns |= {name: x[:, place] for place, name in enumerate(menu.features)}
    else:
        columns["x"] = x
    columns |= {f"score_{name}": scores[:, place] for place, name in enumerate(menu.names)}
    columns["items"] = (kept << np.arange(kept.shape[1])).sum(axis=1)
    columns["prescale"] = events.prescale
    columns["arrival_ns"] = events.arrival - started
    columns["latency_ns"] = done - events.arrival
    if source.y is not None:
        columns["label"] = source.y[events.row]
    return columns


def insist_on_names(menu: Menu) -> None:
    """Raise if a feature has the name of another column.

    Raises
    ------
    RecipeError
        Naming the feature.
    """
    taken = {*OWN, *(f"score_{name}" for name in menu.names)}
    if len(menu.shape) == 1 and (twice := taken.intersection(menu.features)):
        raise RecipeError(
            f"feature {min(twice)} has the name of a column of the output, which would hold both"
        )
