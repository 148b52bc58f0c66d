"""The journal: what is drawn follows from seed, number and history, however often it is killed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hepnn.errors import RecipeError, RunError
from hepnn.recipe import Range
from hepnn.search import journal as journals
from hepnn.search import plan as plans
from hepnn.search import points, results

pytest.importorskip("optuna", reason="needs the extra 'scale'")

EPOCHS = 27
SPACE = {
    "rate": Range(low=1e-4, high=1e-1, log=True),
    "hidden": [1, [2, 3], None],
    "dropout": Range(low=0, high=1, step=0.1),
    "units": Range(low=1, high=5),
}


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch) -> None:
    """Leave out what a power cut is feared for: a killed process's pages are the system's."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def opened(folder: Path, less=(True,), method="random", pruner="none", seed=3, space=SPACE):
    folder.mkdir(exist_ok=True)
    return journals.Journal(
        folder, space, less, method=method, pruner=pruner, seed=seed, epochs=EPOCHS
    )


def train(journal: journals.Journal, number: int, objectives: int, judged: bool) -> None:
    setting = journal.setting(number)
    loss = abs(np.log(setting["rate"]) + 5) + setting["dropout"]
    for epoch in range(1, EPOCHS + 1):
        if judged and not journal.goes_on(number, epoch, loss + 3 / epoch):
            return
    journal.complete(number, [loss, float(setting["units"])][:objectives])


def go(folder: Path, trials: int, killed_at: int | None = None, **options) -> list:
    journal = opened(folder, **options)
    less = options.get("less", (True,))
    judged = options.get("pruner", "none") != "none"
    for number in journal.running:
        train(journal, number, len(less), judged)
    while len(journal.trials) < trials:
        number = journal.propose()
        if number == killed_at:  # as a kill leaves it: half a line, and the lock
            path = folder / journals.FILE
            path.write_bytes(path.read_bytes() + b'{"op_code": 5, "tri')
            path.with_name(path.name + ".lock").symlink_to(path)
            return []
        train(journal, number, len(less), judged)
    return [(t.number, t.params, t.values, t.state.name, t.last_step) for t in journal.trials]


@pytest.mark.parametrize(
    ("method", "pruner", "less"),
    [
        ("random", "none", (True,)),
        ("tpe", "asha", (True,)),
        ("tpe", "hyperband", (True,)),
        ("tpe", "none", (True, True)),
    ],
)
def test_a_killed_search_goes_on_as_if_it_had_not_been(method, pruner, less, tmp_path) -> None:
    options = {"method": method, "pruner": pruner, "less": less}
    whole = go(tmp_path / "whole", 16, **options)
    assert [one[0] for one in whole] == list(range(16))
    for killed_at in (0, 4, 13):
        assert go(tmp_path / "killed", 16, killed_at, **options) == []
    assert go(tmp_path / "killed", 16, **options) == whole
    assert go(tmp_path / "other", 16, seed=4, **options) != whole


def test_bad_trials_are_stopped_at_the_rungs_and_the_best_is_not(tmp_path) -> None:
    for pruner in ("asha", "hyperband"):
        found = go(tmp_path / pruner, 24, pruner=pruner)
        stopped = [one for one in found if one[3] == "PRUNED"]
        assert {one[4] for one in stopped} <= {3, 9}
        assert len(stopped) >= 8
        losses = [abs(np.log(p["rate"]) + 5) + p["dropout"] for _, p, *_ in found]
        assert found[int(np.argmin(losses))][3] == "COMPLETE"


def test_an_epoch_that_is_told_again_is_not_judged_again(tmp_path) -> None:
    journal = opened(tmp_path, pruner="asha")
    first, second = journal.propose(), journal.propose()
    assert journal.goes_on(first, 3, 1.0)
    assert journal.goes_on(first, 3, 9.0)
    assert journal.trials[first].intermediate_values == {3: 1.0}
    assert not journal.goes_on(second, 3, 2.0)
    assert journal.running == [first]


