"""Who trains together, from what the environment says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from hepnn import declarations
from hepnn.errors import HepnnError
from hepnn.training import cluster, devices

JOBS = [path.parent.name for path in declarations.root("deploy").glob("*/train.s[bu]*")]


def test_tf_config_is_understood() -> None:
    text = json.dumps(
        {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    )
    found = cluster.find({"TF_CONFIG": text})
    assert found is not None
    assert (found.workers, found.number, found.chief) == (("a:1", "b:2"), 1, False)
    assert json.loads(found.config()) == json.loads(text)


def test_a_chief_of_its_own_is_the_first_worker() -> None:
    nodes = {"chief": ["c:1"], "worker": ["a:1", "b:2"]}
    for kind, index, number in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        text = json.dumps({"cluster": nodes, "task": {"type": kind, "index": index}})
        found = cluster.find({"TF_CONFIG": text})
        assert found is not None and found.number == number
        assert found.workers == ("c:1", "a:1", "b:2")


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": "{}"}, {"SLURM_STEP_NUM_TASKS": "1"}])
def test_without_workers_there_is_no_cluster(environment: dict[str, str]) -> None:
    assert cluster.find(environment) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "TF_CONFIG is no JSON"),
        ("[1]", "TF_CONFIG is no JSON"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"index": 3}}', "task 3 of 1 workers"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"index": -1}}', "task -1 of 1 workers"),
        ('{"cluster": {"worker": "a:1"}}', "'a' is no address host:port"),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "evaluator"}}',
            "a task of type 'evaluator'; a training has chief and worker",
        ),
    ],
)
def test_a_wrong_tf_config_is_refused(text: str, said: str) -> None:
    with pytest.raises(HepnnError, match=said):
        cluster.find({"TF_CONFIG": text})


def test_slurm_is_understood() -> None:
    environment = {
        "SLURM_PROCID": "2",
        "SLURM_STEP_NUM_TASKS": "5",
        "SLURM_STEP_NODELIST": "node[9-10,12],gpu",
        "SLURM_STEP_TASKS_PER_NODE": "1(x3),2",
    }
    found = cluster.find(environment)
    assert found is not None
    first = cluster.SLURM_PORT
    # In Slurm's order, in which it numbers the tasks: 9 before 10.
    places = ["node9:0", "node10:0", "node12:0", "gpu:0", "gpu:1"]
    names = [place.split(":") for place in places]
    assert found.workers == tuple(f"{host}:{first + int(task)}" for host, task in names)
    assert found.number == 2
    assert json.loads(environment["TF_CONFIG"])["task"] == {"type": "worker", "index": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_STEP_NODELIST": "node[1-2"},
        {"SLURM_STEP_NODELIST": "node[1-3]"},
        {"SLURM_STEP_TASKS_PER_NODE": "2(x2)"},
        {"SLURM_PROCID": "x"},
        {"SLURM_PROCID": "2"},
        {"SLURM_STEP_NUM_TASKS": "two"},
    ],
)
def test_wrong_slurm_variables_are_refused(changes: dict[str, str]) -> None:
    environment = {
        "SLURM_PROCID": "1",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "node[1-2]",
        "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
    }
    assert cluster.find(dict(environment)) is not None
    with pytest.raises(HepnnError, match="SLURM_|Slurm"):
        cluster.find({**environment, **changes})


def test_htcondors_node_file_is_understood(tmp_path: Path) -> None:
    environment = {
        "_CONDOR_NPROCS": "2",
        "_CONDOR_PROCNO": "0",
        "_CONDOR_SCRATCH_DIR": str(tmp_path),
    }
    with pytest.raises(HepnnError, match="node file .* is missing"):
        cluster.find(dict(environment))
    (tmp_path / "nodes").write_text("1 b.pool 12322\n0 a.pool 12321\n")
    found = cluster.find(environment)
    assert found is not None
    assert (found.workers, found.number) == (("a.pool:12321", "b.pool:12322"), 0)
    (tmp_path / "nodes").write_text("0 a.pool 12321\n")
    del environment["TF_CONFIG"]
    with pytest.raises(HepnnError, match="no line for worker 1 of 2"):
        cluster.find(environment)
    with pytest.raises(HepnnError, match="_CONDOR_NPROCS is no number: '1x'"):
        cluster.find({**environment, "_CONDOR_NPROCS": "1x"})
    (tmp_path / "nodes").write_text("0 a.pool\n")
    with pytest.raises(HepnnError, match="expected lines `number host port`"):
        cluster.find(environment)


def test_strategies_that_cannot_be_had_are_refused(
    monkeypatch: pytest.MonkeyPatch, tensorflow: None
) -> None:
    for name in ("TF_CONFIG", "TPU_NAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(HepnnError, match="did you mean 'mirrored'"):
        devices.Devices("miror")
    with pytest.raises(HepnnError, match="multiworker: no workers; set TF_CONFIG"):
        devices.Devices("multiworker")
    with pytest.raises(HepnnError, match="mirrored: there is one device"):
        devices.Devices("mirrored").open()
    with pytest.raises(HepnnError, match="there is no TPU here"):
        devices.Devices("tpu").open()


@pytest.mark.parametrize("kit", sorted(JOBS))
def test_job_files_are_shell_and_start_the_command(kit: str) -> None:
    folder = declarations.root("deploy") / kit
    assert kit not in declarations.names("deploy")  # it is no kit
    assert "was not run" in " ".join((folder / "card.md").read_text().split()) or (
        "was run in a pool" in " ".join((folder / "card.md").read_text().split())
    )
    scripts = [path for path in folder.iterdir() if path.read_text().startswith("#!/bin/bash")]
    assert scripts
    for script in scripts:
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
        assert re.search(r"hepnn train \"\$@\" --strategy multiworker\n", script.read_text())


def test_there_are_both_job_files() -> None:
    assert sorted(JOBS) == ["htcondor", "slurm"]
