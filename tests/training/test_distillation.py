"""A student learns its teacher's answers, and only a teacher of the same things."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from clouds import CLASSES, FEATURES, small_recipe, write_card
from scipy.special import log_softmax, rel_entr, softmax

from hepnn import cli, pipeline, stages
from hepnn.errors import RecipeError
from hepnn.recipe import Fit, load
from hepnn.run import Run, open_run

pytestmark = pytest.mark.usefixtures("tensorflow")

T, W = 3.0, 0.7


def _loss(hard, outputs: int, **fit):
    """Return the rule of a network of nothing but its inputs, compiled."""
    import keras

    from hepnn.training import rules

    inputs = keras.Input((outputs,))
    network = keras.Model(inputs, keras.layers.Activation("linear")(inputs))
    rule = rules.wrap(network, Fit(teacher="some", **fit))
    rule.compile(loss=hard, optimizer="sgd")
    return rule


def test_the_loss_of_classes_is_hintons() -> None:
    import keras

    from hepnn.training.distillation import beside

    rng = np.random.default_rng(0)
    z, v = rng.normal(0, 3, (2, 50, 4)).astype(np.float32)
    y, weight = rng.integers(0, 4, 50), rng.uniform(0.5, 2, 50).astype(np.float32)
    hard = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rule = _loss(hard, 4, temperature=T, teacher_weight=W)
    both = beside(y, v)
    assert both.shape == (50, 5) and both.dtype == np.float32
    found = rule.compute_loss(None, both, z, weight, training=True)
    entropy = -log_softmax(z, axis=1)[np.arange(50), y]
    divergence = rel_entr(softmax(v / T, axis=1), softmax(z / T, axis=1)).sum(axis=1)
    expected = np.mean(weight * ((1 - W) * entropy + W * T**2 * divergence))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    judged = rule.compute_loss(None, both, z, weight, training=False)
    assert float(judged) == pytest.approx(np.mean(weight * entropy), rel=1e-5)


def test_the_loss_of_numbers_is_the_squares() -> None:
    import keras

    from hepnn.training.distillation import beside

    rng = np.random.default_rng(0)
    z, v, y = rng.normal(size=(3, 50, 2)).astype(np.float32)
    rule = _loss(keras.losses.MeanSquaredError(), 2, teacher_weight=W)
    found = rule.compute_loss(None, beside(y, v), z, None, training=True)
    expected = (1 - W) * np.mean((z - y) ** 2) + W * np.mean((z - v) ** 2)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(RecipeError, match="no form for a teacher"):
        _loss(keras.losses.Poisson(), 2)


def _student(teacher: Run, dataset: Path, **fit) -> dict:
    recipe = small_recipe(dataset)
    recipe["architecture"]["hidden"] = [4]
    recipe["compress"][1]["fit"] |= {"teacher_weight": 1.0}
    recipe["fit"] |= {"teacher": str(teacher.path), "temperature": 2.0, **fit}
    return recipe


def _weights(run: Run, stage: str) -> list[np.ndarray]:
    from hepnn.training import network

    return [variable.numpy() for variable in network.of_run(run, stage).variables]


@pytest.mark.long
def test_every_stage_learns_in_every_engine_and_from_disk(
    trained: Run, clouds_folder: Path, tmp_path: Path
) -> None:
    """The same weights come from both engines; a teacher of another mind is followed."""
    from hepnn.training import network

    recipe = _student(trained, clouds_folder)
    run = pipeline.train(recipe, runs=tmp_path, name="student")
    for stage in ("float", "pruned", "quantized"):
        assert run.manifest["teachers"][stage]["stage"] == "float"
    fewer = {"fit.epochs": 2, "compress": []}
    runs = {
        name: pipeline.train(recipe, fewer | changes, runs=tmp_path, name=name)
        for name, changes in (
            ("epoch", {"fit.engine": "epoch"}),
            ("keras", {"fit.engine": "keras"}),
            ("streamed", {"stream": "always"}),
        )
    }
    for ours, theirs in zip(*(_weights(runs[n], "float") for n in ("epoch", "keras")), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)
    # A stream is shuffled in another order, and its loss is the same thing.
    losses = [
        np.genfromtxt(runs[name].stage("float") / "history.csv", names=True, delimiter=",")["loss"]
        for name in ("epoch", "streamed")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.1)
    contrary = open_run(shutil.copytree(trained.path, tmp_path / "contrary"))
    model = network.of_run(contrary, "float")
    last = model.get_layer("logits")
    last.set_weights([-array for array in last.get_weights()])
    stages.save_model(contrary.path / "stages" / "float" / "model.keras", model)
    contrary.record_stage("float", vocabulary="float")
    led = pipeline.train(
        _student(contrary, clouds_folder, teacher_weight=1.0),
        {"compress": []},
        runs=tmp_path,
        name="led",
    )
    x = run.events("test").x
    led_astray, taught, plain = (
        network.predict(one, x).argmax(axis=1)
        for one in (network.of_run(led, "float"), model, network.of_run(run, "float"))
    )
    assert np.mean(led_astray == taught) > 0.5 > 0.2 > np.mean(plain == taught)
    # Who started with one teacher does not go on with another.
    shutil.rmtree(led.path / "stages" / "float")
    led.record(stages={})
    contrary.record_stage("float", vocabulary="float", sha256="0" * 64)
    with pytest.raises(Exception, match="checksum differs"):
        pipeline.resume(open_run(led.path))
    shutil.rmtree(contrary.path)
    shutil.copytree(trained.path, contrary.path)
    with pytest.raises(RecipeError, match="is not what stage float was started with"):
        pipeline.resume(open_run(led.path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"labels": {"column": "kind", "classes": CLASSES[::-1]}},
            "has other classes: number 1 is low, here it is high",
        ),
        (
            {"inputs": {"f": {"features": [{"name": name} for name in FEATURES[::-1]]}}},
            "has other inputs: number 1 is mass in 1, here it is shape in 1",
        ),
        (
            {"inputs": {"f": {"features": [{"name": name} for name in FEATURES[:3]]}}},
            "has other inputs: 4, this network has 3",
        ),
        (
            {"inputs": {"f": {"features": [{"name": n, "unit": "GeV"} for n in FEATURES]}}},
            "number 1 is mass in 1, here it is mass in GeV",
        ),
    ],
)
def test_a_teacher_of_other_things_is_one_line_and_exit_code_2(
    changes, message, trained: Run, clouds: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    write_card(clouds, **changes)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(_student(trained, clouds)))
    monkeypatch.setattr(sys, "argv", ["hepnn", "train", str(recipe), "--runs", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and message in said[0]
    assert not list(tmp_path.glob("clouds-*"))


def test_what_has_no_teacher_is_refused(trained: Run, clouds_folder: Path, tmp_path: Path) -> None:
    recipe = _student(trained, clouds_folder)
    for changes, message in (
        ({"fit.teacher": str(tmp_path / "nobody")}, "no run"),
        ({"fit.teacher": f"{trained.path}/quantised"}, "no run|no stage"),
        ({"task": "reconstruct"}, "is of task classify, this is reconstruct"),
        ({"fit.temperature": 0}, "temperature"),
        ({"fit.rule": "perceptron", "fit.optimizer": "sgd"}, "takes no teacher"),
    ):
        with pytest.raises(Exception, match=message):
            pipeline.train(recipe, changes, runs=tmp_path)
    assert load(recipe).fit.teacher == str(trained.path)


def test_a_regression_is_taught_in_its_own_scaling() -> None:
    """What the teacher says in its scaling is brought to the student's: in quantities the same."""
    from hepnn import teaching
    from hepnn.run import Events
    from hepnn.tasks import get, scaling

    def of(offset: float, exponent: int):
        return scaling.Scaling(np.array([offset]), np.array([exponent]), np.zeros(1), ("1",))

    class Model:
        @staticmethod
        def predict(x, **_):
            return x

    task, x = get("regress"), np.linspace(-1, 1, 9, dtype=np.float32)[:, None]
    events = Events(x, 3 * x, np.ones(9, np.float32))
    theirs, ours = of(5.0, 3), of(-2.0, 1)
    found = teaching.Teacher(Model, task, theirs).beside(
        task.encode(events, ours), events, task, ours
    )
    np.testing.assert_allclose(found[:, 0], (3 * x[:, 0] + 2) / 2)
    np.testing.assert_allclose(found[:, 1], (8 * x[:, 0] + 5 + 2) / 2)
