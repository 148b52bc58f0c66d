"""How alkaid traces the layers for images that are hepnn's own; importing it adds them."""

from __future__ import annotations

from typing import Any

import numpy as np
from alkaid.converter.builtin.keras.layers._base import ReplayOperationBase
from alkaid.converter.builtin.keras.layers.conv import ReplayConv
from alkaid.trace import FVArray
from hgq._alkaid_keras_plugin._base import QLayerMixin

from hepnn.layers.depthwise import QDepthwiseConv2D
from hepnn.layers.shortcut import PaddedIdentity2D


class _PaddedIdentity(ReplayOperationBase):
    handles = (PaddedIdentity2D,)

    def call(self, inputs: Any) -> Any:
        """Return the kept pixels, with constants of zero behind their channels."""
        kept = inputs[:, :: self.op.strides, :: self.op.strides]
        missing = self.op.filters - kept.shape[-1]
        if not missing:
            return kept
        zeros = np.zeros((*kept.shape[:-1], missing), np.float32)
        padding = FVArray(zeros, inputs.solver_options, hwconf=inputs.hwconf)
        return np.concatenate([kept, padding], axis=-1)


class _QDepthwiseConv2D(QLayerMixin, ReplayConv):
    handles = (QDepthwiseConv2D,)
