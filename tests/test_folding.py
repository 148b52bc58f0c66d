"""Cross-validation of a run: nothing held out is learned from, and one network is left."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clouds import small_recipe, three_clouds, write_card, write_events

from hepnn import deployment, evaluation, files, pipeline, preparation, report, stages
from hepnn.cli import main
from hepnn.data import scaling as scalings
from hepnn.errors import HepnnError, RecipeError
from hepnn.run import Run, open_run

pytestmark = pytest.mark.usefixtures("tensorflow")


#: Of 22 events: every class is in each split of this seed.
SPLITS = {"train": 0.2, "validation": 0.4, "test": 0.4, "seed": 2}


def recipe(folder: Path, **validation: Any) -> dict[str, Any]:
    """Return a recipe of two stages that trains in a second a fold."""
    made = small_recipe(folder)
    made["fit"] = {"epochs": 2, "batch": 256, "learning_rate": 0.01, "engine": "keras"}
    made["compress"] = [{"step": "quantize", "beta": {"last": 1e-5}, "fit": {"epochs": 2}}]
    return {**made, "validation": validation}


@pytest.fixture(scope="module")
def folded(clouds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run that was killed in its second fold, and went on."""
    runs = tmp_path_factory.mktemp("folded")
    wanted = recipe(clouds_folder, by="stratified", folds=2)
    made, keep = [], stages.make

    def killed(run: Run, stage: str, *others: Any) -> None:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append((run.name, stage))
        keep(run, stage, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "make", killed)
        with pytest.raises(HepnnError, match=r"train --resume .*/run$"):
            pipeline.train(wanted, runs=runs, name="run")
    run = open_run(runs / "run")
    assert run.manifest["failed"]["step"] == "fold2" and run.stages == []
    assert made == [("fold1", "float"), ("fold1", "quantized"), ("fold2", "float")]
    first = files.sha256(runs / "run/folds/fold1/stages/float/model.keras")
    run = pipeline.resume(run)
    assert files.sha256(runs / "run/folds/fold1/stages/float/model.keras") == first
    return run


def folds(run: Run) -> list[Run]:
    return [open_run(run.path / "folds" / f"fold{number}") for number in (1, 2)]


def rows(x: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in x}


def test_every_training_event_is_held_out_once_and_no_test_event_is(folded: Run) -> None:
    data = preparation.open_data(folded.recipe)
    from hepnn.data import division

    train = rows(division.divide(data).train.events.x)
    held = [rows(fold.events("test").x) for fold in folds(folded)]
    assert held[0] | held[1] == train and not held[0] & held[1]
    test = rows(folded.events("test").x)
    for fold in folds(folded):
        known = rows(fold.events("calibration").x) | rows(fold.events("validation").x)
        assert not (test & known) and not (test & rows(fold.events("test").x))
        assert not rows(fold.events("calibration").x) & rows(fold.events("test").x)


def test_the_scaling_is_fitted_on_what_a_fold_is_trained_on(folded: Run) -> None:
    for fold in folds(folded):  # all of it is kept for calibration, of so few events
        mine = preparation.scaling_of(fold)
        of_training = scalings.standard(fold.events("calibration").x)
        assert np.array_equal(mine["offset"], of_training["offset"])
        assert np.array_equal(mine["exponent"], of_training["exponent"])


def test_out_of_fold_figures_are_of_the_network_that_has_not_seen_the_event(folded: Run) -> None:
    from hepnn.training import network

    known = evaluation.evaluate(folded)["folds"]
    for stage in ("float", "quantized"):
        right = []
        for fold in folds(folded):
            events = fold.events("test")
            outputs = network.predict(network.of_run(fold, stage), events.x)
            right.append(outputs.argmax(axis=1) == events.y)
        found = known["stages"][stage]
        assert found["pooled"]["accuracy"] == pytest.approx(np.concatenate(right).mean())
        each = [one.mean() for one in right]
        assert found["mean"]["accuracy"] == pytest.approx(np.mean(each))
        assert found["spread"]["accuracy"] == pytest.approx(np.std(each, ddof=1))
        low, high = found["pooled"]["accuracy_interval"]
        assert low < found["pooled"]["accuracy"] < high


