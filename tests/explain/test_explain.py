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
    found = normalized(np.random.default_rng(2), weights)
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
    d, e = (normalized(rng, kernel.astype(np.float32)) for _ in range(2))
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

    from hepnn.explain.gradients import _norms

    x, y = _numbers()
    layers = [keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(1)]
    opened = _opened(layers, x, y, _squared)
    for (_, found), kernel in zip(_norms(opened), opened.model.variables[::2], strict=True):
        own, slopes = kernel.numpy(), []
        for place in np.ndindex(own.shape):
            values = []
            for step in (1e-2, -1e-2):
                moved = own.copy()
                moved[place] += step
                kernel.assign(moved)
                values.append(float(opened.value()))
            slopes.append((values[0] - values[1]) / 2e-2)
        kernel.assign(own)
        assert found == pytest.approx(np.sqrt(np.mean(np.square(slopes))), rel=2e-3)


def test_through_sigmoids_the_gradient_vanishes_and_through_rectifiers_it_does_not() -> None:
    import keras

    from hepnn.explain.gradients import _norms

    x, y = _numbers(events=200, features=16)
    depth, falls = 10, {}
    for activation in ("sigmoid", "relu"):
        start = "glorot_uniform" if activation == "sigmoid" else "he_normal"
        layers = [
            keras.layers.Dense(16, activation=activation, kernel_initializer=start)
            for _ in range(depth)
        ]
        opened = _opened([*layers, keras.layers.Dense(1)], x, y, _squared)
        norms = [value for _, value in _norms(opened)]
        falls[activation] = norms[0] / norms[depth - 1]
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
