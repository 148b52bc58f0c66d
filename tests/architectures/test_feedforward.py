"""Multilayer perceptrons and highway networks against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from networks import trying
from scipy import special

from hepnn import architectures, vocabularies
from hepnn.data import scaling
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def arrays(model: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    layer = model.get_layer(name)
    return np.asarray(layer.kernel, np.float64), np.asarray(layer.bias, np.float64)


def test_a_highway_layer_is_the_papers_equation() -> None:
    """Eq. (3) of arXiv:1505.00387, in NumPy: y = H T + x (1 - T)."""
    import keras

    keras.utils.set_random_seed(3)
    nn = vocabularies.get("float")
    model = architectures.get("highway")((6,), (3,), nn=nn, width=5, layers=3, activation="tanh")
    x = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    kernel, bias = arrays(model, "plain")
    y = np.tanh(x @ kernel + bias)
    for number in (1, 2, 3):
        kernel, bias = arrays(model, f"highway{number}_transform")
        h = np.tanh(y @ kernel + bias)
        kernel, bias = arrays(model, f"highway{number}_gate")
        assert np.array_equal(bias, np.full(5, -2.0))
        t = special.expit(y @ kernel + bias)
        y = h * t + y * (1 - t)
    kernel, bias = arrays(model, "logits")
    assert np.allclose(model(x), y @ kernel + bias, atol=1e-5)


def test_closed_gates_carry_everything_and_open_ones_nothing() -> None:
    import keras

    x = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    for carry, gate in ((-1e3, "sigmoid"), (-2.5, "hard"), (1e3, "sigmoid"), (1e3, "hard")):
        keras.utils.set_random_seed(3)
        nn = vocabularies.get("float")
        model = architectures.get("highway")(
            (6,), (3,), nn=nn, width=5, layers=2, gate=gate, carry=carry
        )
        for number in (1, 2):
            model.get_layer(f"highway{number}_gate").kernel.assign(np.zeros((5, 5)))
        kernel, bias = arrays(model, "plain")
        y = np.maximum(x @ kernel + bias, 0)
        for number in (1, 2) if carry > 0 else ():
            kernel, bias = arrays(model, f"highway{number}_transform")
            y = np.maximum(y @ kernel + bias, 0)
        kernel, bias = arrays(model, "logits")
        assert np.allclose(model(x), y @ kernel + bias, atol=1e-5)


def test_the_highway_of_the_paper_has_its_weights() -> None:
    """A plain layer, nine of 50 neurons with gates, ten outputs, on 784 pixels."""
    model = architectures.get("highway")((28, 28, 1), (10,), nn=vocabularies.get("float"))
    assert model.count_params() == (784 + 1) * 50 + 9 * 2 * 50 * 51 + 51 * 10


def test_gradient_reaches_the_first_of_forty_layers() -> None:
    """With the gates nearly closed; through as many plain layers of tanh hardly any does."""
    import keras
    import tensorflow as tf

    x = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)

    def gradient(name: str, **hyper: Any) -> float:
        keras.utils.set_random_seed(1)
        nn = vocabularies.get("float")
        small = {"name": "normal", "sigma": 0.1}
        if name == "mlp":
            hyper = {"hidden": [10] * 40, "initializer": small}
        model = architectures.get(name)((6,), (2,), nn=nn, activation="tanh", **hyper)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x) ** 2)
        first = next(layer for layer in model.layers if layer.weights)
        return float(tf.norm(tape.gradient(loss, first.kernel.value)))

    assert gradient("highway", width=10, layers=40, carry=-4.0) > 1e-3
    assert gradient("mlp") < 1e-12


def test_without_hidden_layers_it_is_the_linear_classifier() -> None:
    model = architectures.get("mlp")((8, 8, 1), (10,), nn=vocabularies.get("float"), hidden=[])
    x = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
    kernel, bias = arrays(model, "logits")
    assert np.allclose(model(x), x.reshape(5, 64) @ kernel + bias, atol=1e-5)
    assert model.count_params() == 650


def test_two_hidden_threshold_units_are_exclusive_or() -> None:
    """Either, but not both: what a single unit cannot be."""
    nn = vocabularies.get("float")
    model = architectures.get("mlp")((2,), (1,), nn=nn, hidden=[2], activation="step")
    model.get_layer("dense1").kernel.assign(np.ones((2, 2)))
    model.get_layer("dense1").bias.assign([-1, -2])
    model.get_layer("logits").kernel.assign([[1], [-1]])
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    assert np.array_equal(np.ravel(model(corners)), [0, 1, 1, 0])


def test_a_sum_of_steps_approximates_with_an_error_of_one_over_the_width() -> None:
    """Constant on equal intervals: their length times the slope's root mean square over 12."""
    x = np.linspace(-1, 1, 20_001)[:, None].astype(np.float32)
    for width in (63, 127, 255):
        nn = vocabularies.get("float")
        model = architectures.get("mlp")((1,), (1,), nn=nn, hidden=[width], activation="step")
        edges = np.linspace(-1, 1, width + 2)
        values = np.sin(2 * np.pi * (edges[1:] + edges[:-1]) / 2)
        model.get_layer("dense1").kernel.assign(np.ones((1, width)))
        model.get_layer("dense1").bias.assign(-edges[1:-1])
        model.get_layer("logits").kernel.assign(np.diff(values)[:, None])
        model.get_layer("logits").bias.assign(values[:1])
        error = np.sqrt(np.mean((model.predict(x, verbose=0) - np.sin(2 * np.pi * x)) ** 2))
        slope = 2 * np.pi / np.sqrt(2)
        assert error == pytest.approx(2 / (width + 1) * slope / np.sqrt(12), rel=0.01)


