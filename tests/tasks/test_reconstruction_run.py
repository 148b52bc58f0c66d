"""From a background to anomalies, to an encoder that ships alone, and to a classifier on it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clouds import FEATURES
from typer.testing import CliRunner

from hepnn import cli, deployment, files, pipeline, preflight, preparation
from hepnn.errors import RecipeError, RunError, TargetError
from hepnn.run import Run, open_stage
from hepnn.tasks import scaling as scalings
from hepnn.tasks.reconstruct import Reconstruct

pytestmark = pytest.mark.usefixtures("tensorflow")


def _recipe(dataset: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "anomalies",
        "dataset": str(dataset),
        "task": {"name": "reconstruct", "background": ["low"]},
        "architecture": {
            "name": "vae",
            "hidden": [6],
            "latent": 2,
            "activation": "relu",
            "beta": 0.01,
        },
        "fit": {"epochs": 10, "batch": 64, "learning_rate": 0.01},
        **changes,
    }


@pytest.fixture(scope="module")
def run(clouds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    step = {"step": "quantize", "beta": {"last": 1e-8}, "fit": {"epochs": 4}}
    encoder = {"name": "tflite", "part": "z_mean"}
    targets = [encoder, {**encoder, "stage": "float"}]
    recipe = _recipe(clouds_folder, compress=[step], targets=targets)
    return pipeline.train(recipe, runs=tmp_path_factory.mktemp("runs"), name="vae")


def test_the_background_alone_is_scaled_and_learnt(run: Run, clouds_folder: Path) -> None:
    from hepnn.data import division

    train = division.divide(preparation.open_data(run.recipe)).train
    low = train.events.x[train.events.y == 0]  # type: ignore[union-attr]
    scaling = scalings.of(run)
    assert scaling is not None and scaling.names == tuple(FEATURES)
    assert np.allclose(scaling.mean, low.mean(axis=0, dtype=np.float64), rtol=1e-4)
    assert set(run.events("calibration").y) == {0}
    assert set(run.events("test").y) == {0, 1, 2}


def test_the_others_are_anomalies(run: Run) -> None:
    metrics = files.read_json(run.stage("float") / "metrics.json")
    assert set(metrics["auc"]) == {"middle", "high"}
    assert 0.6 < metrics["auc"]["middle"] < metrics["auc"]["high"]
    assert metrics["error"]["low"] == pytest.approx(metrics["loss"])
    after = files.read_json(run.stage("quantized") / "metrics.json")
    assert after["auc"]["high"] == pytest.approx(metrics["auc"]["high"], abs=0.1)


def test_the_parts_of_the_loss_are_in_the_history(run: Run) -> None:
    with (run.stage("float") / "history.csv").open() as stream:
        last = list(csv.DictReader(stream))[-1]
    parts = float(last["reconstruction"]) + 0.01 * float(last["kl"])
    assert float(last["loss"]) == pytest.approx(parts, rel=1e-4)


def test_a_latent_plane_is_drawn_and_on_the_page(run: Run) -> None:
    from hepnn import report

    names = {path.stem for path in run.stage("float").glob("*.svg")}
    assert {"curves", "latent", *Reconstruct(["low"]).PICTURES} == names
    page = report.write(run).read_text()
    assert "Latent plane" in page and "ROC, each class against the background" in page
    assert "decoded" not in page


def test_the_encoder_ships_alone_with_the_same_bits(run: Run) -> None:
    document = deployment.deploy(run)
    exact = document["stages"]["quantized"]["artefacts"]["tflite-z_mean"]
    assert (exact["promise"], exact["mismatches"], exact["decision_flips"]) == ("exact", 0, None)
    lossy = document["stages"]["float"]["artefacts"]["tflite-z_mean"]
    assert (lossy["promise"], lossy["verdict"]) == ("measured", "measured")
    folder = run.exports("quantized") / "tflite-z_mean"
    assert files.read_json(folder / "interface.json")["forms"][0]["output"]["shape"] == [2]
    assert files.read_json(folder / "quantities.json")["outputs"]["part"] == "z_mean"
    shown = CliRunner().invoke(cli.app, ["agree", str(run)])
    assert shown.exit_code == 0 and "tflite-z_mean" in shown.output


def test_a_part_that_is_none_is_told_before_training(clouds_folder: Path) -> None:
    from hepnn.recipe import load

    targets = [{"name": "tflite", "part": "z_men"}]
    recipe = load(_recipe(clouds_folder, targets=targets))
    with pytest.raises(TargetError, match="no layer 'z_men'; did you mean 'z_mean'"):
        preflight.of_recipe(recipe, (4,), ["low", "middle", "high"])


def _classifier(dataset: Path, start: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "few-labels",
        "dataset": str(dataset),
        "limit": 300,
        "start": start,
        "architecture": {"name": "encoder", "hidden": [6], "latent": 3, "activation": "relu"},
        "fit": {"epochs": 1, "batch": 64, "learning_rate": 1e-12, "keep": "last"},
        **changes,
    }


def test_a_classifier_starts_from_the_encoder(run: Run, clouds_folder: Path) -> None:
    from hepnn.training import network

    runs = run.path.parent
    made = pipeline.train(_classifier(clouds_folder, "vae"), runs=runs, name="started")
    start = made.manifest["start"]
    assert (start["stage"], start["layers"]) == ("float", ["encoder1"])
    assert start["sha256"] == run.manifest["stages"]["float"]["sha256"]
    before, after = (network.load_model(one.model_file("float")) for one in (run, made))
    kernels = [np.asarray(one.get_layer("encoder1").kernel) for one in (before, after)]
    assert np.allclose(*kernels, atol=1e-9)
    # The weights see what they were trained on, though the 300 events have other means.
    scalings = [files.read_arrays(one.path / "data" / "scaling.npz") for one in (run, made)]
    assert all(np.array_equal(scalings[0][name], scalings[1][name]) for name in scalings[0])


def test_a_start_may_name_a_stage_or_a_path(run: Run) -> None:
    runs = run.path.parent
    assert open_stage("vae/quantized", runs)[1] == "quantized"
    assert open_stage(f"{run.path}", runs)[1] == "float"
    assert open_stage(f"{run.path}/quantized", runs)[1] == "quantized"
    with pytest.raises(RunError, match="no stage 'quantised'; did you mean 'quantized'"):
        open_stage("vae/quantised", runs)
    with pytest.raises(RunError, match="no run 'vea'; did you mean 'vae'"):
        open_stage("vea", runs)


def test_a_start_that_is_missing_is_told_before_a_run_is_made(
    run: Run, clouds_folder: Path
) -> None:
    runs = run.path.parent
    with pytest.raises(RunError, match="no run 'nothing'"):
        pipeline.train(_classifier(clouds_folder, "nothing"), runs=runs, name="unmade")
    assert not (runs / "unmade").exists()


def test_a_start_of_which_nothing_fits_is_refused(run: Run, clouds_folder: Path) -> None:
    recipe = _classifier(clouds_folder, "vae", architecture={"name": "mlp", "hidden": [7]})
    with pytest.raises(RecipeError, match="start: no layer of vae has name and shape.*dense1"):
        pipeline.train(recipe, runs=run.path.parent, name="unfit")


def test_a_background_that_is_no_class_is_told(clouds_folder: Path, tmp_path: Path) -> None:
    task = {"name": "reconstruct", "background": ["lower"]}
    with pytest.raises(RecipeError, match="no class 'lower'; did you mean 'low'"):
        pipeline.train(_recipe(clouds_folder, task=task), runs=tmp_path)
