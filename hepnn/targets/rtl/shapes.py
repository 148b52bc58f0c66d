"""How alkaid traces layers of shape: as its own, but no axis is lost; importing it adds them.

alkaid 0.8.2 drops the axis of the event where a layer flattens or reshapes. What looks for the
axes of an image or of a sequence behind it, as upsampling does, then finds one too few.
"""

from __future__ import annotations

from typing import Any

import keras
from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase


class _Reshape(ReplayOperationBase):
    handles = (keras.layers.Reshape,)

    def call(self, inputs: Any) -> Any:
        """Return the numbers in the shape of one event."""
        return inputs.reshape((1, *self.op.target_shape))
