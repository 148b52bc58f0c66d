"""Run folders: what is damaged is told in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from clouds import CLASSES

from hepnn import files, recipe
from hepnn import run as runs
from hepnn.errors import RunError
from hepnn.run import Run, open_run


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(trained.path, folder)
    return folder


def test_a_run_is_found_by_path_name_and_latest(copy: Path) -> None:
    assert open_run(copy).name == "copy"
    assert open_run("copy", copy.parent).name == "copy"
    assert open_run("latest", copy.parent).name == "copy"
    assert open_run(copy).classes == CLASSES
    with pytest.raises(RunError, match="no run 'cpoy'; did you mean 'copy'"):
        open_run("cpoy", copy.parent)
    with pytest.raises(RunError, match="is no run"):
        open_run(copy / "stages")
    with pytest.raises(RunError, match="no run in"):
        open_run("latest", copy / "stages")


def test_the_manifest_says_what_decides_about_the_numbers(copy: Path) -> None:
    manifest = open_run(copy).manifest
    assert manifest["seed"] == 1
    assert {"python", "tensorflow", "keras", "hgq2", "hls4ml", "alkaid"} <= set(
        manifest["versions"]
    )
    assert len(manifest["data"]["fingerprint"]) == 64
    assert manifest["data"]["events"] == {"train": 2100, "validation": 450, "test": 450}
    assert manifest["peak_memory_bytes"] > 0


def test_a_missing_or_changed_model_is_told(copy: Path) -> None:
    opened = open_run(copy)
    path = opened.model_file("float")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(RunError, match="checksum differs"):
        opened.model_file("float")
    path.unlink()
    with pytest.raises(RunError, match="has lost its model"):
        opened.model_file("float")
    with pytest.raises(RunError, match="no stage 'floot'; did you mean 'float'"):
        opened.stage("floot")


def test_a_damaged_model_with_the_right_checksum_is_told(copy: Path) -> None:
    from hepnn.training import network

    path = copy / "stages" / "float" / "model.keras"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(RunError, match="is no Keras model, or is damaged"):
        network.load_model(path)


def test_a_newer_run_is_refused(copy: Path) -> None:
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    files.write_json(path, {**manifest, "format": runs.FORMAT + 1, "hepnn": "99.0"})
    with pytest.raises(RunError, match="written by hepnn 99.0, newer than this one"):
        open_run(copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format"'])
def test_a_damaged_manifest_is_told(copy: Path, content: str) -> None:
    (copy / "manifest.json").write_text(content)
    with pytest.raises(RunError, match="manifest.json.* is damaged"):
        open_run(copy)


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    made_of = recipe.load("jet-tagger")
    runs.create(made_of, tmp_path, "a")
    with pytest.raises(RunError, match="exists"):
        runs.create(made_of, tmp_path, "a")
    with pytest.raises(RunError, match="letters, digits"):
        runs.create(made_of, tmp_path, "../b")
