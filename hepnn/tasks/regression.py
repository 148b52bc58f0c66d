"""The task of `hepnn.tasks.regress` with the loss of a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hepnn.tasks import regress


class Regress:
    """The task.

    Parameters
    ----------
    loss
        As declared in `hepnn.recipe.losses`, by key.
    """

    LABELS = regress.LABELS
    SCALED = regress.SCALED
    FROM_NOISE = regress.FROM_NOISE
    FIGURES = regress.FIGURES
    PICTURES = regress.PICTURES
    WORDS = regress.WORDS
    shapes = staticmethod(regress.shapes)
    view = staticmethod(regress.view)
    learns_from = staticmethod(regress.learns_from)
    metrics = staticmethod(regress.metrics)
    encode = staticmethod(regress.encode)
    decode = staticmethod(regress.decode)
    evaluate = staticmethod(regress.evaluate)
    headline = staticmethod(regress.headline)
    rows = staticmethod(regress.rows)
    pictures = staticmethod(regress.pictures)
    changes = staticmethod(regress.changes)

    def __init__(self, loss: Mapping[str, Any] | None = None) -> None:
        self._loss = loss or {"name": "mse"}

    def loss(self, counts: Sequence[int] = ()) -> Any:
        """Return the loss of z: the mean squared error by default."""
        from hepnn.tasks import losses

        return losses.of_numbers(self._loss)
