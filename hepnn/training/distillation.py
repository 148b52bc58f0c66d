"""Distillation: a network learns what a larger one answers.

G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network"
(arXiv:1503.02531). With logits `z` of the network and `v` of its teacher, a temperature `T` and
a weight `w` of the teacher,

    p_i = exp(v_i / T) / sum_j exp(v_j / T)        (their eq. 1), q_i the same of z,
    loss = (1 - w) H(y, softmax z) + w T^2 sum_i p_i log(p_i / q_i).

Their soft term is the cross-entropy, which differs by the teacher's entropy, a constant, and has
the same gradient; its factor T^2 is section 2's: "it is important to multiply them by T^2 when
using both hard and soft targets". For regression the soft term is the mean squared error against
the teacher's answer, without a temperature.

Labels and the teacher's answer lie side by side in one array, so that both drivers of
`hepnn.training.engine` gather them as any labels. On validation events the hard loss alone
counts: what is kept as the best does not hang on the teacher.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from hepnn.errors import RecipeError
from hepnn.recipe import Fit
from hepnn.tasks import losses
from hepnn.training.rules import Rule


def beside(labels: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Return labels and a teacher's answers as one array `(events, labels + outputs)` float32.

    Parameters
    ----------
    labels
        Encoded: class numbers `(events,)`, or numbers `(events, targets)`.
    answers
        `(events, outputs)`.
    """
    columns = labels[:, None] if labels.ndim == 1 else labels
    return np.concatenate([columns, answers], axis=1, dtype=np.float32)


class Distilled(Rule):
    """A network trained on labels and on a teacher's answers beside them.

    Auxiliary classifiers, which learn from labels alone, are left out.

    Parameters
    ----------
    network
        What is trained; `(events, outputs)`.
    """

    REPLICATED = True

    def __init__(self, network: keras.Model) -> None:
        super().__init__(network)
        vars(network).pop("auxiliary", None)
        self._outputs = int(network.outputs[0].shape[-1])

    def follow(self, plan: Fit, steps: int, latent: int) -> None:
        """Take temperature and weight of the fit."""
        self._weight = plan.teacher_weight
        self._temperature = plan.temperature

    def compile(self, **kwargs: Any) -> None:
        """Compile; the soft loss goes by the hard one.

        Raises
        ------
        RecipeError
            If the task's loss has no soft form.
        """
        hard = kwargs["loss"]
        of_classes = keras.losses.SparseCategoricalCrossentropy | losses.OverClasses
        if isinstance(hard, of_classes):
            self._soft: keras.losses.Loss = Divergence(self._temperature)
        elif isinstance(hard, losses.OF_NUMBERS):
            self._soft = keras.losses.MeanSquaredError()
        else:
            raise RecipeError("fit.teacher: this task's loss has no form for a teacher's answers")
        super().compile(**kwargs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the hard loss, and in training its mean with the soft one, weighted."""
        labels, answers = self._apart(y)
        whole = super().compute_loss(x, labels, y_pred, sample_weight, training)
        if not training:
            return whole
        # The whole has what regularizes the network too, which no weight is of.
        hard = self._compile_loss(labels, y_pred, sample_weight)
        soft = self._soft(answers, y_pred, sample_weight)
        return whole + self._weight * (soft - hard)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Update the metrics with the labels."""
        return super().compute_metrics(x, self._apart(y)[0], y_pred, sample_weight)

    def _apart(self, y: Any) -> tuple[Any, Any]:
        return y[:, : -self._outputs], y[:, -self._outputs :]


class Divergence(keras.losses.Loss):
    """The Kullback-Leibler divergence from a teacher's softened classes, times T^2.

    Parameters
    ----------
    temperature
        T.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self._temperature = temperature

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return `(events,)` of logits `(events, classes)` of teacher and network."""
        wanted = ops.log_softmax(y_true / self._temperature)
        found = ops.log_softmax(y_pred / self._temperature)
        return self._temperature**2 * ops.sum(ops.exp(wanted) * (wanted - found), axis=-1)
