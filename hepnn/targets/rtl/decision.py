"""How alkaid traces the layer `Largest`; importing it adds it."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

import numpy as np
from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase

from hepnn.layers.decision import Largest


class _Largest(ReplayOperationBase):
    handles = (Largest,)

    def call(self, inputs: Any) -> Any:
        """Return of each class whether it beats those before it and is not beaten behind it."""
        classes = inputs.shape[-1]
        one = [inputs[..., number] for number in range(classes)]
        beats = {(i, j): one[i] > one[j] for i in range(classes) for j in range(i)}
        won = [
            reduce(
                and_,
                [beats[number, j] for j in range(number)]
                + [~beats[i, number] for i in range(number + 1, classes)],
            )
            for number in range(classes)
        ]
        return np.stack(won, axis=-1)
