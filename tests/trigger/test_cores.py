"""The loop and its workers on cores of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hepnn.trigger import cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")


@pytest.mark.parametrize(("free", "workers"), [({3}, 1), ({0, 1}, 2), ({0, 1, 2}, 8)])
def test_too_few_cores_are_shared(
    free: set[int], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: free)
    assert cores.apart(workers) == (None, None)


@pytest.mark.parametrize(("free", "workers"), [({0, 1}, 1), ({2, 5, 7, 8}, 2), (set(range(9)), 8)])
def test_the_loop_has_one_and_the_workers_all_others(
    free: set[int], workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: free)
    chosen = set()
    for process in range(100, 100 + len(free)):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        found = cores.apart(workers)
        assert found.loop is not None and found.workers is not None
        assert len(found.loop) == 1 and found.loop | found.workers == free
        assert not found.loop & found.workers
        chosen |= found.loop
    assert chosen == free  # streams that start one after the other take others


def test_a_thread_is_kept_for_a_while_and_what_it_starts_for_good() -> None:
    before = os.sched_getaffinity(0)
    one = frozenset({max(before)})
    asked = [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]
    with pytest.raises(ValueError), cores.kept(one):
        assert os.sched_getaffinity(0) == one
        assert subprocess.check_output(asked, text=True).strip() == str(set(one))
        raise ValueError
    assert os.sched_getaffinity(0) == before
    with cores.kept(None):
        assert os.sched_getaffinity(0) == before


def test_cores_that_cannot_be_had_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    with cores.kept(frozenset({1023})):  # a core that is not there
        assert os.sched_getaffinity(0) == before

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    with cores.kept(frozenset(before)):
        assert os.sched_getaffinity(0) == before
