"""What is handed over: every kit, its papers, and a run that bad luck leaves unharmed."""

from __future__ import annotations

import csv
import errno
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from clouds import CLASSES, FEATURES

from hepnn import declarations, deployment, files, handover, report
from hepnn.errors import AgreementBroken, RunError, TargetError
from hepnn.handover import ports
from hepnn.recipe import TargetRequest
from hepnn.run import Run, open_run
from hepnn.targets import hls4ml, vectors
from hepnn.targets import kit as kits
from hepnn.targets.hls4ml import testbench
from hepnn.targets.tools import ToolFailed

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ and make")

#: Kits whose C++ is for another machine's compiler.
WRITTEN_ONLY = {"agilex7"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count no cells and draw nothing."""
    monkeypatch.setattr(report, "write", lambda _: None)
    load = kits.load
    monkeypatch.setattr(kits, "load", lambda name: load(name).unsynthesized())


@pytest.fixture(scope="module")
def run(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a copy of the trained run that wants every target, RTL without its simulation."""
    copy = tmp_path_factory.mktemp("handover") / "run"
    shutil.copytree(trained.path, copy)
    recipe = yaml.safe_load((copy / "recipe.yaml").read_text())
    recipe["targets"] = [
        {"name": "tflite"},
        {"name": "hls4ml"},
        {"name": "rtl", "formats": ["vhdl"]},
        {"name": "cpp"},
    ]
    (copy / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return open_run(copy)


@pytest.mark.parametrize("kit", declarations.names("deploy"))
def test_every_kit_is_shipped_to_with_its_papers(run: Run, quick: None, kit: str) -> None:
    served = kits.load(kit)
    if served.tflite.project == "vela":
        pytest.importorskip("ethosu.vela", reason="needs the extra mobile")
    document = deployment.deploy(run, kit=kit)
    assert document["holds"]
    stage = served.stage or "quantized"
    for target in served.targets:
        folder = run.exports(stage) / target
        written = files.read_json(folder / "target.json")
        assert written["kit"] == kit and written["run"] == run.name
        model = run.path / f"stages/{stage}/model.keras"
        assert written["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
        readme = (folder / "README.md").read_text()
        assert written["sha256"] in readme and f"kit `{kit}`" in readme
        checked = subprocess.run(["sha256sum", "-c", handover.SUMS], cwd=folder, check=False)
        assert checked.returncode == 0
        listed = {line.split("  ")[1] for line in (folder / handover.SUMS).read_text().splitlines()}
        present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        assert listed == present - {handover.SUMS, "target.json"}
        assert bool(written["artefacts"]) == (kit not in WRITTEN_ONLY)
        if target == "tflite":
            continue
        if served.part:
            assert f"`{served.part}`" in readme and f"{served.clock_period_ns:g} ns" in readme
        rows = list(csv.DictReader((folder / ports.NAME).open()))
        assert [row["name"] for row in rows] == FEATURES + CLASSES
        assert all(row["name"] in readme and row["type"] and row["lsb"] for row in rows)
        package = {"hls4ml": "hls4ml", "rtl": "alkaid", "cpp": "hepnn"}[target]
        assert package in readme and (folder / f"LICENSES/{package}.txt").read_text()
        assert ("LGPL-3.0-or-later" if target == "rtl" else "Apache-2.0") in readme


def test_a_kit_that_does_not_serve_a_target_is_one_line(run: Run) -> None:
    with pytest.raises(TargetError) as refused:
        deployment.deploy(run, ["hls4ml"], kit="litert-cpu")
    said = str(refused.value)
    assert said.startswith("kit litert-cpu is for tflite, not for hls4ml; kits for it: ")
    assert "vu13p" in said and "\n" not in said


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def shipped(run: Run, quick: None) -> Run:
    """Return the run with a project of hls4ml."""
    if not (run.exports("quantized") / "hls4ml").exists():
        deployment.deploy(run, ["hls4ml"], kit="arria10")
    return run


@pytest.mark.parametrize(
    ("module", "function"),
    [(testbench, "write"), (hls4ml.files, "write_json"), (handover.ports, "csv")],
)
def test_a_full_disk_leaves_the_run_as_it_was(
    shipped: Run, monkeypatch: pytest.MonkeyPatch, module: Any, function: str
) -> None:
    before = contents(shipped.path)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, function, full)
        with pytest.raises(RunError, match="cannot be written: the disk is full") as refused:
            deployment.deploy(shipped, ["hls4ml"], kit="arria10")
    assert "\n" not in str(refused.value)
    assert contents(shipped.path) == before


def test_a_compiler_that_fails_leaves_its_log_and_the_old_export(
    shipped: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(shipped.path)
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\necho 'network.cpp:3:1: error: no such thing'\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with pytest.raises(ToolFailed, match="broken failed: network.cpp:3:1: error") as failed:
        deployment.deploy(shipped, ["hls4ml"], kit="arria10")
    log = shipped.exports("quantized") / "hls4ml-failed.log"
    assert str(failed.value).endswith(f"its log is {log}")
    assert "no such thing" in log.read_text()
    log.unlink()
    assert contents(shipped.path) == before


def test_a_project_that_differs_on_its_vectors_breaks_the_promise(
    run: Run, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = vectors.described
    monkeypatch.setattr(
        vectors, "described", lambda chosen, origin, _: described(chosen, origin, 3)
    )
    with pytest.raises(AgreementBroken, match="3 of its [0-9]+ test vectors differ from Keras"):
        deployment.deploy(run, ["hls4ml"], kit="arria10")
    readme = (run.exports("quantized") / "hls4ml/README.md").read_text()
    assert "**On 3 of them the project differs: do not use it**" in readme


def test_numbers_have_names_units_and_bits() -> None:
    grid = {"signed": [1, 0, 1, 0], "integer": [2, 3, 0, 0], "fraction": [1, -1, 3, 0]}
    content = {
        "input": {
            "shape": [2, 2],
            "grid": {**grid, "rounding": "RND", "overflow": "WRAP"},
            "port": "model_inp",
            "bits": [[3, 0], [5, 4], [9, 6], None],
            "lsb": [0.5, 2.0, 0.125, 1.0],
        },
        "output": {
            "shape": [1],
            "type": "ap_fixed<6,4>",
            "signed": True,
            "width": 6,
            "lsb": 0.25,
            "port": "out",
            "bits": [[5, 0]],
            "ports": ["out_0"],
        },
    }
    named = [{"name": "pt", "unit": "GeV"}, {"name": "tracks", "unit": "1"}]
    quantities = {"inputs": {"features": named}, "outputs": {"names": ["top"], "targets": None}}
    rows = ports.rows(content, quantities)
    assert [tuple(row.values()) for row in rows] == [
        ("input", "pt[0]", "GeV", "model_inp", "[3:0]", "int4", "0.5", "0.5", "-4", "3.5"),
        ("input", "tracks[0]", "1", "model_inp", "[5:4]", "uint2", "2", "2", "0", "6"),
        ("input", "pt[1]", "GeV", "model_inp", "[9:6]", "int4", "0.125", "0.125", "-1", "0.875"),
        ("input", "tracks[1]", "1", "model_inp", "none: not used", "uint0", "1", "1", "0", "0"),
        ("output", "top", "1", "out_0", "[5:0]", "ap_fixed<6,4>", "0.25", "", "-8", "7.75"),
    ]
    assert ports.csv(rows).splitlines()[1].startswith("input,pt[0],GeV,model_inp,[3:0],int4,0.5")


def test_two_targets_that_would_share_a_folder_are_refused() -> None:
    stages = ["float", "quantized"]

    def of(*wanted: dict[str, Any], merging: bool = False) -> list[tuple[str, str | None]]:
        requests = [TargetRequest(**one) for one in wanted]
        found = deployment.one_a_folder(requests, stages, merging)
        return [(one.name, one.stage) for one in found]

    last, first = {"name": "tflite"}, {"name": "tflite", "stage": "float", "formats": ["int8"]}
    assert of(first, last) == [("tflite", "float"), ("tflite", "quantized")]
    assert of(last, {**last, "part": "z"}) == [("tflite", "quantized")] * 2
    assert of(last, {**last, "stage": "quantized"}) == [("tflite", "quantized")]
    with pytest.raises(TargetError, match="two targets are both tflite of stage quantized"):
        of(last, {**last, "options": {"threads": 2}})
    # A kit that takes one stage alone makes one of two.
    mobile = {**last, "kit": "ethos-u"}
    with pytest.raises(TargetError, match="both tflite of stage float"):
        of(first, mobile)
    assert of(first, mobile, merging=True) == [("tflite", "float")]
