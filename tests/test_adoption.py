"""Models that were trained elsewhere: made a run of, and refused in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import hepnn
from hepnn import adoption, agreement, cli, deployment, evaluation, files
from hepnn.data import reading
from hepnn.errors import DataError, HepnnError, MissingDependency, RunError

pytestmark = pytest.mark.usefixtures("tensorflow")

EVENTS = 400


@pytest.fixture(scope="module")
def events() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(EVENTS, 6)).astype(np.float32)
    return x, (x[:, 0] + 0.5 * x[:, 1] > 0).astype(np.int64)


def network(outputs: int, activation: str | None = None, *, inputs: int = 6):
    import keras

    keras.utils.set_random_seed(2)
    layers = [
        keras.Input((inputs,)),
        keras.layers.Dense(5, activation="relu", name="hidden"),
        keras.layers.Dense(outputs, activation=activation, name="last"),
    ]
    return keras.Sequential(layers, name="tagger")


def saved(model, folder: Path) -> Path:
    path = folder / f"{model.name}.keras"
    model.save(path)
    return path


def test_a_file_and_its_events_become_a_run(events, tmp_path, capsys, monkeypatch) -> None:
    x, y = events
    model = network(2, "softmax")
    np.savez(tmp_path / "events.npz", x=x, y=y)
    monkeypatch.chdir(tmp_path)
    argv = ["hepnn", "adopt", str(saved(model, tmp_path)), "--data", "events.npz", "--name", "a"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == str(Path("runs/a"))
    run = hepnn.open_run("a")
    assert run.stages == ["float"]
    assert run.recipe.task.outputs == "probabilities"
    test = run.events("test")
    parts = [len(run.events(name)) for name in ("calibration", "validation", "test")]
    assert parts == [240, 80, 80]
    metrics = evaluation.evaluate(run)["stages"]["float"]
    wanted = model.predict(test.x, verbose=0)
    assert metrics["accuracy"] == pytest.approx(np.mean(wanted.argmax(axis=1) == test.y))
    # One half of the pairs, where the probabilities of the two classes are each other's rest.
    assert metrics["auc"]["1"] == pytest.approx(roc_auc_score(test.y, wanted[:, 1]), abs=1e-6)
    document = deployment.deploy(run, ["tflite"])
    assert document["holds"]
    other = agreement.agree(run, dataset=str(tmp_path / "events.npz"))
    assert other["events"] == EVENTS
    page = (run.path / "report.html").read_text()
    assert "hepnn adopt tagger.keras --data events.npz" in page
    assert "curves.svg is missing" not in page and "hepnn train" not in page


def test_one_probability_decides_between_two_classes(events, tmp_path) -> None:
    x, y = events
    model = network(1, "sigmoid")
    run = adoption.adopt(model, (x, y), runs=tmp_path, name="one")
    test = run.events("test")
    wanted = model.predict(test.x, verbose=0)[:, 0]
    metrics = files.read_json(run.stage() / "metrics.json")
    assert metrics["accuracy"] == pytest.approx(np.mean((wanted > 0.5) == test.y))
    assert metrics["auc"]["1"] == pytest.approx(roc_auc_score(test.y, wanted), abs=1e-6)


def test_without_labels_the_outputs_themselves_are_compared(events, tmp_path) -> None:
    model = network(3)
    run = adoption.adopt(model, events[0], runs=tmp_path, name="bare")
    assert run.recipe.task.name == "embed"
    outputs = model.predict(run.events("test").x, verbose=0)
    metrics = files.read_json(run.stage() / "metrics.json")
    assert list(metrics["mean"].values()) == pytest.approx(outputs.mean(axis=0).tolist(), rel=1e-5)
    moved = outputs.copy()
    moved[:8] = np.roll(moved[:8], 1, axis=1)
    task = deployment.get_task("embed")
    assert task.changes(outputs, moved, run.events("test"))["decision_flips"] == 8 / 80
    assert deployment.deploy(run, ["tflite"])["holds"]


def test_numbers_are_regressed_without_a_scaling(events, tmp_path) -> None:
    x, _ = events
    values = x[:, :2] * 30 + 7
    run = adoption.adopt(network(2), (x, values), runs=tmp_path, name="numbers")
    assert run.recipe.task.name == "regress"
    test = run.events("test")
    outputs = network(2).predict(test.x, verbose=0)
    metrics = files.read_json(run.stage() / "metrics.json")
    wanted = np.sqrt(((outputs - test.y) ** 2).mean(axis=0))
    assert list(metrics["rmse"].values()) == pytest.approx(wanted.tolist(), rel=1e-5)


def test_a_quantized_model_owes_its_bits(events, tmp_path) -> None:
    import keras
    from hgq.layers import QDense
    from hgq.utils import trace_minmax

    x, y = events
    keras.utils.set_random_seed(4)
    model = keras.Sequential([keras.Input((6,)), QDense(4, activation="relu"), QDense(2)])
    trace_minmax(model, x)
    run = adoption.adopt(model, (x, y), runs=tmp_path, name="quantized")
    assert run.stages == ["quantized"]
    found = deployment.deploy(run, ["tflite"])["artefacts"]["tflite"]
    assert found["promise"] == "exact" and found["bit_exact"]


def test_layers_of_a_package_are_taken_where_it_is_named(events, tmp_path, monkeypatch) -> None:
    package = tmp_path / "layers_of_mine.py"
    package.write_text(
        "import keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Twice(keras.layers.Layer):\n"
        "    def call(self, x):\n"
        "        return 2 * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import keras
    import layers_of_mine

    inputs = keras.Input((6,))
    outputs = keras.layers.Dense(2)(layers_of_mine.Twice()(inputs))
    path = saved(keras.Model(inputs, outputs, name="mine"), tmp_path)
    registered = keras.saving.get_custom_objects()
    kept = {key: registered.pop(key) for key in list(registered) if key.startswith("mine>")}
    assert kept
    with pytest.raises(RunError, match="unknown class 'Twice': --import the package"):
        adoption.adopt(path, events, runs=tmp_path)
    with pytest.raises(MissingDependency, match="no_such_package"):
        adoption.adopt(path, events, runs=tmp_path, imports=["no_such_package"])
    registered.update(kept)
    run = adoption.adopt(path, events, runs=tmp_path, name="mine", imports=["layers_of_mine"])
    assert run.manifest["adopted"]["imports"] == ["layers_of_mine"]
    assert deployment.deploy(run, ["tflite"])["holds"]


def test_several_inputs_and_outputs_lie_one_behind_the_other(tmp_path) -> None:
    import keras

    keras.utils.set_random_seed(5)
    tracks, towers = keras.Input((4,), name="tracks"), keras.Input((3, 2), name="towers")
    joined = keras.layers.Concatenate()([tracks, keras.layers.Flatten()(towers)])
    both = [keras.layers.Dense(2, name="kind")(joined), keras.layers.Dense(1, name="mass")(joined)]
    model = keras.Model([tracks, towers], both, name="two")
    rng = np.random.default_rng(6)
    arrays = {
        "tracks": rng.normal(size=(90, 4)).astype(np.float32),
        "towers": rng.normal(size=(90, 3, 2)).astype(np.float32),
    }
    np.savez(tmp_path / "two.npz", **arrays)
    run = adoption.adopt(saved(model, tmp_path), tmp_path / "two.npz", runs=tmp_path, name="two")
    assert run.manifest["adopted"]["inputs"] == [("tracks", (4,)), ("towers", (3, 2))]
    names = [feature["name"] for feature in run.manifest["data"]["features"]]
    assert names[3:5] == ["tracks3", "towers0"] and len(names) == 10
    other = reading.read_for(hepnn.open_run(run.path), tmp_path / "two.npz")
    np.testing.assert_array_equal(other.x[:, 4:], arrays["towers"].reshape(90, 6))
    wanted = np.concatenate(model.predict([arrays["tracks"], arrays["towers"]], verbose=0), axis=1)
    kept = keras.saving.load_model(run.model_file("float"))
    np.testing.assert_allclose(kept.predict(other.x, verbose=0), wanted, rtol=1e-6, atol=1e-6)
    assert deployment.deploy(run, ["tflite"])["holds"]
    np.savez(tmp_path / "half.npz", tracks=arrays["tracks"])
    with pytest.raises(DataError, match="no array 'towers', an input of the model"):
        adoption.adopt(model, tmp_path / "half.npz", runs=tmp_path)


def _lambda():
    import keras

    inputs = keras.Input((6,))
    doubled = keras.layers.Lambda(lambda x: 2 * x)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(doubled), name="with_code")


def _no_length():
    import keras

    inputs = keras.Input((None, 6))
    return keras.Model(inputs, keras.layers.GRU(2)(inputs), name="any_length")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (_lambda, "Lambda layer: code inside a model file is never run"),
        (_no_length, "input shape .* has an axis of no length"),
    ],
)
def test_models_that_are_no_run_are_refused(model, message, events, tmp_path) -> None:
    path = saved(model(), tmp_path)
    with pytest.raises(RunError, match=message):
        adoption.adopt(path, events, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:, :3], y), r"shape \(3,\), the model takes \(6,\)"),
        (lambda x, y: (0 * x, y), "all 400 events are zero"),
        (lambda x, y: (np.where(x > 2, np.nan, x), y), "event [0-9]+ is not finite"),
        (lambda x, y: (x[:2], y[:2]), "2 events are too few"),
        (lambda x, y: (x, y[:-1]), "400 events, 399 labels"),
        (lambda x, y: (x, np.stack([y] * 3, axis=1)), "labels of shape .* do not fit"),
    ],
)
def test_data_that_do_not_fit_are_refused(change, message, events, tmp_path) -> None:
    with pytest.raises(DataError, match=message):
        adoption.adopt(network(2), change(*events), runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_damaged_files_are_refused(events, tmp_path) -> None:
    path = saved(network(2), tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match="is no Keras model, or is damaged"):
        adoption.adopt(path, events, runs=tmp_path / "runs")
    with pytest.raises(RunError, match="no such file"):
        adoption.adopt(tmp_path / "nothing.keras", events, runs=tmp_path / "runs")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=r"cut\.npz"):
        adoption.adopt(network(2), tmp_path / "cut.npz", runs=tmp_path / "runs")


def test_an_adopted_run_has_no_training_to_go_on_with(events, tmp_path) -> None:
    run = adoption.adopt(network(2), events, runs=tmp_path, name="adopted")
    with pytest.raises(HepnnError, match="was adopted"):
        hepnn.resume(run)


def test_every_public_name_is_there() -> None:
    for name in hepnn.__all__:
        public = getattr(hepnn, name)
        assert callable(public) or callable(public.load), name
