"""The whole path on a small network: trained, shipped to every target, equal to the bit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from clouds import small_recipe, three_clouds

from hepnn import files, targets
from hepnn.errors import RecipeError, RunError, TargetError
from hepnn.run import Run, open_run

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ and make")


@pytest.fixture(scope="module")
def shipped(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a copy of the trained run, shipped to every target."""
    from hepnn import deployment

    copy = tmp_path_factory.mktemp("shipped") / "run"
    shutil.copytree(trained.path, copy)
    run = open_run(copy)
    deployment.deploy(run, ["tflite"], stage="float")
    deployment.deploy(run, list(targets.TARGETS))
    return run


def test_every_target_gives_the_same_bits_on_all_test_events(shipped: Run) -> None:
    document = files.read_json(shipped.path / "agreement.json")
    assert document["holds"] is True
    assert document["stage"] == "quantized"
    assert document["events"] == 450
    assert set(document["artefacts"]) == {"tflite", "hls4ml", "rtl", "rtl-interpreter", "cpp"}
    for name, figures in document["artefacts"].items():
        assert figures["bit_exact"], name
        assert figures["mismatches"] == 0
        assert figures["max_abs_diff"] == figures["decision_flips"] == 0.0


def test_the_artefacts_agree_on_events_far_outside_the_training(shipped: Run) -> None:
    from hepnn.training import network

    x, _ = three_clouds(500, seed=9)
    x = np.concatenate([x, x * 50, -x, x * 1e6]).astype(np.float32)
    reference = network.predict(network.load_model(shipped.model_file("quantized")), x)
    for name in targets.TARGETS:
        for artefact in targets.get(name).load(shipped.exports("quantized") / name):
            assert np.array_equal(artefact.predict(x).reshape(reference.shape), reference), (
                artefact.name
            )


def test_the_pruned_weights_are_zero_in_the_shipped_files(shipped: Run) -> None:
    """What was pruned costs nothing: the Verilog shrinks with the kernel's zeros."""
    from ai_edge_litert.interpreter import Interpreter

    folder = shipped.exports("quantized") / "tflite"
    (path,) = folder.glob("*.tflite")
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    zeros = {}
    for detail in interpreter.get_tensor_details():
        if len(detail["shape"]) == 2 and detail["dtype"] == np.float32:
            try:
                value = interpreter.get_tensor(detail["index"])
            except ValueError:  # no constant
                continue
            if value.shape[0] > 1 and "input_scaling" not in detail["name"]:
                zeros[detail["name"]] = np.mean(value == 0)
    assert len(zeros) == 3
    assert all(share >= 0.45 for share in zeros.values()), zeros


def test_agree_from_the_shell_prints_json_and_exits_0(shipped: Run) -> None:
    command = [sys.executable, "-m", "hepnn.cli", "agree", str(shipped.path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["holds"] is True
    assert set(document["stages"]) == {"float", "quantized"}


def test_a_run_can_be_moved(shipped: Run, tmp_path: Path) -> None:
    from hepnn import agreement

    moved = tmp_path / "elsewhere"
    shutil.copytree(shipped.path, moved)
    shutil.rmtree(moved / "exports" / "float")
    assert agreement.agree(open_run(moved), events=50)["holds"] is True


def test_the_report_has_every_target(shipped: Run) -> None:
    page = (shipped.path / "report.html").read_text()
    for name in ("tflite", "hls4ml", "rtl", "rtl-interpreter", "float", "pruned", "quantized"):
        assert name in page


def test_fixed_bits_are_as_exact(clouds_folder: Path, tmp_path: Path) -> None:
    """The QKeras way: saturating lanes, rounded to even."""
    from hepnn import pipeline

    recipe: dict[str, Any] = {
        **small_recipe(clouds_folder),
        "compress": [{"step": "quantize", "method": "qkeras", "bits": 6, "fit": {"epochs": 4}}],
        "targets": [{"name": "tflite"}, {"name": "hls4ml"}, {"name": "rtl"}],
    }
    run = pipeline.train(recipe, runs=tmp_path, deploy=True)
    document = files.read_json(run.path / "agreement.json")
    assert all(figures["bit_exact"] for figures in document["artefacts"].values())


def test_a_layer_that_a_target_refuses_is_named_before_training(
    clouds_folder: Path, tmp_path: Path
) -> None:
    from hepnn import pipeline

    recipe = {
        **small_recipe(clouds_folder),
        "compress": [],
        "targets": [{"name": "rtl"}],
    }
    with pytest.raises(TargetError, match="target rtl refuses layer .* of stage float: .*fixed"):
        pipeline.train(recipe, runs=tmp_path, name="refused")
    run = open_run("refused", tmp_path)
    assert run.stages == []
    assert run.manifest["failed"]["step"] == "preflight"


def test_an_activation_without_fixed_point_is_refused_before_training(
    clouds_folder: Path, tmp_path: Path
) -> None:
    from hepnn import pipeline

    recipe = {**small_recipe(clouds_folder), "targets": [{"name": "tflite"}]}
    recipe["architecture"] = {"name": "mlp", "hidden": [4], "activation": "softmax"}
    with pytest.raises((RecipeError, TargetError), match="softmax"):
        pipeline.train(recipe, runs=tmp_path, name="refused")


def test_check_lists_every_layer_and_target(clouds_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    wanted = [{"name": name} for name in targets.TARGETS]
    path.write_text(yaml.safe_dump({**small_recipe(clouds_folder), "targets": wanted}))
    command = [sys.executable, "-m", "hepnn.cli", "check", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    seen = {(row["target"], row["layer"]) for row in document["layers"]}
    layers = {"input_scaling", "dense1", "dense2", "logits"}
    assert seen >= {(target, layer) for target in targets.TARGETS for layer in layers}
    assert not document["refused"]


def test_a_changed_export_is_refused_by_its_checksum_or_disagrees(
    shipped: Run, tmp_path: Path
) -> None:
    from hepnn import agreement

    copy = tmp_path / "copy"
    shutil.copytree(shipped.path, copy)
    (path,) = (copy / "exports" / "quantized" / "tflite").glob("*.tflite")
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises((RunError, TargetError)):
        agreement.agree(open_run(copy))
