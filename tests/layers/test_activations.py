"""Activations and initial weights against their formulas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")

Formula = Callable[[np.ndarray], np.ndarray]

SELU = (1.0507009873554805, 1.6732632423543772)

#: By name: function and derivative, as textbooks have them.
FORMULAS: dict[str, tuple[Any, Formula, Formula]] = {
    "identity": ("identity", lambda x: x, np.ones_like),
    "step": ("step", lambda x: np.where(x < 0, 0.0, 1.0), np.zeros_like),
    "sigmoid": ("sigmoid", special.expit, lambda x: special.expit(x) * special.expit(-x)),
    "tanh": ("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "arctan": ("arctan", np.arctan, lambda x: 1 / (x**2 + 1)),
    "relu": ("relu", lambda x: np.maximum(x, 0), lambda x: np.where(x < 0, 0.0, 1.0)),
    "leaky_relu": (
        {"name": "leaky_relu", "slope": 0.2},
        lambda x: np.where(x < 0, 0.2 * x, x),
        lambda x: np.where(x < 0, 0.2, 1.0),
    ),
    "elu": (
        {"name": "elu", "alpha": 0.7},
        lambda x: np.where(x < 0, 0.7 * np.expm1(x), x),
        lambda x: np.where(x < 0, 0.7 * np.exp(x), 1.0),
    ),
    "selu": (
        "selu",
        lambda x: SELU[0] * np.where(x < 0, SELU[1] * np.expm1(x), x),
        lambda x: SELU[0] * np.where(x < 0, SELU[1] * np.exp(x), 1.0),
    ),
    "softplus": ("softplus", lambda x: np.logaddexp(0, x), special.expit),
    "hard_gate": (
        "hard_gate",
        lambda x: np.clip(x / 4 + 0.5, 0, 1),
        lambda x: np.where(np.abs(x) < 2, 0.25, 0.0),
    ),
}

#: Off the kinks, and not symmetric.
POINTS = np.concatenate([np.linspace(-7.03, 7.01, 141), [1e-3, -1e-3, 30.0, -30.0]])


@pytest.mark.parametrize("name", FORMULAS)
def test_value_and_derivative_are_the_formulas(name: str) -> None:
    import tensorflow as tf

    from hepnn.layers import activations

    spec, value, derivative = FORMULAS[name]
    layer = activations.layer(spec, name="f")
    x = tf.constant(POINTS, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    gradient = tape.gradient(y, x, unconnected_gradients="zero")
    exact = x.numpy().astype(np.float64)
    assert np.allclose(y, value(exact), rtol=2e-6, atol=1e-6)
    assert np.allclose(gradient, derivative(exact), rtol=2e-6, atol=1e-6)


def test_the_softmax_is_normalized_exponentials() -> None:
    from hepnn.layers import activations

    x = np.random.default_rng(0).normal(size=(5, 4)) * 3
    expected = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    assert np.allclose(activations.layer("softmax", name="f")(x.astype(np.float32)), expected)


def test_the_parametric_relu_is_keras_prelu_with_a_slope_a_channel() -> None:
    import keras

    from hepnn import vocabularies

    nn = vocabularies.get("float")
    inputs = nn.Input((5, 5, 3), name="inputs")
    model = nn.Model(inputs, nn.Activation("parametric_relu", name="act")(inputs))
    slopes = np.array([0.25, -0.5, 0.1], np.float32)
    assert np.array_equal(model.get_layer("act").kernel, np.full(3, 0.25))
    model.get_layer("act").kernel.assign(slopes)
    reference = keras.layers.PReLU(shared_axes=(1, 2))
    x = np.random.default_rng(0).normal(size=(4, 5, 5, 3)).astype(np.float32)
    reference.build(x.shape)
    reference.alpha.assign(slopes.reshape(1, 1, 3))
    assert np.allclose(model(x), reference(x), atol=1e-6)
    assert model.count_params() == 3


def test_every_library_gives_the_same_bits_of_a_precise_function() -> None:
    """Eagerly, as a graph, through XLA, one by one or all at once."""
    import tensorflow as tf

    from hepnn.layers import activations

    names = (*activations.OWN, *activations.KERAS)
    functions = [activations.Precise(name, **activations.parse(name)[1]) for name in names]

    def answers(x: Any) -> Any:
        return tf.stack([function(x) for function in functions])

    grid = tf.constant(np.arange(-2048, 2048) / 128, tf.float32)
    expected = answers(grid).numpy()
    assert expected.dtype == np.float32
    parts = [answers(part).numpy() for part in tf.split(grid, [1, 2, 5, 4088])]
    for found in (
        tf.function(answers)(grid),
        tf.function(answers, jit_compile=True)(grid),
        np.concatenate(parts, axis=1),
    ):
        unequal = (np.asarray(found) != expected).any(axis=1)
        assert not unequal.any(), [name for name, one in zip(names, unequal, strict=True) if one]


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "arctan", "elu", "selu", "softplus", "step"])
def test_a_precise_function_is_the_double_rounded_once(name: str) -> None:
    from hepnn.layers import activations

    spec, value, _ = FORMULAS[name]
    kind, parameters = activations.parse(spec)
    grid = np.arange(-1024, 1024) / 64
    found = np.asarray(activations.Precise(kind, **parameters)(grid.astype(np.float32)))
    # NumPy's own last bit of the double may differ, where that decides the rounding.
    assert np.mean(found != value(grid).astype(np.float32)) < 1e-3
    assert np.allclose(found, value(grid), rtol=1.2e-7, atol=0)


def test_a_network_with_every_activation_is_saved_and_opened(tmp_path: Path) -> None:
    from hepnn import vocabularies
    from hepnn.training import network

    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    for vocabulary in vocabularies.VOCABULARIES:
        nn = vocabularies.get(vocabulary)
        inputs = nn.Input((3,), name="inputs")
        h = nn.Dense(3, name="dense")(inputs)
        for number, (spec, _, _) in enumerate(FORMULAS.values()):
            h = nn.Activation(spec, name=f"activation{number}")(h)
        model = nn.Model(inputs, nn.Dense(2, name="logits")(h))
        model.save(tmp_path / f"{vocabulary}.keras")
        opened = network.load_model(tmp_path / f"{vocabulary}.keras")
        assert np.array_equal(opened.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sigmod", "unknown activation 'sigmod'; did you mean 'sigmoid'"),
        ({"name": "tanh", "slope": 1}, "activation tanh has no 'slope'; it has no parameters"),
        ({"name": "elu", "slope": 1}, "activation elu has no 'slope'"),
        ({"name": "elu", "alpha": "one"}, "alpha is a number, not 'one'"),
        ({"slope": 1}, "a name, or a mapping with name"),
        (3, "a name, or a mapping with name"),
    ],
)
def test_a_wrong_activation_is_refused(spec: Any, message: str) -> None:
    from hepnn.layers import activations

    with pytest.raises(RecipeError, match=message):
        activations.parse(spec)


def test_a_softmax_within_fixed_point_is_refused() -> None:
    from hepnn import vocabularies

    for vocabulary in ("hgq", "qkeras"):
        with pytest.raises(RecipeError, match=f"{vocabulary} has no activation 'softmax'"):
            vocabularies.get(vocabulary).Activation("softmax", name="last")


M, N = 300, 200

#: By name: standard deviation, and the bound of a uniform one.
SPREADS: dict[str, tuple[Any, float, float | None]] = {
    "normal": ({"name": "normal", "sigma": 0.02}, 0.02, None),
    "uniform": ({"name": "uniform", "epsilon": 0.03}, 0.03 / np.sqrt(3), 0.03),
    "inverse_root_normal": ("inverse_root_normal", M**-0.5, None),
    "inverse_root_uniform": ("inverse_root_uniform", (3 * M) ** -0.5, M**-0.5),
    "glorot_normal": ("glorot_normal", np.sqrt(2 / (M + N)), None),
    "xavier_uniform": ("xavier_uniform", np.sqrt(2 / (M + N)), np.sqrt(6 / (M + N))),
    "he_normal": ("he_normal", np.sqrt(2 / M), None),
    "he_uniform": ("he_uniform", np.sqrt(2 / M), np.sqrt(6 / M)),
}


@pytest.mark.parametrize("name", SPREADS)
def test_initial_weights_have_the_moments_of_their_formula(name: str) -> None:
    import keras

    from hepnn.layers import initializers

    spec, spread, bound = SPREADS[name]
    keras.utils.set_random_seed(4)
    weights = np.asarray(initializers.get(spec)((M, N))).ravel().astype(np.float64)
    count = len(weights)
    assert abs(weights.mean()) < 4 * spread / np.sqrt(count)
    kurtosis = 3.0 if bound is None else 1.8
    assert abs(weights.std() / spread - 1) < 4 * np.sqrt((kurtosis - 1) / (4 * count))
    whole = stats.norm(0, spread) if bound is None else stats.uniform(-bound, 2 * bound)
    assert stats.kstest(weights, whole.cdf).pvalue > 1e-3
    if bound is not None:
        assert np.abs(weights).max() <= bound * (1 + 1e-6)


def test_constants_and_two_layers_of_one_initializer_differ_as_they_should() -> None:
    from hepnn.layers import initializers

    assert np.array_equal(initializers.get("zeros")((2, 2)), np.zeros((2, 2)))
    constant = initializers.get({"name": "constant", "value": -2})
    assert np.array_equal(constant((3,)), np.full(3, -2.0))
    first, second = (initializers.get("he_normal")((3, 3)) for _ in "12")
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("he", "unknown initializer 'he'"),
        ({"name": "normal", "epsilon": 1}, "initializer normal has no 'epsilon'"),
        ({"name": "zeros", "value": 1}, "initializer zeros has no 'value'; it has no parameters"),
        ({"name": "normal", "sigma": True}, "sigma is a number"),
    ],
)
def test_a_wrong_initializer_is_refused(spec: Any, message: str) -> None:
    from hepnn.layers import initializers

    with pytest.raises(RecipeError, match=message):
        initializers.get(spec)