def test_a_stopped_trial_stays_stopped_when_its_worker_did_not_hear_it(tmp_path) -> None:
    journal = opened(tmp_path, pruner="asha")
    first, second = journal.propose(), journal.propose()
    assert journal.goes_on(first, 3, 1.0)
    for epoch in (3, 1, 2):  # the worker is lost, another begins again
        assert not journal.goes_on(second, epoch, 2.0)
    assert journal.running == [first]


def test_the_last_epoch_stops_nothing(tmp_path) -> None:
    journal = opened(tmp_path, pruner="asha")
    first, second = journal.propose(), journal.propose()
    assert journal.goes_on(first, EPOCHS, 1.0)
    assert journal.goes_on(second, EPOCHS, 2.0)


@pytest.mark.parametrize("method", ["grid", "random", "tpe"])
def test_no_setting_is_tried_twice_and_a_small_space_ends(method, tmp_path) -> None:
    space = {"a": ["x", "y", [1]], "b": Range(low=0.0, high=0.4, step=0.2)}
    journal = opened(tmp_path, method=method, space=space)
    while (number := journal.propose()) is not None:
        journal.complete(number, [float(number)])
    settings = [str(journal.setting(number)) for number in range(len(journal.trials))]
    assert len(settings) == len(set(settings)) == 9
    if method == "grid":
        assert journal.setting(1) == {"a": "x", "b": 0.2}


def test_a_space_without_end_is_not_searched_for_another_setting(tmp_path, monkeypatch) -> None:
    space = {"rate": Range(low=0.0, high=1.0)}
    journal = opened(tmp_path, space=space)
    monkeypatch.setattr(journals.Journal, "_drawn", lambda *_: {"rate": 1.0})  # its edge, twice
    assert [journal.setting(journal.propose()) for _ in range(2)] == [{"rate": 1.0}] * 2


def test_a_damaged_journal_is_one_line(tmp_path) -> None:
    opened(tmp_path).propose()
    path = tmp_path / journals.FILE
    for damage in (b"nothing\n", b"[1]\n", b'{"op_code": 4}\n'):
        path.write_bytes(damage + path.read_bytes())
        with pytest.raises(RunError, match="journal.log is damaged"):
            opened(tmp_path)


def test_what_is_the_same_in_all_trials_has_no_importance(tmp_path) -> None:
    journal = opened(tmp_path, less=(False, True))
    plan = plans.Plan({}, dict.fromkeys(SPACE), "random", "none", 3, ["auc"], ["clocks"], [1], 1)
    reached = []
    for clocks in (lambda rate: 5.0, lambda rate: float(rate > 1e-2)):
        for _ in range(6):
            number = journal.propose()
            rate = journal.setting(number)["rate"]
            journal.complete(number, [np.log(rate), clocks(rate)])
            reached.append({"auc": np.log(rate), "clocks": clocks(rate)})
        found = results._importance(plan, journal, reached)
        assert max(found["auc"], key=found["auc"].get) == "rate"
        assert ("clocks" in found) == (reached[-1]["clocks"] != 5.0)
    assert results._importance(plan, journal, reached[:5]) is None


def test_methods_and_pruners_that_do_not_go_are_refused() -> None:
    for arguments, message in (
        (("tpa", "none", 1), "unknown method 'tpa'; did you mean 'tpe'"),
        (("tpe", "hyperbnd", 1), "did you mean 'hyperband'"),
        (("tpe", "asha", 2), "--pruner asha judges by one figure"),
    ):
        with pytest.raises(RecipeError, match=message):
            journals.insist(*arguments)


def test_the_front_is_what_brute_force_finds() -> None:
    random = np.random.default_rng(1)
    values = random.integers(0, 6, (40, 3))
    names = ("accuracy", "loss", "luts")
    rows = [{"values": dict(zip(names, map(float, one), strict=True))} for one in values]
    points.mark_front(rows, names)
    good = values * [1, -1, -1]
    for mine, row in zip(good, rows, strict=True):
        beaten = any(
            all(a >= b for a, b in zip(o, mine, strict=True)) and tuple(o) != tuple(mine)
            for o in good
        )
        assert row["front"] != beaten
