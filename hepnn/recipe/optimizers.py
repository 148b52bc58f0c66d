"""How a gradient moves the weights: one declaration an optimizer.

Below, g is the gradient of a batch's loss, eta the learning rate (`fit.learning_rate`, moved by
`fit.schedule`), w the weights; squares and roots are by element. The steps are Keras's.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hepnn.declarations import Finite, named


class Optimizer(Finite):
    """What all optimizers have.

    `weight_decay` is decoupled from the gradient: before the step, w -= eta weight_decay w for
    all trained weights (I. Loshchilov, F. Hutter, arXiv:1711.05101, algorithm 2).
    """

    weight_decay: float | None = Field(None, ge=0, description="w -= eta weight_decay w, each step")


class GradientDescent(Optimizer):
    """w -= eta g, with g of all training events: `batch: all` (A. Cauchy, 1847)."""

    name: Literal["gradient_descent"] = "gradient_descent"


class Sgd(Optimizer):
    """w -= eta g, with g of a batch (H. Robbins, S. Monro, Ann. Math. Stat. 22 (1951) 400)."""

    name: Literal["sgd"] = "sgd"
    momentum: float = Field(0.0, ge=0, lt=1, description="m in v = m v - eta g, w += v")
    nesterov: bool = Field(False, description="w += m v - eta g in place of w += v")


class Momentum(Optimizer):
    """v = m v - eta g, w += v (B. Polyak, USSR Comput. Math. 4 (1964) 1)."""

    name: Literal["momentum"] = "momentum"
    momentum: float = Field(0.9, ge=0, lt=1, description="m")


class Nesterov(Optimizer):
    """v = m v - eta g, w += m v - eta g (Y. Nesterov, 1983; I. Sutskever et al., ICML 2013)."""

    name: Literal["nesterov"] = "nesterov"
    momentum: float = Field(0.9, ge=0, lt=1, description="m")


class Adagrad(Optimizer):
    """s += g^2, w -= eta g / sqrt(s + epsilon) (J. Duchi et al., JMLR 12 (2011) 2121)."""

    name: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: float = Field(0.1, ge=0, description="s at the start")
    epsilon: float = Field(1e-7, gt=0)


class Adadelta(Optimizer):
    """s = rho s + (1 - rho) g^2, d = g sqrt(u + epsilon) / sqrt(s + epsilon), w -= eta d.

    u = rho u + (1 - rho) d^2 follows (M. Zeiler, arXiv:1212.5701, algorithm 1, where eta is 1:
    set `learning_rate: 1`).
    """

    name: Literal["adadelta"] = "adadelta"
    rho: float = Field(0.95, ge=0, lt=1)
    epsilon: float = Field(1e-7, gt=0)


class RMSprop(Optimizer):
    """s = rho s + (1 - rho) g^2, w -= eta g / sqrt(s + epsilon).

    T. Tieleman, G. Hinton, "Neural networks for machine learning" (2012), lecture 6.5. `centered`
    takes the square of the gradient's own moving mean off s (A. Graves, arXiv:1308.0850, eq. 40).
    """

    name: Literal["rmsprop"] = "rmsprop"
    rho: float = Field(0.9, ge=0, lt=1)
    momentum: float = Field(0.0, ge=0, lt=1)
    epsilon: float = Field(1e-7, gt=0)
    centered: bool = False


class _Moments(Optimizer):
    beta_1: float = Field(0.9, ge=0, lt=1)
    beta_2: float = Field(0.999, ge=0, lt=1)
    epsilon: float = Field(1e-7, gt=0)


class Adam(_Moments):
    """m = beta_1 m + (1 - beta_1) g, s = beta_2 s + (1 - beta_2) g^2.

    w -= eta sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(s) + epsilon) at the step t
    (D. Kingma, J. Ba, arXiv:1412.6980, section 2). `amsgrad` divides by the largest s so far
    (S. Reddi et al., arXiv:1904.09237).
    """

    name: Literal["adam"] = "adam"
    amsgrad: bool = False


class AdamW(_Moments):
    """Adam, and w -= eta weight_decay w (I. Loshchilov, F. Hutter, arXiv:1711.05101)."""

    name: Literal["adamw"] = "adamw"
    weight_decay: float | None = Field(0.004, ge=0, description="w -= eta weight_decay w")
    amsgrad: bool = False


class Nadam(_Moments):
    """Adam with Nesterov's momentum (T. Dozat, ICLR workshop 2016, algorithm 8)."""

    name: Literal["nadam"] = "nadam"


class Lion(Optimizer):
    """w -= eta sign(beta_1 m + (1 - beta_1) g), m = beta_2 m + (1 - beta_2) g.

    X. Chen et al., arXiv:2302.06675, algorithm 2; its rate is three to ten times below Adam's.
    """

    name: Literal["lion"] = "lion"
    beta_1: float = Field(0.9, gt=0, lt=1)
    beta_2: float = Field(0.99, ge=0, lt=1)


AnyOptimizer = Annotated[
    GradientDescent
    | Sgd
    | Momentum
    | Nesterov
    | Adagrad
    | Adadelta
    | RMSprop
    | Adam
    | AdamW
    | Nadam
    | Lion,
    Field(discriminator="name"),
    BeforeValidator(named("adam")),
]
