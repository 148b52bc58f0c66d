"""The perceptron learning rule.

F. Rosenblatt, Psychol. Rev. 65 (1958) 386. After an example the weights of every response unit
change by

    w += rate (target - output) x

with the output 1 or 0, and so not at all where the answer is right. With `fit.batch: 1` that is
done after each example; with more, the changes of a batch are summed and made at its end. The
loss is followed, and minimized by nobody.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from hepnn.errors import RecipeError
from hepnn.training.rules import Rule


class Perceptron(Rule):
    """A network of threshold units whose last layer learns by the perceptron rule.

    Parameters
    ----------
    network
        It ends in a layer with a kernel and a step behind it.

    Raises
    ------
    RecipeError
        If it ends otherwise.
    """

    def __init__(self, network: keras.Model) -> None:
        super().__init__(network)
        response, step = (*network.layers[-2:], None)[:2]
        if getattr(getattr(step, "activation", None), "__name__", "") != "step" or not hasattr(
            response, "kernel"
        ):
            raise RecipeError(
                f"fit.rule: perceptron trains threshold units; {network.name} does not end in "
                "them: use architecture: {name: perceptron}"
            )
        self._entered = keras.Model(network.inputs, response.input)
        names = ("kernel", "bias")
        self._learned = [
            next(v for v in response.trainable_variables if v.path == f"{response.name}/{name}")
            for name in names
        ]

    def train_step(self, data: Any) -> dict[str, Any]:
        """Change the weights by a batch of examples; return loss and metrics."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        outputs = self(x, training=True)
        entered = self._entered(x, training=True)
        error = outputs - ops.one_hot(ops.cast(y, "int32"), outputs.shape[-1])
        if weight is not None:
            error = error * weight[:, None]
        # The optimizer subtracts the rate times what it is given.
        changes = [ops.matmul(ops.transpose(entered), error), ops.sum(error, axis=0)]
        self.optimizer.apply(changes, self._learned)
        loss = self._compute_loss(x=x, y=y, y_pred=outputs, sample_weight=weight, training=True)
        self._loss_tracker.update_state(loss, sample_weight=ops.shape(y)[0])
        return self.compute_metrics(x, y, outputs, sample_weight=weight)
