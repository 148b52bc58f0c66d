"""Auxiliary classifiers: branches in the middle of a network that add to its loss.

C. Szegedy et al., "Going deeper with convolutions", CVPR 2015 (arXiv:1409.4842), section 5:
classifiers on intermediate layers give them gradient of their own; "their loss gets added to the
total loss of the network with a discount weight [...]. At inference time, these auxiliary
networks are discarded."

An architecture gives them to `nn.Model(..., auxiliary=[(logits, weight), ...])`. They are trained
from the task's own loss and are not saved, so that a stage that starts from trained weights has
none.
"""

from __future__ import annotations

from typing import Any

import keras

from hepnn.training.rules import Rule


class Auxiliary(Rule):
    """A network trained together with its branches.

    `loss` of the training is the weighted sum that is minimized; metrics, and everything on the
    validation events, are of the network's own outputs.

    Parameters
    ----------
    network
        Its attribute `auxiliary` has each branch's outputs and weight.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__(network)
        branches, self.weights_of_branches = zip(*network.auxiliary, strict=True)
        self.whole = keras.Model(network.inputs, [network.outputs[0], *branches])

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the network's outputs, and in training the branches' behind them."""
        return self.whole(inputs, training=True) if training else super().call(inputs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss, and in training the weighted losses of the branches with it."""
        if not training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        outputs, *branches = y_pred
        loss = super().compute_loss(x, y, outputs, sample_weight, training)
        for weight, branch in zip(self.weights_of_branches, branches, strict=True):
            loss += weight * self._compile_loss(y, branch, sample_weight)
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Update the metrics with the network's own outputs."""
        outputs = y_pred[0] if isinstance(y_pred, list) else y_pred
        return super().compute_metrics(x, y, outputs, sample_weight)
