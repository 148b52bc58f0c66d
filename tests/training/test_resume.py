"""A training that was killed ends with the same weights, bit for bit."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from clouds import small_recipe, three_clouds, write_card, write_events

from hepnn import files
from hepnn.errors import HepnnError
from hepnn.run import Run, open_run

KILLER = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
from hepnn import console
console.import_tensorflow()
from hepnn.training import checkpoint
checkpoint.INTERVAL = 0.0
stage, epoch = sys.argv[1], int(sys.argv[2])
save = checkpoint.Checkpoint.save
def save_and_die(self, done, *args, **kwargs):
    save(self, done, *args, **kwargs)
    if stage in str(self._path) and (done.epochs, done.pieces) == (epoch, 0):
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.Checkpoint.save = save_and_die
sys.argv = ["hepnn", *sys.argv[3:]]
from hepnn.cli import main
main()
"""


def _hepnn(*arguments: str, script: str = "from hepnn.cli import main; main()") -> int:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE).returncode


def _weights(run: Run, stage: str) -> list[np.ndarray]:
    from hepnn.training import network

    return [v.numpy() for v in network.load_model(run.model_file(stage)).variables]


@pytest.mark.parametrize(
    ("stage", "epoch"), [pytest.param("pruned", 3, marks=pytest.mark.long), ("quantized", 4)]
)
@pytest.mark.usefixtures("tensorflow")
def test_after_sigkill_the_weights_are_the_same_bits(
    trained: Run, clouds_folder: Path, tmp_path: Path, stage: str, epoch: int
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(small_recipe(clouds_folder)))
    arguments = ("train", str(recipe), "--runs", str(tmp_path), "--name", "killed")
    code = _hepnn(stage, str(epoch), *arguments, script=KILLER)
    assert code == -signal.SIGKILL
    killed = open_run("killed", tmp_path)
    assert stage not in killed.stages
    assert (killed.path / "stages" / stage / "checkpoint.npz").is_file()
    assert not (killed.path / "stages" / stage / "model.keras").exists()
    assert _hepnn("train", "--resume", str(killed.path)) == 0
    resumed = open_run(killed.path)
    assert resumed.stages == trained.stages
    for name in trained.stages:
        for ours, theirs in zip(_weights(resumed, name), _weights(trained, name), strict=True):
            assert np.array_equal(ours, theirs)
        whole = (trained.stage(name) / "history.csv").read_text()
        assert (resumed.stage(name) / "history.csv").read_text() == whole
    assert not list(resumed.path.rglob("checkpoint.npz"))


def test_control_c_is_one_line_and_exit_code_2(clouds_folder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(small_recipe(clouds_folder)))
    script = KILLER.replace("signal.SIGKILL", "signal.SIGINT")
    command = [sys.executable, "-c", script, "float", "2", "train", str(recipe)]
    command += ["--runs", str(tmp_path), "--name", "stopped"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("hepnn:")]
    assert lines == [f"hepnn: interrupted; go on with: hepnn train --resume {tmp_path / 'stopped'}"]
    assert "Traceback" not in done.stderr
    assert open_run("stopped", tmp_path).manifest["status"] == "failed"


@pytest.mark.usefixtures("tensorflow")
def test_resuming_on_other_data_is_refused(trained: Run, tmp_path: Path) -> None:
    from hepnn import pipeline

    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    data = tmp_path / "data"
    data.mkdir()
    write_events(data, *three_clouds(3000, seed=6))
    write_card(data)
    recipe = yaml.safe_load((copy / "recipe.yaml").read_text())
    files.write_text(copy / "recipe.yaml", yaml.safe_dump({**recipe, "dataset": str(data)}))
    with pytest.raises(HepnnError, match="is not what run copy was started on"):
        pipeline.resume(open_run(copy))
