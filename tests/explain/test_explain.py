"""Gradients and landscapes are those of closed forms and of differences."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import cli
from hepnn.errors import RecipeError
from hepnn.run import Run

pytestmark = pytest.mark.usefixtures("tensorflow")


def _opened(layers: list[Any], x: np.ndarray, y: np.ndarray, loss: Any) -> Any:
    import keras
    import tensorflow as tf

    from hepnn.explain.network import Opened

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input(x.shape[1:]), *layers])
    return Opened(model, loss, tf.constant(x), tf.constant(y), None)


def _squared(y: Any, outputs: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean((y - outputs) ** 2)


def _numbers(events: int = 60, features: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(events, features)).astype(np.float32)
    return x, rng.normal(size=(events, 1)).astype(np.float32)


def test_directions_have_the_lengths_of_the_filters() -> None:
    from hepnn.explain.landscape import normalized

    weights = np.random.default_rng(1).normal(size=(3, 3, 4, 6)) * np.arange(1, 7)
    found = normalized(np.random.default_rng(2), weights, (0, 1, 2))
    lengths = [np.linalg.norm(one.reshape(-1, 6), axis=0) for one in (weights, found)]
    assert np.allclose(*lengths)
    cosine = np.sum(weights * found) / np.sum(weights**2)
    assert abs(cosine) < 0.5


def test_the_slice_of_a_linear_network_is_the_parabola() -> None:
    import keras

    from hepnn.explain.landscape import normalized, surface

    x, y = _numbers()
    opened = _opened([keras.layers.Dense(1)], x, y, _squared)
    axis = np.linspace(-1, 1, 5)
    found = surface(opened, axis, seed=7)
    kernel, bias = (v.numpy().astype(np.float64) for v in opened.model.variables)
    rng = np.random.default_rng(7)
    d, e = (normalized(rng, kernel.astype(np.float32), (0,)) for _ in range(2))
    for row, b in enumerate(axis):
        for column, a in enumerate(axis):
            expected = np.mean((y - x @ (kernel + a * d + b * e) - bias) ** 2)
            assert found[row, column] == pytest.approx(expected, rel=1e-4)
    assert np.array_equal(opened.model.variables[0].numpy(), kernel.astype(np.float32))


def test_a_network_scaled_up_and_down_again_has_the_same_slice() -> None:
    import keras

    from hepnn.explain.landscape import surface

    x, y = _numbers()
    layers = [
        keras.layers.Dense(8, activation="relu", use_bias=False),
        keras.layers.Dense(1, use_bias=False),
    ]
    opened = _opened(layers, x, y, _squared)
    axis = np.linspace(-1, 1, 5)
    before = surface(opened, axis, seed=1)
    first, second = opened.model.variables
    first.assign(first * 20.0)
    second.assign(second / 20.0)
    assert np.allclose(surface(opened, axis, seed=1), before, rtol=1e-4)
    assert np.ptp(before) > 0.1


def test_gradients_are_those_of_differences() -> None:
    import keras

    from hepnn.explain.gradients import norms

    x, y = _numbers()
    layers = [
        keras.layers.Dense(3, activation="tanh"),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(1),
    ]
    opened = _opened(layers, 3 * x + 5, y, _squared)
    first, _, scale, shift, *_, last, offset = (v.numpy() for v in opened.model.variables)

    def loss(first: np.ndarray, last: np.ndarray) -> float:
        """Return the loss with the averages of the events themselves, as in a step of training."""
        hidden = np.tanh((3 * x + 5).astype(np.float64) @ first)
        centred = hidden - hidden.mean(axis=0)
        hidden = scale * centred / np.sqrt(hidden.var(axis=0) + 1e-3) + shift
        return float(np.mean((y - hidden @ last - offset) ** 2))

    for (_, found), number in zip(norms(opened), (0, 1), strict=True):
        own, slopes = [first.astype(np.float64), last.astype(np.float64)], []
        for place in np.ndindex(own[number].shape):
            values = []
            for step in (1e-4, -1e-4):
                moved = [one.copy() for one in own]
                moved[number][place] += step
                values.append(loss(*moved))
            slopes.append((values[0] - values[1]) / 2e-4)
        assert found == pytest.approx(np.sqrt(np.mean(np.square(slopes))), rel=1e-3)


def test_through_sigmoids_the_gradient_vanishes_and_through_rectifiers_it_does_not() -> None:
    import keras

    from hepnn.explain.gradients import norms

    x, y = _numbers(events=200, features=16)
    depth, falls = 10, {}
    for activation in ("sigmoid", "relu"):
        start = "glorot_uniform" if activation == "sigmoid" else "he_normal"
        layers = [
            keras.layers.Dense(16, activation=activation, kernel_initializer=start)
            for _ in range(depth)
        ]
        opened = _opened([*layers, keras.layers.Dense(1)], x, y, _squared)
        found = [value for _, value in norms(opened)]
        falls[activation] = found[0] / found[depth - 1]
    # A sigmoid's slope is at most 1/4: nine of them, weights of order one.
    assert falls["sigmoid"] < 4.0 ** -(depth - 4)
    assert falls["relu"] > 0.02


def test_a_run_is_explained_beside_itself_by_the_command(
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(trained.path, copy)
    layers = {"gradients": 3, "landscape": 0}
    for method, entries in layers.items():
        command = ["hepnn", "explain", str(copy), "--method", method, "--beside", str(copy)]
        command += ["--stage", "float", "--events", "300", "--points", "3", "--json"]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == 0
        document = json.loads(capsys.readouterr().out)
        assert document["method"] == method and len(document["runs"]) == 2
        assert document["runs"][0] == document["runs"][1]
        assert Path(document["picture"]).read_text().startswith("<?xml")
        assert json.loads((copy / "explain" / f"{method}.json").read_text()) == document
        if method == "gradients":
            assert len(document["runs"][0]["layers"]) == entries
            assert all(layer["start"] > 0 for layer in document["runs"][0]["layers"])
        else:
            from hepnn.explain import network

            here = document["runs"][0]["loss"][1][1]
            opened = network.open_stage(trained, "float", 300)
            assert here == pytest.approx(float(opened.value()), rel=1e-5)
            from hepnn.tasks import get
            from hepnn.training.network import predict

            known = trained.events("calibration")
            some = type(known)(known.x[:300], known.y[:300], known.weight[:300])
            scores = get("classify").scores(predict(opened.model, some.x))
            entropy = -np.log(scores[np.arange(300), some.y]).mean()
            assert here == pytest.approx(entropy, rel=1e-4)


def test_a_wrong_question_is_one_line(trained: Run) -> None:
    from hepnn.explain import explain
    from hepnn.explain.options import Options

    with pytest.raises(RecipeError, match="unknown method of explain 'gradient'; did you mean"):
        explain([trained], "gradient")
    with pytest.raises(RecipeError, match="points: 4: an odd number"):
        Options(points=4)
    with pytest.raises(RecipeError, match="events: 0"):
        Options(events=0)


def test_filters_are_what_one_neuron_or_map_sums() -> None:
    import keras

    from hepnn.explain.network import summed

    layers = keras.layers
    places = {
        layers.Dense(5): ((6, 6, 2), [(0,)]),
        layers.Conv2D(3, (2, 4)): ((6, 6, 2), [(0, 1, 2)]),
        layers.Conv2DTranspose(3, (2, 4)): ((6, 6, 2), [(0, 1, 3)]),
        layers.DepthwiseConv2D(3, depth_multiplier=2): ((6, 6, 2), [(0, 1)]),
        layers.EinsumDense("abc,cde->abde", (None, 3, 4)): ((6, 2), [(0,)]),
        layers.EinsumDense("abcd,cde->abe", (None, 4)): ((6, 2, 3), [(0, 1)]),
        layers.GRU(4): ((6, 2), [(0,), (0,)]),
    }
    for layer, (shape, expected) in places.items():
        model = keras.Sequential([keras.Input(shape), layer])
        assert summed(model) == expected
    heads = layers.MultiHeadAttention(num_heads=2, key_dim=3)
    x = keras.Input((6, 4))
    attention = keras.Model(x, heads(x, x))
    assert sorted(summed(attention)) == [(0,), (0,), (0,), (0, 1)]


def test_an_adopted_run_has_no_start(tmp_path: Path) -> None:
    import keras

    from hepnn import adoption
    from hepnn.explain import explain, rows

    x, _ = _numbers()
    y = (x[:, 0] > 0).astype(np.int32)
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="only")])
    run = adoption.adopt(model, (x, y), name="adopted", runs=tmp_path)
    document = explain([run], "gradients")
    (layer,) = document["runs"][0]["layers"]
    assert layer["start"] is None and layer["trained"] > 0
    assert rows(document)[0]["start"] is None
    assert explain([run], "landscape")["runs"][0]["rise"]["1.0"] != 0


def test_without_shortcuts_a_residual_network_is_plain() -> None:
    from hepnn import architectures, vocabularies

    build = architectures.get("resnet")
    hyper = {"family": "cifar", "blocks": [1, 1], "widths": [2, 3]}
    nn = vocabularies.get("float")
    nn.scaling = None
    with_, without = (
        build((8, 8, 1), (3,), nn=nn, shortcut=kind, **hyper) for kind in ("padding", "none")
    )
    assert with_.count_params() == without.count_params()
    assert not [layer for layer in without.layers if type(layer).__name__ == "Add"]
    assert len([layer for layer in with_.layers if type(layer).__name__ == "Add"]) == 2
