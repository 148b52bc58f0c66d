"""Searches: every trial a run, none lost or repeated by a kill, figures of validation alone."""

from __future__ import annotations

import json
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml
from clouds import small_recipe

from hepnn import cli, deployment, files
from hepnn.errors import HepnnError, MissingDependency, RecipeError
from hepnn.run import open_run
from hepnn.search import figures, tune, work
from hepnn.search.crew import Event

pytest.importorskip("optuna", reason="needs the extra 'scale'")
pytestmark = pytest.mark.usefixtures("tensorflow")

RATE = {"low": 1e-4, "high": 1e-1, "log": True}
SPACE = {"fit.learning_rate": RATE, "architecture.hidden": [[4], [8, 8]]}
OPTIONS = {"method": "random", "pruner": "asha", "trials": 5, "workers": 1}
EPOCHS = 6


def recipe_in(folder: Path, data: Path) -> Path:
    """Write a recipe that trains in a moment."""
    content = small_recipe(data) | {"compress": [], "limit": 600, "search": SPACE}
    content["fit"] = {"epochs": EPOCHS, "batch": 64}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


class Inline:
    """A crew of one, in a thread of this process."""

    def __init__(self, *_) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.answers: queue.Queue[bool] = queue.Queue()
        self.busy = False

    def room(self) -> int:
        return int(not self.busy)

    def submit(self, number, job, folder) -> None:
        self.busy = True

        def report(epochs, logs) -> bool:
            self.events.put(Event(number, "epoch", epochs, logs))
            return self.answers.get() if job.judged else True

        def run() -> None:
            try:
                work.do(job, folder, report)
                self.events.put(Event(number, "done"))
            except work.Stopped:
                self.events.put(Event(number, "stopped"))
            except Exception as error:
                self.events.put(Event(number, "failed", why=str(error)))

        threading.Thread(target=run, daemon=True).start()

    def receive(self) -> Event:
        event = self.events.get()
        self.busy = event.what == "epoch"
        return event

    def answer(self, number, goes_on) -> None:
        self.answers.put(goes_on)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        pass


@pytest.fixture
def inline(monkeypatch) -> None:
    monkeypatch.setattr(tune, "_crew", Inline)


@pytest.fixture(scope="module")
def recipe(clouds_folder, tmp_path_factory) -> Path:
    return recipe_in(tmp_path_factory.mktemp("recipe"), clouds_folder)


