"""Sweeps over compression: every point a run, the front of those that none beats."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from clouds import small_recipe

from hepnn import cli, deployment, evaluation, pipeline, series
from hepnn.errors import RecipeError
from hepnn.run import open_run
from hepnn.search import figures
from hepnn.search import sweep as sweeps

pytestmark = pytest.mark.usefixtures("tensorflow")

SETTINGS = {"compress.prune.sparsity": [0.6], "compress.quantize.beta.last": [1e-6, 1e-3]}


@pytest.fixture(scope="module")
def swept(clouds_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("sweep")
    return folder, sweeps.sweep(small_recipe(clouds_folder), SETTINGS, seeds=[1, 2], folder=folder)


def test_every_combination_is_a_run_that_can_be_shipped(swept) -> None:
    folder, document = swept
    points = document["points"]
    assert [point["set"]["compress.prune.sparsity"] for point in points] == [0.6, 0.6]
    assert all(len(point["runs"]) == 2 for point in points)
    names = [name for point in points for name in point["runs"]]
    assert len(set(names)) == 4
    run = open_run(folder / points[1]["runs"][1])
    assert run.recipe.seed == 2 and run.recipe.compress[0].sparsity == 0.6
    found = deployment.deploy(run, ["tflite"])["artefacts"]["tflite"]
    assert found["bit_exact"]
    assert (folder / sweeps.PICTURE).read_text().startswith("<?xml")


def test_what_is_pressed_more_costs_less(swept) -> None:
    _, document = swept
    loose, tight = document["points"]
    assert tight["cost"] < loose["cost"]


def test_all_settings_of_a_seed_go_on_from_one_float_stage(swept) -> None:
    folder, document = swept
    runs = [open_run(folder / point["runs"][0]) for point in document["points"]]
    assert len({run.manifest["stages"]["float"]["sha256"] for run in runs}) == 1
    other = open_run(folder / document["points"][0]["runs"][1])
    assert (
        other.manifest["stages"]["float"]["sha256"] != runs[0].manifest["stages"]["float"]["sha256"]
    )


def test_figures_are_of_validation_events(swept) -> None:
    folder, document = swept
    run = open_run(folder / document["points"][0]["runs"][0])
    from hepnn.tasks import get
    from hepnn.training import network

    events = run.events("validation")
    outputs = network.predict(network.of_run(run, "quantized"), events.x)
    accuracy = (get("classify").decisions(outputs) == events.y).mean()
    kept = json.loads((run.path / figures.FILE).read_text())
    assert kept["metrics"]["accuracy"] == pytest.approx(accuracy)
    test = evaluation.evaluate(run)["stages"]["quantized"]["accuracy"]
    assert test != kept["metrics"]["accuracy"]


def test_a_point_is_on_the_front_unless_another_is_as_good_for_less() -> None:
    def point(reached, spent):
        figures = {"metrics": {"accuracy": reached}, "costs": {"luts": spent}}
        return {"n": spent}, [{**figures, "stage": "quantized", "run": "r"}]

    points = [point(0.7, 100), point(0.8, 200), point(0.75, 300), point(0.7, 90), point(0.8, 200)]
    rows = sweeps.result(points, "accuracy", "luts")["points"]
    assert [row["front"] for row in rows] == [False, True, False, True, True]


def test_a_sweep_goes_on_where_it_was(swept, clouds_folder, monkeypatch, capsys) -> None:
    folder, document = swept

    def nothing(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(pipeline, "train", nothing)
    monkeypatch.setattr(pipeline, "resume", nothing)
    recipe = folder / "recipe.json"
    recipe.write_text(json.dumps(small_recipe(clouds_folder)))
    recipe = recipe.rename(folder / "recipe.yaml")
    argv = ["hepnn", "compress", str(recipe), "--out", str(folder), "--json", "--cost", "ebops"]
    argv += [part for key, values in SETTINGS.items() for part in ("--sweep", f"{key}={values}")]
    argv += ["--seeds", "1", "--seeds", "2", "--metric", "efficiency_at_background.0.1.low"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    again = json.loads(capsys.readouterr().out)
    assert [one["runs"] for one in again["points"]] == [one["runs"] for one in document["points"]]
    assert again["cost"] == "ebops" and 0 < again["points"][0]["metric"] < 1
    with pytest.raises(RecipeError, match="has another recipe: give another --out"):
        sweeps.sweep(recipe, {"compress.prune.sparsity": [0.3]}, folder=folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": {}}, "nothing to sweep over"),
        ({"settings": {"compress.prune.sparsity": []}}, "nothing to sweep over"),
        ({"settings": {"compress.prune.sparsty": [0.1]}}, "unknown key .*sparsty"),
        ({"metric": "acuracy"}, "did you mean 'accuracy'"),
        ({"seeds": [1, 2, 1]}, "seed 1 is given twice"),
        ({"settings": {"compress.prune.sparsity": [0.5, 0.5]}}, "value 0.5 is given twice"),
        ({"cost": "lut"}, "unknown cost 'lut'; did you mean 'luts'"),
        ({"overrides": {"compress": []}, "settings": {"fit.epochs": [1]}}, "no compression steps"),
    ],
)
def test_what_cannot_be_swept_is_refused_first(changes, message, clouds_folder, tmp_path) -> None:
    options = {"settings": SETTINGS, "folder": tmp_path / "out", **changes}
    with pytest.raises(RecipeError, match=message):
        sweeps.sweep(small_recipe(clouds_folder), options.pop("settings"), **options)
    assert not (tmp_path / "out").exists()


def test_an_unknown_figure_is_told() -> None:
    metrics = {"accuracy": 0.5, "auc": {"a": 0.7, "b": 0.9}, "confusion": [[1]]}
    assert figures.figure(metrics, "auc") == pytest.approx(0.8)
    assert figures.figure(metrics, "auc.b") == 0.9
    for name, message in (("acuracy", "did you mean 'accuracy'"), ("confusion", "is no number")):
        with pytest.raises(RecipeError, match=message):
            figures.figure(metrics, name)


def test_the_stage_that_settings_share_is_for_no_target(clouds_folder, tmp_path) -> None:
    """A target that takes fixed point alone refuses the float stage when it is the last one."""
    content = small_recipe(clouds_folder) | {"targets": [{"name": "rtl"}]}
    assert content["compress"]
    shared = series.of_float(content, {"seed": 1}, tmp_path).recipe
    assert not shared.targets and not shared.compress
