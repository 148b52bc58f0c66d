"""The command line: quick, scriptable, and one line for a mistake."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from clouds import small_recipe

from hepnn import cli
from hepnn.run import Run


def hepnn(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hepnn.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list", "models"], ["list", "targets", "--json"], ["train", "jet-tager"]],
)
def test_light_commands_import_no_tensorflow(arguments: list[str]) -> None:
    script = (
        f"import sys; sys.argv = ['hepnn', *{arguments!r}]\n"
        "from hepnn.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'hls4ml'} & set(sys.modules)\n"
        "print('heavy:', sorted(heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy: []", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "jet-tager"], "unknown model 'jet-tager'; did you mean 'jet-tagger'?"),
        (["train", "jet-tagger", "--set", "fit.epoch=3"], "did you mean 'epochs'?"),
        (["train", "jet-tagger", "--set", "dataset=jest"], "did you mean 'jets'?"),
        (["train", "jet-tagger", "--set", "inputs=[mas_mmdt]"], "did you mean 'mass_mmdt'?"),
        (["train", "jet-tagger", "--set", "architecture.name=mpl"], "did you mean 'mlp'?"),
        (["train"], "give a RECIPE"),
        (["agree", "nothing", "--runs", "/nowhere"], "no run 'nothing'"),
        (["deploy", "/tmp"], "is no run"),
        (["evaluate", "latest", "--runs", "/nowhere"], "no run in /nowhere"),
        (["list", "model"], "did you mean 'models'?"),
        (["data", "make", "jet", "--out", "x"], "did you mean 'jets'?"),
        (["data", "inspect", "digit"], "did you mean 'digits'?"),
        (["train", "jet-tagger", "--runs", "/dev/null/runs"], "/dev/null/runs"),
        (["data", "make", "jets", "--out", "/dev/null/jets"], "/dev/null/jets"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    done = hepnn(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("hepnn: ")
    assert message in lines[0]


def test_an_unknown_target_is_told_before_training(clouds: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({**small_recipe(clouds), "targets": [{"name": "tflit"}]}))
    done = hepnn("train", str(recipe), "--runs", str(tmp_path / "runs"), "--name", "r")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "hepnn: unknown target 'tflit'; did you mean 'tflite'?"
    )


def test_debug_shows_the_traceback() -> None:
    assert "Traceback" in hepnn("--debug", "train", "jet-tager").stderr


@pytest.mark.parametrize(
    "what",
    [
        "models",
        "datasets",
        "generators",
        "functions",
        "targets",
        "kits",
        "architectures",
    ],
)
def test_lists_are_tables_and_json(what: str) -> None:
    document = json.loads(hepnn("list", what, "--json").stdout)
    names = [row["name"] for row in document[what]]
    assert names
    table = hepnn("list", what).stdout
    assert all(name in table for name in names)


def test_evaluate_prints_one_json_document(trained: Run) -> None:
    done = hepnn("evaluate", str(trained.path), "--json")
    assert done.returncode == 0
    stages = json.loads(done.stdout)["stages"]
    assert list(stages) == ["float", "pruned", "quantized"]
    assert 0.6 < stages["float"]["accuracy"] < 1
    assert set(stages["float"]["auc"]) == {"low", "middle", "high"}
    assert set(stages["float"]["efficiency_at_background"]["0.01"]) == {"low", "middle", "high"}


def test_evaluating_on_the_datasets_own_file(trained: Run, clouds_folder: Path) -> None:
    done = hepnn("evaluate", str(trained.path), "--dataset", str(clouds_folder), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stages"]["float"]["events"] == 3000


def test_an_untrained_run_has_nothing_to_compare(trained: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained.path, copy)
    done = hepnn("agree", str(copy))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith(f"hepnn deploy {copy}")


def test_every_command_has_a_help_with_an_example() -> None:
    group = typer.main.get_command(cli.app)
    commands = dict(group.commands)
    commands.update({f"data {k}": v for k, v in commands.pop("data").commands.items()})
    for name, command in commands.items():
        assert re.search(rf"Example: hepnn {name} ", command.help or ""), name
