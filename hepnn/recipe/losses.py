"""What a network is trained to make small: one declaration a loss.

Of an event with the class y, z are the logits and p = softmax(z); of a regression y is the scaled
target (`hepnn.tasks.regress`) and z the output. The loss of a batch is the mean over its events of
the loss times the event's weight, as Keras's.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hepnn.declarations import Finite, named


class SparseCategoricalCrossentropy(Finite):
    """-log p_y: the likelihood of the class number y."""

    name: Literal["sparse_categorical_crossentropy"] = "sparse_categorical_crossentropy"


class _Smoothed(Finite):
    smoothing: float = Field(
        0.0, ge=0, lt=1, description="of the label: arXiv:1512.00567, section 7"
    )


class CategoricalCrossentropy(_Smoothed):
    """-sum_k q_k log p_k, with q the label: 1 at y, else 0.

    With `smoothing` s, q_k = (1 - s) [k = y] + s / K (C. Szegedy et al., arXiv:1512.00567,
    section 7). Without, it is the sparse one.
    """

    name: Literal["categorical_crossentropy"] = "categorical_crossentropy"


class BinaryCrossentropy(_Smoothed):
    """-q log sigmoid(z) - (1 - q) log(1 - sigmoid(z)), of two classes with one logit.

    q is 1 for the second class, else 0; with `smoothing` s, (1 - s) q + s / 2.
    """

    name: Literal["binary_crossentropy"] = "binary_crossentropy"


class Focal(Finite):
    """-(1 - p_y)^gamma log p_y: what is sure already counts less.

    T.-Y. Lin et al., arXiv:1708.02002, eq. 4; their alpha is `class_weights`.
    """

    name: Literal["focal"] = "focal"
    gamma: float = Field(2.0, ge=0)


class MeanSquaredError(Finite):
    """(y - z)^2, the mean over targets: the output is the mean of y."""

    name: Literal["mse"] = "mse"


class MeanAbsoluteError(Finite):
    """|y - z|, the mean over targets: the output is the median of y."""

    name: Literal["mae"] = "mae"


class Huber(Finite):
    """(y - z)^2 / 2 within `delta`, delta |y - z| - delta^2 / 2 beyond; the mean over targets.

    P. Huber, Ann. Math. Stat. 35 (1964) 73.
    """

    name: Literal["huber"] = "huber"
    delta: float = Field(1.0, gt=0, description="of the scaled target")


class Quantile(Finite):
    """max(q (y - z), (q - 1) (y - z)), the mean over targets: the output is the q-quantile of y.

    R. Koenker, G. Bassett, Econometrica 46 (1978) 33, "pinball". One quantile a network: an
    interval is two runs.
    """

    name: Literal["quantile"] = "quantile"
    q: float = Field(0.5, gt=0, lt=1)


AnyClassLoss = Annotated[
    SparseCategoricalCrossentropy | CategoricalCrossentropy | BinaryCrossentropy | Focal,
    Field(discriminator="name"),
    BeforeValidator(named("categorical_crossentropy")),
]

AnyRegressLoss = Annotated[
    MeanSquaredError | MeanAbsoluteError | Huber | Quantile,
    Field(discriminator="name"),
    BeforeValidator(named("mse")),
]
