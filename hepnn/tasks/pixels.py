"""What a network is trained and followed by where every pixel has a class.

Both work on class numbers `(batch, height, width)` and logits `(batch, height, width, classes)`,
and weigh whole events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="hepnn")
class PixelLoss(keras.losses.Loss):
    """Cross-entropy of the pixels, each weighted by its class, and a share of soft Dice.

    O. Ronneberger et al. (arXiv:1505.04597), eq. (1), with the weight map of the classes alone;
    F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net" (arXiv:1606.04797), section 3, per event and
    class, one minus

        (2 sum_pixels p t + 1) / (sum_pixels p + sum_pixels t + 1)

    of the softmax p and the truth t, averaged over the classes. The ones keep a class that an
    event has not from dividing by zero.

    Parameters
    ----------
    class_weights
        Weight of each class in the cross-entropy; ones by default.
    dice
        Share of the Dice loss, 0 to 1; the rest is the cross-entropy.
    """

    def __init__(
        self, class_weights: Sequence[float] | None = None, dice: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.class_weights = None if class_weights is None else list(class_weights)
        self.dice = dice

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each event `(batch,)`."""
        classes = y_pred.shape[-1]
        truth = ops.one_hot(ops.cast(y_true, "int32"), classes, dtype=y_pred.dtype)
        weighted = truth
        if self.class_weights is not None:
            weighted = truth * ops.convert_to_tensor(self.class_weights, y_pred.dtype)
        crossed = -ops.sum(weighted * ops.log_softmax(y_pred, axis=-1), axis=-1)
        loss = ops.mean(crossed, axis=(1, 2))
        if not self.dice:
            return loss
        share = ops.softmax(y_pred, axis=-1)
        both = ops.sum(share * truth, axis=(1, 2))
        either = ops.sum(share, axis=(1, 2)) + ops.sum(truth, axis=(1, 2))
        unlike = 1.0 - ops.mean((2.0 * both + 1.0) / (either + 1.0), axis=-1)
        return (1.0 - self.dice) * loss + self.dice * unlike

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "class_weights": self.class_weights, "dice": self.dice}


@keras.saving.register_keras_serializable(package="hepnn")
class ForegroundIoU(keras.metrics.Metric):
    """Pixels rightly given a class other than the first, over all that have or are given one.

    Where nearly all pixels are of the first class, the background, this tells what the accuracy
    hides.
    """

    def __init__(self, name: str = "iou", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.intersection = self.add_variable((), "zeros", name="intersection")
        self.union = self.add_variable((), "zeros", name="union")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add the pixels of a batch."""
        truth = ops.cast(y_true, "int32")
        decided = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        right = ops.logical_and(truth == decided, truth > 0)
        either = ops.logical_or(truth > 0, decided > 0)
        for total, pixels in ((self.intersection, right), (self.union, either)):
            counted = ops.sum(ops.cast(pixels, self.dtype), axis=(1, 2))
            if sample_weight is not None:
                counted = counted * ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))
            total.assign_add(ops.sum(counted))

    def result(self) -> Any:
        """Return the share; zero before any pixel has a class."""
        return ops.divide_no_nan(self.intersection, self.union)