@pytest.fixture(scope="module")
def searched(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    return folder, tune.tune(recipe, **OPTIONS, folder=folder)


def trials_of(document) -> list:
    keys = ("trial", "state", "set", "values", "epochs")
    return [{key: row.get(key) for key in keys} for row in document["trials"]]


def epochs_of(folder: Path, trial: int) -> int:
    lines = (folder / f"trial{trial}-seed1/stages/float/history.csv").read_text().splitlines()
    return len(lines) - 1


def test_every_trial_is_a_run_and_its_figures_are_of_validation(searched) -> None:
    folder, document = searched
    assert document["counts"]["complete"] + document["counts"]["stopped"] == 5
    assert document["counts"]["stopped"] > 0
    done = [row for row in document["trials"] if row["state"] == "complete"]
    for row in done:
        run = open_run(folder / row["runs"][0])
        assert run.recipe.fit.learning_rate == row["set"]["fit.learning_rate"]
        assert run.recipe.architecture.hyper["hidden"] == row["set"]["architecture.hidden"]
        from hepnn.tasks import get
        from hepnn.training import network

        events = run.events("validation")
        outputs = network.predict(network.of_run(run, "float"), events.x)
        accuracy = float((get("classify").decisions(outputs) == events.y).mean())
        assert row["values"]["accuracy"] == pytest.approx(accuracy)
    best = max(done, key=lambda row: row["values"]["accuracy"])
    assert document["trials"][document["best"] - 1]["values"] == best["values"]
    assert (folder / "history.svg").read_text().startswith("<?xml")


KILLED = """
import os, signal, sys
from pathlib import Path
from hepnn.search import tune
hear = tune.Search._hear
def until(self, crew, event, shown):
    if event.number == {number} and event.epochs == {epochs}:
        os.kill(os.getpid(), signal.SIGKILL)
    hear(self, crew, event, shown)
tune.Search._hear = until
tune.tune(Path({recipe!r}), **{options!r}, folder=Path({folder!r}))
"""


@pytest.mark.long
def test_a_search_killed_in_a_trial_loses_none_and_repeats_none(searched, recipe, tmp_path) -> None:
    first, whole = searched
    number = whole["best"] - 1  # one that trains to its end
    shutil.copy(first / "plan.json", tmp_path)  # as if begun: it is not rehearsed again
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            KILLED.format(
                number=number, epochs=4, recipe=str(recipe), options=OPTIONS, folder=str(tmp_path)
            ),
        ],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "search.json").exists()
    before = {path.parent.name: path.read_bytes() for path in tmp_path.glob("trial*/manifest.json")}
    assert len(before) == number + 1
    again = tune.tune(recipe, **OPTIONS, folder=tmp_path)
    assert trials_of(again) == trials_of(whole)
    assert again["counts"]["unfinished"] == 0
    assert len(list(tmp_path.glob("trial*"))) == 5
    for row in again["trials"]:
        if row["state"] == "complete":
            assert epochs_of(tmp_path, row["trial"]) == EPOCHS
    for name, content in before.items():  # what was finished was not touched again
        if name != f"trial{number + 1}-seed1":
            assert (tmp_path / name / "manifest.json").read_bytes() == content
    ours, theirs = (
        folder / f"trial{number + 1}-seed1/stages/float/history.csv" for folder in (tmp_path, first)
    )
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_finished_search_trains_nothing_and_another_is_refused(
    searched, recipe, monkeypatch, capsys
) -> None:
    folder, document = searched

    def nothing(*args):
        raise AssertionError("trained again")

    monkeypatch.setattr("hepnn.search.pool.Process", nothing)
    argv = ["hepnn", "tune", str(recipe), "--out", str(folder), "--method", "random", "--trials"]
    argv += ["5", "--pruner", "asha"]
    for more, code, found in (
        (["--json"], 0, lambda out, err: json.loads(out) == json.loads(json.dumps(document))),
        ([], 0, lambda out, err: out.splitlines()[-1].startswith(f"{folder}/trial")),
        (["--seed", "2"], 2, lambda out, err: "a search with another seed 1, wanted 2" in err),
        (["--over", "fit.batch=[64]"], 2, lambda out, err: "another space" in err),
        (["--set", "fit.epochs=7"], 2, lambda out, err: "another recipe" in err),
    ):
        monkeypatch.setattr(sys, "argv", [*argv, *more])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        assert left.value.code == code and found(said.out, said.err), said


def test_a_trial_goes_on_from_its_checkpoint(recipe, tmp_path, monkeypatch, inline) -> None:
    from hepnn.training import checkpoint

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    over = {"fit.learning_rate": [0.01], "architecture.hidden": None}
    options = {"over": over, "trials": 1, "pruner": "asha"}
    tune.tune(recipe, **options, folder=tmp_path / "whole")
    seen = []

    def killed(self, crew, event, shown):
        seen.append(event.epochs)
        if event.epochs == 4:
            raise KeyboardInterrupt
        crew.answer(event.number, True)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tune.Search, "_hear", killed)
        tune.tune(recipe, **options, folder=tmp_path / "killed")
    assert seen == [1, 2, 3, 4]
    kept = tune.Search._hear

    def heard(self, crew, event, shown):
        seen.append(event.epochs)
        kept(self, crew, event, shown)

    monkeypatch.setattr(tune.Search, "_hear", heard)
    tune.tune(recipe, **options, folder=tmp_path / "killed")
    assert seen[4:] == [5, 6, 0]
    from hepnn.training import network

    whole, killed = (
        network.of_run(open_run(tmp_path / name / "trial1-seed1"), "float").get_weights()
        for name in ("whole", "killed")
    )
    assert all(np.array_equal(*pair) for pair in zip(whole, killed, strict=True))


