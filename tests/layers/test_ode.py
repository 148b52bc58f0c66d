"""The solver and its gradients, against solutions in closed form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import vocabularies
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def turned(z: list[np.ndarray], time: float) -> list[np.ndarray]:
    """Turn faster and faster: by an angle of 3 t^2 / 2 after a time t."""
    return [3 * time * np.stack([-z[0][1], z[0][0]])]


def test_the_error_falls_with_the_fifth_power_of_the_step() -> None:
    from hepnn.layers import ode

    start = np.array([1.0, 0.5])
    cosine, sine = np.cos(1.5), np.sin(1.5)
    exact = np.array([[cosine, -sine], [sine, cosine]]) @ start
    steps = np.array([4, 8, 16, 32])
    errors = [
        np.linalg.norm(ode.runge_kutta(turned, [start], 0.0, 1.0, count)[0] - exact)
        for count in steps
    ]
    orders = -np.diff(np.log(errors)) / np.diff(np.log(steps))
    assert np.all(np.abs(orders[1:] - 5) < 0.25), orders
    assert errors[-1] < 1e-8


def test_it_runs_backwards_in_time() -> None:
    from hepnn.layers import ode

    start = np.array([1.0, 0.5])
    there = ode.runge_kutta(turned, [start], 0.0, 1.0, 16)
    back = ode.runge_kutta(turned, there, 1.0, 0.0, 16)[0]
    assert np.allclose(back, start, atol=1e-6)


def test_the_tableau_meets_the_conditions_of_its_order() -> None:
    """J. C. Butcher: row sums, the quadrature up to t^4, and the first that tie the stages."""
    from hepnn.layers.ode import DORMAND_PRINCE as table

    c, b = np.array(table.times), np.array(table.weights)
    a = np.zeros((6, 6))
    for row, weights in enumerate(table.stages, 1):
        a[row, : len(weights)] = weights
    assert np.allclose(a.sum(axis=1), c)
    for power in range(5):
        assert b @ c**power == pytest.approx(1 / (power + 1))
    assert b @ a @ c == pytest.approx(1 / 6)
    assert b @ a @ c**2 == pytest.approx(1 / 12)
    assert b @ (c * (a @ c)) == pytest.approx(1 / 8)
    assert b @ a @ a @ c == pytest.approx(1 / 24)
    assert b @ a @ c**3 == pytest.approx(1 / 20)


def _gradients(gradient: str, steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    import keras
    import tensorflow as tf

    from hepnn.layers.ode import NeuralODE

    keras.utils.set_random_seed(5)
    layer = NeuralODE(7, steps=steps, gradient=gradient)
    x = tf.constant(np.random.default_rng(1).normal(size=(11, 3)), tf.float32)
    layer.build(x.shape)
    for variable in layer.weights:
        variable.assign(np.random.default_rng(2).normal(size=variable.shape))

    @tf.function(jit_compile=True)
    def run(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(y**2 * tf.range(1.0, 4.0))
        return y, tape.gradient(loss, [x, *layer.trainable_variables])

    y, gradients = run(x)
    return y.numpy(), [np.asarray(part) for part in gradients]


def test_the_adjoint_gives_the_gradients_that_go_through_the_steps() -> None:
    direct, adjoint = (_gradients(kind, 12) for kind in ("direct", "adjoint"))
    assert np.array_equal(direct[0], adjoint[0])
    for one, other in zip(direct[1], adjoint[1], strict=True):
        assert np.abs(one - other).max() < 2e-4 * np.abs(one).max()


def test_the_adjoints_difference_is_the_solvers_error() -> None:
    """With few steps the way back is another one than the way there."""

    def gap(steps: int) -> float:
        direct, adjoint = (_gradients(kind, steps)[1] for kind in ("direct", "adjoint"))
        return max(np.abs(one - other).max() for one, other in zip(direct, adjoint, strict=True))

    assert gap(8) < gap(2) / 50


def test_the_layer_moves_by_its_dynamics() -> None:
    """Against SciPy's solver of tolerance 1e-9."""
    from scipy.integrate import solve_ivp

    from hepnn.layers.ode import NeuralODE

    layer = NeuralODE(7, steps=8)
    x = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    layer.build(x.shape)
    for variable in layer.weights:
        variable.assign(np.random.default_rng(2).normal(size=variable.shape))
    inner, time, offset, outer, bias = (np.asarray(w, np.float64) for w in layer.weights)

    def change(t: float, z: np.ndarray) -> np.ndarray:
        hidden = np.tanh(z.reshape(5, 3) @ inner + t * time + offset)
        return (hidden @ outer + bias).ravel()

    solution = solve_ivp(change, (0, 1), x.ravel(), rtol=1e-9, atol=1e-9)
    assert np.allclose(layer(x), solution.y[:, -1].reshape(5, 3), atol=2e-4)


def test_the_network_has_the_parameters_of_its_formula_and_is_opened(tmp_path: Path) -> None:
    from hepnn import architectures
    from hepnn.training import network

    nn = vocabularies.get("float")
    build = architectures.get("neural_ode")
    s, h = 8, 32
    outside = (2 * s + s) + (s * 3 + 3)
    model = build((2,), (3,), nn=nn, state=s, hidden=h, gradient="adjoint")
    assert model.count_params() == outside + 2 * s * h + 2 * h + s
    euler = build((2,), (3,), nn=nn, state=s, hidden=h, steps=5, solver="euler")
    assert euler.count_params() == outside + 2 * s * h + h + s
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    opened = network.load_model(tmp_path / "model.keras")
    assert np.array_equal(opened.predict(x, verbose=0), model.predict(x, verbose=0))


def test_eulers_steps_are_a_residual_network_of_shared_weights() -> None:
    from hepnn import architectures

    nn = vocabularies.get("float")
    build = architectures.get("neural_ode")
    model = build((2,), (3,), nn=nn, state=4, hidden=5, steps=3, solver="euler")
    x = np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32)
    (k0, b0), (k1, b1), (k2, b2), (k3, b3) = (
        [np.asarray(w) for w in model.get_layer(name).weights]
        for name in ("state", "dynamics_hidden", "dynamics", "logits")
    )
    z = x @ k0 + b0
    for _ in range(3):
        z = z + np.maximum(z @ k1 + b1, 0) @ k2 + b2
    assert np.allclose(model(x), z @ k3 + b3, atol=1e-5)


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"solver": "heun"}, "no solver 'heun'"),
        ({"gradient": "none"}, "no gradient 'none'"),
        ({"steps": 0}, "one step or more"),
        ({"solver": "euler", "gradient": "adjoint"}, "gradient: direct alone"),
    ],
)
def test_what_does_not_go_together_is_refused(hyper: dict[str, Any], message: str) -> None:
    from hepnn import architectures

    with pytest.raises(RecipeError, match=message):
        architectures.get("neural_ode")((2,), (3,), nn=vocabularies.get("float"), **hyper)


def test_fixed_point_is_refused_with_what_to_use_instead() -> None:
    from hepnn import architectures

    with pytest.raises(RecipeError, match="hgq has no NeuralODE; set solver: euler"):
        architectures.get("neural_ode")((2,), (3,), nn=vocabularies.get("hgq"))
