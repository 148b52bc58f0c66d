"""Training on several devices gives what one device gives, and a lost worker ends it.

Two logical CPU devices in one process, and two workers on the loopback address.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from clouds import small_recipe

from hepnn.run import open_run

SCRIPT = Path(__file__).with_name("replicas.py")

#: Loss and metrics after a hundred steps on the same batches.
TOLERANCE = 1e-5

#: Seconds in which everything has to have ended, on a busy machine too.
BOUND = 1500


def _start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    known = {**os.environ, "NO_COLOR": "1", **environment}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=known
    )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("mirrored") / "out.json"
    process = _start("mirrored", str(out))
    said = process.communicate(timeout=BOUND)
    assert process.returncode == 0, said
    return dict(json.loads(out.read_text()))


def _job(what: str, clouds_folder: Path, folder: Path) -> dict[str, Any]:
    """Run two workers, and return what they said and left."""
    recipe = folder / "recipe.yaml"
    content = small_recipe(clouds_folder)
    content |= {"compress": [], "fit": {"epochs": 6, "batch": 100, "learning_rate": 0.01}}
    recipe.write_text(yaml.safe_dump(content))
    nodes = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    processes = []
    for number in range(2):
        task = {"type": "worker", "index": number}
        config = json.dumps({"cluster": {"worker": nodes}, "task": task})
        out = str(folder / f"out{number}.json")
        arguments = (what, out, str(recipe), str(folder / "runs"))
        processes.append(_start(*arguments, TF_CONFIG=config))
    began = time.monotonic()
    said = [process.communicate(timeout=BOUND) for process in processes]
    print(said)
    return {
        "folder": folder,
        "codes": [process.returncode for process in processes],
        "said": said,
        "seconds": time.monotonic() - began,
    }


@pytest.fixture(scope="module")
def workers(clouds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    job = _job("workers", clouds_folder, tmp_path_factory.mktemp("workers"))
    written = [job["folder"] / f"out{number}.json" for number in range(2)]
    return {**job, "found": [json.loads(one.read_text()) for one in written]}


@pytest.fixture(scope="module")
def chief(clouds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _job("chief", clouds_folder, tmp_path_factory.mktemp("chief"))


@pytest.mark.parametrize("kind", ["normalized", "quantized", "clipped", "taught"])
def test_two_devices_of_one_machine_give_one_devices_loss(
    mirrored: dict[str, Any], kind: str
) -> None:
    found = mirrored[kind]
    assert found["engines"] == ["epoch", "replicas"]
    assert {"loss", "accuracy", "val_loss", "learning_rate"} <= set(found["metrics"])
    assert max(found["history"].values()) < TOLERANCE, found
    assert found["weights"] < 1e-4
    if kind in ("clipped", "taught"):  # it was clipped, and by far
        assert min(found["norms"]) > 0.1


def test_what_is_infinite_on_one_device_is_so_on_all(mirrored: dict[str, Any]) -> None:
    found = mirrored["scaled"]
    # Sums in half of the bits; a step that one device skipped alone would leave no number.
    assert max(found["history"].values()) < 1e-3, found
    assert found["weights"] < 1e-3


@pytest.mark.parametrize("kind", ["float", "clipped"])
def test_two_workers_give_one_devices_loss(workers: dict[str, Any], kind: str) -> None:
    first, second = (found[kind] for found in workers["found"])
    assert first["engines"] == ["epoch", "replicas"]
    assert max(first["history"].values()) < TOLERANCE, first
    assert first["loss"] == second["loss"]  # of all devices, the same everywhere
    assert first["weights"] < 1e-4


def test_workers_with_other_data_are_refused_by_all(workers: dict[str, Any]) -> None:
    for found in workers["found"]:
        assert "worker 1 (127.0.0.1" in found["data"]
        assert "has another data than worker 0" in found["data"]


def _insist_on_one_line(job: dict[str, Any], left: int) -> None:
    codes = [-9, -9]
    codes[left] = 2
    assert job["codes"] == codes, job["said"]
    said = job["said"][left][1]
    lines = [line for line in said.splitlines() if line.startswith("hepnn:")]
    assert len(lines) == 1 and lines[0].startswith("hepnn: a worker was lost: start all of them")
    assert "Traceback" not in said


def test_a_killed_worker_ends_the_job_with_one_line(workers: dict[str, Any]) -> None:
    _insist_on_one_line(workers, left=0)
    # Only the chief has written.
    assert sorted(path.name for path in (workers["folder"] / "runs").iterdir()) == ["both"]
    run = open_run(workers["folder"] / "runs" / "both")
    assert run.manifest["status"] == "failed" and not run.stages


def test_a_killed_chief_ends_the_job_with_one_line(chief: dict[str, Any]) -> None:
    _insist_on_one_line(chief, left=1)
    assert not open_run(chief["folder"] / "runs" / "both").stages


@pytest.mark.parametrize("job", ["workers", "chief"])
@pytest.mark.usefixtures("tensorflow")
def test_the_job_goes_on_from_the_last_checkpoint(job: str, request: pytest.FixtureRequest) -> None:
    from hepnn import pipeline
    from hepnn.training import checkpoint

    folder = request.getfixturevalue(job)["folder"]
    run = open_run(folder / "runs" / "both")
    saved = run.path / "stages" / "float" / "checkpoint.npz"
    # The third epoch was under way.
    assert checkpoint.Checkpoint(saved, None, [], 1.0).done().epochs == 2
    whole = pipeline.train(run.recipe, runs=folder, name="whole")
    resumed = pipeline.resume(run)
    assert resumed.stages == run.recipe.stages
    assert not saved.exists()
    for name in ("loss", "val_loss"):
        ours, theirs = (_history(one, name) for one in (resumed, whole))
        assert len(ours) == 6
        assert ours == pytest.approx(theirs, abs=1e-4)


def _history(run: Any, name: str) -> list[float]:
    lines = (run.stage("float") / "history.csv").read_text().splitlines()
    column = lines[0].split(",").index(name)
    return [float(line.split(",")[column]) for line in lines[1:]]


def test_what_is_for_one_device_alone_is_refused(mirrored: dict[str, Any]) -> None:
    assert "63 events cannot be shared evenly by 2 devices; 62 can" in mirrored["odd"]
    assert "training by auxiliary is for one device alone" in mirrored["rule"]


def test_nan_is_found_on_all_devices(mirrored: dict[str, Any]) -> None:
    assert mirrored["bad"].startswith("NaN or infinity at step")
    assert "the output of layer" in mirrored["bad"]