@pytest.mark.long
def test_accuracy_against_costs_gives_a_front_that_ships(clouds_folder, tmp_path, inline) -> None:
    document = tune.tune(
        small_recipe(clouds_folder),
        over={"compress.quantize.beta.last": [1e-6, 1e-3]},
        method="grid",
        costs=["ebops", "latency"],
        folder=tmp_path,
    )
    rows = document["trials"]
    assert [row["state"] for row in rows] == ["complete"] * 2
    assert rows[0]["values"]["ebops"] > rows[1]["values"]["ebops"]
    assert (
        len(
            {
                open_run(tmp_path / row["runs"][0]).manifest["stages"]["float"]["sha256"]
                for row in rows
            }
        )
        == 1
    )
    assert rows[0]["values"]["latency"] > 0
    assert 1 <= len(document["front"]) <= 2
    chosen = rows[document["front"][0] - 1]
    found = deployment.deploy(open_run(tmp_path / chosen["runs"][0]), ["tflite"])
    assert found["artefacts"]["tflite"]["bit_exact"]
    for name in ("front-ebops.svg", "front-latency.svg", "history.svg"):
        assert (tmp_path / name).exists()


def test_several_seeds_are_averaged_and_a_failed_trial_is_told(recipe, tmp_path, inline) -> None:
    document = tune.tune(
        recipe,
        over={"fit.learning_rate": [0.01], "architecture.hidden": [[4], [0]]},
        method="grid",
        seeds=[3, 4],
        folder=tmp_path,
    )
    good, bad = document["trials"]
    each = [files.read_json(tmp_path / name / figures.FILE) for name in good["runs"]]
    values = [one["metrics"]["accuracy"] for one in each]
    assert good["values"]["accuracy"] == pytest.approx(np.mean(values))
    assert good["spreads"]["accuracy"] == pytest.approx(np.std(values, ddof=1))
    assert [open_run(tmp_path / name).recipe.seed for name in good["runs"]] == [3, 4]
    assert bad["state"] == "failed" and bad["why"]
    with pytest.raises(HepnnError, match="every trial failed; the first: "):
        tune.tune(
            recipe,
            over={"fit.learning_rate": [0.01], "architecture.hidden": [[0]]},
            method="grid",
            folder=tmp_path / "none",
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"over": dict.fromkeys(SPACE)}, "nothing to search"),
        ({"over": {"fit.lerning_rate": [1]}}, "did you mean 'learning_rate'"),
        ({"over": {"fit.batch": [0]}}, "fit.batch"),
        ({"metrics": ["acuracy"]}, "did you mean 'accuracy'"),
        ({"costs": ["lut"]}, "did you mean 'luts'"),
        ({"costs": ["ebops"]}, "no step quantize"),
        ({"method": "grid"}, "needs a list of values, or a step"),
        ({"pruner": "asha", "costs": ["weights"]}, "judges by one figure"),
        ({"trials": 0}, "must be above 0"),
        ({"costs": ["weights", "weights"]}, 'cost "weights" is given twice'),
        ({"seeds": [2, 2]}, "seed 2 is given twice"),
        ({"over": {"fit.batch": [64, 32, 64]}}, "search.fit.batch: value 64 is given twice"),
        ({"overrides": {"fit.augment": {"flip": {}}}}, "fit.augment.flip: wants images"),
        ({"timeout": float("nan")}, "must be above 0"),
    ],
)
def test_what_cannot_be_searched_is_refused_first(changes, message, recipe, tmp_path) -> None:
    with pytest.raises(RecipeError, match=message):
        tune.tune(recipe, **changes, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("package", "options"), [("optuna", {}), ("distributed", {"dask": "local"})]
)
def test_a_missing_extra_is_named(package, options, recipe, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "hepnn.search.cluster", raising=False)
    with pytest.raises(MissingDependency, match=r"pip install 'hepnn\[scale\]'"):
        tune.tune(recipe, **options, folder=tmp_path)
