"""Curves over a setting: what is drawn is what the runs reach, and a killed one goes on."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clouds import small_recipe

from hepnn import cli, pipeline
from hepnn.curves import curve as curves
from hepnn.curves import decomposition, figures
from hepnn.errors import DataError, HepnnError, RecipeError
from hepnn.recipe import Curve
from hepnn.run import Run, open_run

WANTED = Curve(over="train_limit", values=[40, 900], seeds=[1, 2])


def _recipe(clouds_folder: Path, **changes: Any) -> dict[str, Any]:
    recipe = {**small_recipe(clouds_folder), "compress": []}
    return {**recipe, "fit": {"epochs": 8, "batch": 64, "learning_rate": 0.01}, **changes}


@pytest.fixture(scope="module")
def drawn(tensorflow: None, clouds_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("curve")
    recipe = _recipe(clouds_folder)
    recipe["fit"]["noise"] = {"labels": {"rate": 0.2, "fixed": True}}
    return recipe, folder, curves.curve(recipe, WANTED, folder=folder)


def test_bias_and_variance_are_those_of_known_answers() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(5000, 2))
    for trainings in (2, 5):
        answers = truth + 0.3 + rng.normal(0, 0.5, (trainings, 5000, 2))
        found = decomposition.of_squares(answers, truth, np.ones(5000))
        assert found.bias2 == pytest.approx(2 * 0.3**2, abs=0.03)
        assert found.variance == pytest.approx(2 * 0.5**2, rel=0.05)
        assert found.error == pytest.approx(((answers - truth) ** 2).sum(-1).mean(), rel=1e-9)
        assert found.error == pytest.approx(found.bias2 + found.variance)
    weight = np.r_[np.ones(2500), np.zeros(2500)]
    half = decomposition.of_squares(answers[:, :2500], truth[:2500], np.ones(2500))
    assert decomposition.of_squares(answers, truth, weight) == pytest.approx(half)


def test_errors_are_those_of_the_runs(drawn) -> None:
    from hepnn.tasks import get
    from hepnn.training import network

    _, folder, document = drawn
    assert [point["train_events"] for point in document["points"]] == [40, 900]
    for point in document["points"]:
        errors = []
        for name in point["runs"]:
            run = open_run(folder / name)
            events = run.events("test")
            outputs = network.predict(network.of_run(run, "float"), events.x)
            errors.append(np.mean(get("classify").decisions(outputs) != events.y))
            kept = json.loads((run.stage() / "metrics.json").read_text())
            assert errors[-1] == pytest.approx(1 - kept["accuracy"])
        assert point["test"] == pytest.approx(np.mean(errors))
        assert point["test_spread"] == pytest.approx(np.std(errors, ddof=1))
        assert point["squared_error"] == pytest.approx(point["bias2"] + point["variance"])
        assert point["variance"] > 0
    assert document["points"][1]["test"] < document["points"][0]["test"]


def test_training_errors_are_against_the_labels_that_were_learned(drawn) -> None:
    _, folder, document = drawn
    run = open_run(folder / document["points"][1]["runs"][0])
    learned = figures._learned(run)
    true = run.events("calibration").y
    assert 0.15 < np.mean(learned.y != true) < 0.25
    known = figures.of(run).errors["train"]
    history = np.genfromtxt(run.stage() / "history.csv", delimiter=",", names=True)
    assert known == pytest.approx(1 - history["accuracy"][-1], abs=0.05)


def test_all_points_are_judged_on_the_same_events(drawn) -> None:
    _, folder, document = drawn
    runs = [open_run(folder / name) for point in document["points"] for name in point["runs"]]
    first = runs[0].events("test").x
    assert all(np.array_equal(run.events("test").x, first) for run in runs)
    # Other events are drawn with another seed.
    ours, theirs = (one.events("calibration").x for one in runs[:2])
    assert len(ours) == len(theirs) == 40 and not np.array_equal(ours, theirs)


def test_a_killed_curve_goes_on(drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, folder, document = drawn
    shutil.rmtree(folder / "value2-seed2")
    (folder / curves.RESULT).unlink()
    (folder / "value1-seed1" / figures.KEPT).unlink()
    trained, resume = [], pipeline.resume

    def counted(run: Run, **options: Any) -> Run:
        trained.append(run.name)
        return resume(run, **options)

    monkeypatch.setattr(pipeline, "resume", counted)
    assert curves.curve(recipe, WANTED, folder=folder) == document
    assert trained == ["value2-seed2"]
    other = {**recipe, "architecture": {"name": "mlp", "hidden": [9, 8]}}
    with pytest.raises(RecipeError, match="has another recipe: give another --out"):
        curves.curve(other, WANTED, folder=folder)


def test_the_command_draws_and_prints_json(
    drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    recipe, folder, document = drawn
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**recipe, "curve": WANTED.model_dump()}))
    monkeypatch.setattr(sys, "argv", ["hepnn", "curve", str(path), "--out", str(folder), "--json"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out) == document
    assert "training events" in (folder / curves.PICTURE).read_text()
    assert not (folder / curves.BOUNDARIES).exists()


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"over": "train_limit", "values": [100, 5000]}, "the train split of dataset clouds has"),
        ({"over": "train_limit", "values": [100, 100]}, "train_limit: value 100 is given twice"),
        ({"over": "fit.augment", "values": [None, {"flip": {}}]}, "fit.augment.flip: wants images"),
        ({"over": "train_limt", "values": [100, 200]}, "unknown key 'train_limt'"),
        ({"over": "seed", "values": [1, 2]}, "its seeds are `seeds`"),
        ({"over": "architecture.hiden", "values": [[1], [2]]}, "hiden"),
        (None, "the recipe has no curve"),
    ],
)
def test_a_bad_curve_is_one_line(
    clouds_folder: Path, tmp_path: Path, over: dict[str, Any] | None, message: str
) -> None:
    wanted = None if over is None else Curve.model_validate({**over, "seeds": [1]})
    with pytest.raises(HepnnError) as refused:
        curves.curve(_recipe(clouds_folder), wanted, folder=tmp_path)
    assert message in str(refused.value) and "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_drawn_events_are_not_of_a_stream(clouds_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="set stream: never"):
        pipeline.train(_recipe(clouds_folder, stream="always", train_limit=10), runs=tmp_path)
    with pytest.raises(DataError, match="train_limit: 99999 events"):
        pipeline.train(_recipe(clouds_folder, train_limit=99999), runs=tmp_path)


@pytest.mark.usefixtures("tensorflow")
def test_boundaries_of_a_plane_are_the_networks_decisions(tmp_path: Path) -> None:
    from hepnn.tasks import get
    from hepnn.training import network

    recipe = {
        "name": "moons",
        "dataset": "two-moons",
        "architecture": {"name": "mlp", "hidden": [4]},
        "fit": {"epochs": 2, "batch": 100},
    }
    wanted = Curve(over="architecture.hidden", values=[[1], [4]], seeds=[1], axis="parameters")
    document = curves.curve(recipe, wanted, folder=tmp_path)
    assert [point["parameters"] for point in document["points"]] == [7, 22]
    assert document["points"][0]["test_spread"] is None and "bias2" not in document["points"][0]
    assert "Decision boundaries" in (tmp_path / curves.BOUNDARIES).read_text()
    run = open_run(tmp_path / "value2-seed1")
    found = figures.maps([run])[0]
    row, column = 30, 70
    place = np.array([column + 0.5, row + 0.5]) / figures.SIDE * (found.high - found.low)
    outputs = network.predict(network.of_run(run, "float"), (found.low + place)[None].astype("f"))
    assert found.decisions[row, column] == get("classify").decisions(outputs)[0]