@pytest.mark.parametrize("vocabulary", vocabularies.VOCABULARIES)
def test_every_activation_is_a_word_of_the_multilayer_perceptron(vocabulary: str) -> None:
    for activation in ("step", "arctan", "identity", {"name": "leaky_relu", "slope": 0.3}, "selu"):
        nn = vocabularies.get(vocabulary)
        model = architectures.get("mlp")(
            (4,), (2,), nn=nn, hidden=[3, 3], activation=activation, initializer="he_normal"
        )
        assert model.output_shape == (None, 2)
        plain = activation == "identity"
        named = {layer.name for layer in model.layers}
        assert ({"activation1", "activation2"} <= named) is not plain


def test_an_unknown_gate_is_refused() -> None:
    with pytest.raises(RecipeError, match="highway has no gate 'soft': sigmoid or hard"):
        architectures.get("highway")((6,), (3,), nn=vocabularies.get("float"), gate="soft")


FUNCTIONS = [
    "step",
    "sigmoid",
    "tanh",
    "arctan",
    "elu",
    "selu",
    "softplus",
    "hard_gate",
    {"name": "leaky_relu", "slope": 0.25},
    {"name": "leaky_relu", "slope": 0.3},
    "parametric_relu",
]


@pytest.mark.parametrize("vocabulary", ["hgq", "qkeras"])
def test_every_activation_has_the_same_bits_in_tflite_and_in_logic(vocabulary: str) -> None:
    """A network a function, and one that has them all behind one another."""
    import keras

    from hepnn.targets import preflight
    from hepnn.targets.rtl import trace
    from hepnn.targets.tflite import convert

    x = (np.random.default_rng(0).normal(size=(300, 5)) * 3 + 1).astype(np.float32)
    keras.utils.set_random_seed(1)
    nn = vocabularies.get(vocabulary)
    nn.scaling = scaling.standard(x)
    inputs = nn.Input((5,), name="inputs")
    outputs = []
    for number, function in enumerate(FUNCTIONS):
        h = nn.Dense(2, name=f"dense{number}")(inputs)
        outputs.append(nn.Activation(function, name=f"function{number}")(h))
    h = nn.Dense(3, name="last")(nn.Concatenate(name="all")(outputs))
    model = nn.Model(inputs, nn.Activation("tanh", name="end")(h), name="functions")
    if vocabulary == "hgq":
        from hgq.utils import trace_minmax

        trace_minmax(model, x)
    assert {row.verdict for row in preflight.verdicts(model)} == {"exact"}
    tried = trying(x)
    expected = model.predict(tried, verbose=0)
    assert len(np.unique(expected)) >= 30
    assert np.array_equal(trace.trace_network(model).predict(tried), expected)
    from ai_edge_litert.interpreter import Interpreter

    lite = Interpreter(model_content=convert.float32(model))
    lite.allocate_tensors()
    into, out = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]
    for event, answer in zip(tried, expected, strict=True):
        lite.set_tensor(into, event[None])
        lite.invoke()
        assert np.array_equal(lite.get_tensor(out)[0], answer)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_uneven_tables_have_the_same_bits_in_logic(seed: int) -> None:
    """Lanes and entries of any width, one table's answers into the next."""
    import keras
    from hgq.utils import trace_minmax

    from hepnn.targets.rtl import trace

    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(300, 5)) * 3 + 1).astype(np.float32)
    keras.utils.set_random_seed(seed)
    nn = vocabularies.get("hgq")
    nn.scaling = scaling.standard(x)
    inputs = nn.Input((5,), name="inputs")
    first = nn.Dense(4, name="first")(inputs)
    h = nn.Activation("tanh", name="tanh")(first)
    h = nn.Add(name="sum")([nn.Activation("softplus", name="softplus")(h), first])
    model = nn.Model(inputs, nn.Activation("sigmoid", name="end")(nn.Dense(3, name="last")(h)))
    for name in ("tanh", "softplus", "end"):
        layer = model.get_layer(name)
        for quantizer in (layer.iq.quantizer, layer.oq.quantizer):
            quantizer._f.assign(rng.integers(0, 6, quantizer._f.shape))
            quantizer._i.assign(rng.integers(0, 4, quantizer._i.shape))
    trace_minmax(model, x)
    tried = trying(x)
    expected = model.predict(tried, verbose=0)
    assert np.array_equal(trace.trace_network(model).predict(tried), expected)
