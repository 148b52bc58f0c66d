"""The pool of this machine: a worker that dies costs an attempt, and no trial."""

from __future__ import annotations

from pathlib import Path

import pytest
import speaking

from hepnn.search import process
from hepnn.search.crew import ATTEMPTS, Event
from hepnn.search.pool import Pool
from hepnn.search.work import Job


@pytest.fixture(autouse=True)
def _speaking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process.subprocess, "Popen", speaking.Speaking)


def heard(crew: Pool) -> Event:
    while (event := crew.receive()) is None:
        pass
    return event


def test_a_trial_whose_worker_dies_is_done_by_another(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    seen: dict[int, list[int]] = {0: [], 1: []}
    ends: dict[int, str] = {}
    with Pool(2, 1, tmp_path / "log") as crew:
        crew.submit(0, Job(("first",), judged=True), tmp_path)
        crew.submit(1, Job(("second",)), tmp_path)
        assert crew.room() == 0
        while len(ends) < 2:
            event = heard(crew)
            if event.what == "epoch":
                seen[event.number].append(event.epochs)
                if event.number == 0 and len(seen[0]) == 2:
                    crew._busy[0][0]._process.kill()
                elif event.number == 0:
                    crew.answer(0, True)
            elif event.what != "lost":
                ends[event.number] = event.what
        assert crew.room() == 2
    assert ends == {0: "done", 1: "done"}
    assert seen == {0: [1, 2, 1, 2, 3, 4, 5], 1: [1, 2, 3, 4, 5]}
    assert (tmp_path / "first" / "made.txt").exists()


def test_a_trial_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    found = []
    with Pool(1, 1, tmp_path / "log") as crew:
        crew.submit(0, Job(("only",), judged=True), tmp_path)
        while not found or found[-1].what != "failed":
            found.append(heard(crew))
            if found[-1].what == "epoch":
                crew._busy[0][0]._process.kill()
        assert crew.room() == 1
        crew.submit(1, Job(("only",)), tmp_path)  # another worker is found for the next
        while found[-1].what != "done":
            found.append(heard(crew))
    assert [one.what for one in found if one.number == 0].count("lost") == ATTEMPTS - 1
    said = next(one.why for one in found if one.what == "failed")
    assert said.startswith(f"its worker died {ATTEMPTS} times") and str(tmp_path / "log") in said