def test_the_ensemble_is_one_model_that_ships_the_same_bits(folded: Run, tmp_path: Path) -> None:
    from hepnn.training import network

    copy = tmp_path / "run"
    shutil.copytree(folded.path, copy)
    run = open_run(copy)
    x = run.events("test").x
    members = [network.predict(network.of_run(fold, "float"), x) for fold in folds(run)]
    whole = network.predict(network.of_run(run, "float"), x)
    assert np.allclose(whole, np.mean(members, axis=0), rtol=1e-5, atol=1e-5)
    entry = run.manifest["stages"]["quantized"]["ensemble"]
    assert entry == {"members": 2, "of": "logits", "divided_by": 2.0}
    found = deployment.deploy(run, ["tflite"])["artefacts"]["tflite"]
    assert found["bit_exact"] and found["promise"] == "exact"
    page = report.write(run).read_text()
    assert "Out of fold: stage quantized" in page and "fold 2" in page


def test_a_single_fold_is_an_ordinary_run(folded: Run, clouds_folder: Path, tmp_path: Path) -> None:
    wanted = {**recipe(clouds_folder, by="stratified", folds=2, fold=2), "compress": []}
    run = pipeline.train(wanted, runs=tmp_path)
    other = folds(folded)[1]
    assert np.array_equal(run.events("test").x, other.events("test").x)
    mine = files.read_json(run.stage("float") / "metrics.json")
    assert mine["loss"] == files.read_json(other.stage("float") / "metrics.json")["loss"]


def test_leaving_one_out_and_training_anew(tmp_path: Path) -> None:
    write_events(tmp_path, *three_clouds(60))
    write_card(tmp_path)
    wanted = recipe(tmp_path, by="leave-one-out", final="retrained")
    wanted |= {
        "compress": [],
        "limit": 22,
        "splits": SPLITS,
    }
    run = pipeline.train(wanted, runs=tmp_path / "runs")
    assert run.folds["folds"] == 4 and run.folds["stages"]["float"]["pooled"]["events"] == 4
    assert "mean" not in run.folds["stages"]["float"]
    assert "ensemble" not in run.manifest["stages"]["float"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["validation.folds=1", "validation.by=kfold"], "greater than or equal to 2"),
        (["validation.folds=5000", "validation.by=kfold"], "5000 folds of 2100 training events"),
        (["validation.folds=900", "validation.by=stratified"], "training events; at most"),
        (["validation.by=leave-one-out"], "set validation.final: retrained"),
        (["validation.by=kfold", "stream=always"], "set stream: never"),
        (["validation.fold=2"], "holdout has none"),
        (["validation.by=stratifed"], "validation.by"),
        (["validation.fold=6", "validation.by=kfold"], "fold 6 of 5 folds"),
    ],
)
def test_bad_input_is_one_line(
    settings: list[str],
    said: str,
    clouds_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "recipe.yaml"
    from hepnn.recipe import dump, load

    path.write_text(dump(load(recipe(clouds_folder))))
    changes = [word for setting in settings for word in ("--set", setting)]
    arguments = ["hepnn", "train", str(path), "--runs", str(tmp_path / "runs"), *changes]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as left:
        main()
    error = capsys.readouterr().err.strip()
    assert left.value.code == 2
    assert said in error.splitlines()[-1] and "Traceback" not in error
    assert not (tmp_path / "runs").exists()


def test_an_ensemble_that_would_mean_nothing_is_refused(clouds_folder: Path) -> None:
    from hepnn import folding
    from hepnn.recipe import load

    made = recipe(clouds_folder, by="kfold", folds=3)
    data = preparation.open_data(load(made))
    for task, reason in (("generate", "no ensemble"), ("reconstruct", "take 2, 4, 8")):
        with pytest.raises(RecipeError, match=reason):
            folding.check(load({**made, "task": task}), data, streamed=False)
        wanted = {**made, "task": task, "validation": {**made["validation"], "final": "retrained"}}
        assert folding.check(load(wanted), data, streamed=False) is not None
