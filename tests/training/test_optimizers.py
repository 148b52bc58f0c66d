"""A step of every optimizer against its equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

from hepnn.declarations import tags_of
from hepnn.recipe import Fit
from hepnn.recipe.optimizers import AnyOptimizer

pytestmark = pytest.mark.usefixtures("tensorflow")

Step = Callable[..., Any]

RATE = 0.1
GRADIENTS = np.random.default_rng(0).normal(size=(4, 5))
START = np.random.default_rng(1).normal(size=5)


def descend(weights: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    return weights - RATE * g


def momentum(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    state["v"] = 0.9 * state.get("v", 0) - RATE * g
    return w + state["v"]


def nesterov(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    state["v"] = 0.9 * state.get("v", 0) - RATE * g
    return w + 0.9 * state["v"] - RATE * g


def adagrad(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    state["s"] = state.get("s", 0.1) + g**2
    return w - RATE * g / np.sqrt(state["s"] + 1e-7)


def adadelta(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    state["s"] = 0.95 * state.get("s", 0) + 0.05 * g**2
    d = g * np.sqrt(state.get("u", 0) + 1e-7) / np.sqrt(state["s"] + 1e-7)
    state["u"] = 0.95 * state.get("u", 0) + 0.05 * d**2
    return w - RATE * d


def rmsprop(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    state["s"] = 0.9 * state.get("s", 0) + 0.1 * g**2
    return w - RATE * g / np.sqrt(state["s"] + 1e-7)


def adam(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    state["s"] = 0.999 * state.get("s", 0) + 0.001 * g**2
    rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - rate * state["m"] / (np.sqrt(state["s"]) + 1e-7)


def adamw(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    return adam(w - RATE * 0.004 * w, state, g, t)


def nadam(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    here, after = (0.9 * (1 - 0.5 * 0.96**n) for n in (t, t + 1))
    product = state["product"] = state.get("product", 1) * here
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    state["s"] = 0.999 * state.get("s", 0) + 0.001 * g**2
    ahead = after * state["m"] / (1 - product * after) + (1 - here) * g / (1 - product)
    return w - RATE * ahead / (np.sqrt(state["s"] / (1 - 0.999**t)) + 1e-7)


def lion(w: np.ndarray, state: dict[str, Any], g: np.ndarray, t: int) -> np.ndarray:
    m = state.get("m", 0)
    state["m"] = 0.99 * m + 0.01 * g
    return w - RATE * np.sign(0.9 * m + 0.1 * g)


EQUATIONS: dict[str, Step] = {
    "gradient_descent": descend,
    "sgd": descend,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "nadam": nadam,
    "lion": lion,
}


def _made(**settings: Any) -> tuple[Any, Any]:
    import keras

    from hepnn.training import optimizers

    optimizer = optimizers.optimizer(Fit(learning_rate=RATE, **settings), 1)
    weights = keras.Variable(START.astype(np.float32))
    optimizer.build([weights])
    return optimizer, weights


def _apply(optimizer: Any, weights: Any, gradient: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    optimizer.apply([tf.constant(gradient, tf.float32)], [weights])
    return weights.numpy()


def test_every_optimizer_of_the_recipe_has_an_equation_here() -> None:
    declared = [tag for model in get_args(get_args(AnyOptimizer)[0]) for tag in tags_of(model)]
    assert sorted(declared) == sorted(EQUATIONS)


@pytest.mark.parametrize("name", EQUATIONS)
def test_steps_are_those_of_the_equation(name: str) -> None:
    optimizer, weights = _made(optimizer=name)
    expected, state = START, {}
    for number, gradient in enumerate(GRADIENTS, 1):
        expected = EQUATIONS[name](expected, state, gradient, number)
        assert _apply(optimizer, weights, gradient) == pytest.approx(expected, rel=2e-4, abs=2e-5)


def test_weight_decay_is_decoupled_from_the_gradient() -> None:
    optimizer, weights = _made(optimizer={"name": "sgd", "weight_decay": 0.5})
    after = _apply(optimizer, weights, GRADIENTS[0])
    assert after == pytest.approx(START - RATE * 0.5 * START - RATE * GRADIENTS[0], rel=1e-5)


@pytest.mark.parametrize(
    ("clip", "clipped"),
    [
        ({"value": 0.1}, np.clip(GRADIENTS[0], -0.1, 0.1)),
        ({"norm": 0.1}, GRADIENTS[0] * 0.1 / np.linalg.norm(GRADIENTS[0])),
        ({"global_norm": 0.1}, GRADIENTS[0] * 0.1 / np.linalg.norm(GRADIENTS[0])),
        ({"norm": 100.0}, GRADIENTS[0]),
    ],
)
def test_gradients_are_clipped_and_measured_before(
    clip: dict[str, float], clipped: np.ndarray
) -> None:
    from hepnn.training.optimizers import Norms

    optimizer, weights = _made(optimizer="sgd", clip=clip)
    after = _apply(optimizer, weights, GRADIENTS[0])
    assert after == pytest.approx(START - RATE * clipped, rel=1e-5)
    _apply(optimizer, weights, GRADIENTS[1])
    logs: dict[str, float] = {}
    Norms(optimizer).on_epoch_end(0, logs)
    mean = np.linalg.norm(GRADIENTS[:2], axis=1).mean()
    assert logs["gradient_norm"] == pytest.approx(mean, rel=1e-5)
    assert float(optimizer.norms) == 0.0


def test_the_global_norm_is_of_all_tensors() -> None:
    import keras
    import tensorflow as tf

    from hepnn.training import optimizers

    plan = Fit(learning_rate=1.0, optimizer="sgd", clip={"global_norm": 1.0})
    optimizer = optimizers.optimizer(plan, 1)
    variables = [keras.Variable([0.0]), keras.Variable([0.0])]
    optimizer.build(variables)
    optimizer.apply([tf.constant([3.0]), tf.constant([4.0])], variables)
    assert [float(v.numpy()[0]) for v in variables] == pytest.approx([-0.6, -0.8])


def test_the_average_is_that_of_the_equation() -> None:
    optimizer, weights = _made(optimizer="sgd", average=0.15)
    average = np.zeros(5)
    for done, gradient in enumerate(GRADIENTS):
        keep = min(0.15, done / (done + 10))
        average = keep * average + (1 - keep) * _apply(optimizer, weights, gradient)
    assert optimizer.averages[0].numpy() == pytest.approx(average, rel=1e-5)


def test_what_a_constraint_holds_at_zero_is_zero_in_the_average() -> None:
    import keras

    from hepnn.compress.kernels import Mask
    from hepnn.training import optimizers

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizers.optimizer(Fit(optimizer="sgd", average=0.9), 1))
    model.optimizer.build(model.trainable_variables)
    kernel = model.trainable_variables[0]
    model.optimizer.averages[0].assign([[3.0], [4.0]])
    kernel.constraint = Mask(np.array([[0.0], [1.0]], np.float32))
    before = kernel.numpy()
    with optimizers.averaged(model):
        assert kernel.numpy().tolist() == [[0.0], [4.0]]
    assert np.array_equal(kernel.numpy(), before)
