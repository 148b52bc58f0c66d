"""What targets make of layers: of recipes, runs and models; found once and kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from hepnn import adoption, cli, pipeline, preflight, targets
from hepnn.errors import RecipeError, RunError
from hepnn.recipe import TargetRequest
from hepnn.targets import tflite

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2DTranspose(2, 2, strides=2, name="up")(inputs)
    x = keras.layers.LayerNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    path = tmp_path / "given.keras"
    keras.Model(inputs, keras.layers.Dense(3, name="last")(x)).save(path)
    return path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Return the models that TFLite is asked about, with an empty cache."""
    monkeypatch.setenv("HEPNN_CACHE", str(tmp_path / "cache"))
    seen: list[str] = []
    real = tflite.check

    def check(model, kit):
        seen.append(model.name)
        return real(model, kit)

    monkeypatch.setattr(tflite, "check", check)
    return seen


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["hepnn", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def test_a_model_is_checked_layer_by_layer_and_told_what_helps(model, capsys, monkeypatch) -> None:
    assert command(monkeypatch, "check", str(model), "--json") == 1
    document = json.loads(capsys.readouterr().out)
    rows = {(row["target"], row["layer"]): row for row in document["layers"]}
    assert {target for target, _ in rows} == set(targets.TARGETS)
    assert document["refused"]
    assert rows["hls4ml", "up"]["verdict"] == "refused" and rows["hls4ml", "up"]["reason"]
    assert rows["hls4ml", "up"]["instead"] == "upsample-and-convolve"
    assert rows["hls4ml", "norm"]["instead"] == "normalize-batches"
    assert rows["tflite", "up"]["verdict"] == "approximate"
    assert rows["tflite", "mean"]["instead"] == "pool-powers-of-two"
    assert rows["rtl", "last"]["verdict"] == "refused"


def test_what_helps_helps(model, tmp_path, monkeypatch) -> None:
    """Every layer that hls4ml refuses has a rewrite; with these it refuses none."""
    x = np.random.default_rng(2).normal(size=(200, 6, 6, 2)).astype(np.float32)
    names = ["upsample-and-convolve", "normalize-batches"]
    run = adoption.adopt(model, x, runs=tmp_path, name="helped", rewrite=names)
    assert [one["rewrite"] for one in run.manifest["adopted"]["rewrites"]] == names
    assert [request.name for request in run.recipe.targets] == ["tflite", "hls4ml"]
    rows = preflight.of_run(run, [TargetRequest(name="hls4ml")])
    assert {row["verdict"] for row in rows} == {"approximate"}


def test_a_verdict_is_found_once_for_a_model_a_kit_and_the_versions(
    model, asked, monkeypatch
) -> None:
    request = [TargetRequest(name="tflite")]
    first = preflight.of_file(model, request)
    assert len(asked) == 1
    assert preflight.of_file(model, request) == first
    assert len(asked) == 1
    other = {**preflight.versions(), "tensorflow": "0"}
    monkeypatch.setattr(preflight, "versions", lambda: other)
    assert preflight.of_file(model, request) == first
    assert len(asked) == 2
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(model)
    assert preflight.of_file(model, request) != first
    assert len(asked) == 3


def test_a_damaged_or_unwritable_cache_costs_time_and_no_more(model, asked, tmp_path) -> None:
    request = [TargetRequest(name="tflite")]
    first = preflight.of_file(model, request)
    (kept,) = (tmp_path / "cache" / "preflight").iterdir()
    kept.write_text(kept.read_text()[:50])
    assert preflight.of_file(model, request) == first
    assert len(asked) == 2
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("no folder")
    assert preflight.of_file(model, request) == first
    assert len(asked) == 3


def test_a_recipe_is_known_again_without_building_it(clouds_folder, asked) -> None:
    from clouds import small_recipe

    recipe = small_recipe(clouds_folder)
    rows = pipeline.check(recipe, to=["tflite"])
    assert rows and asked
    count = len(asked)
    assert pipeline.check(recipe, to=["tflite"]) == rows
    assert len(asked) == count
    changed = pipeline.check(recipe, {"architecture.hidden": [3]}, to=["tflite"])
    assert len(asked) > count
    assert len(changed) < len(rows)


def test_what_is_nothing_that_can_be_checked_is_refused(tmp_path) -> None:
    with pytest.raises(RecipeError, match="unknown model 'jet-tager'; did you mean 'jet-tagger'"):
        pipeline.check("jet-tager", runs=tmp_path)
    with pytest.raises(RunError, match="no such file"):
        pipeline.check(tmp_path / "nothing.keras")
