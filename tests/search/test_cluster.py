"""Trials on a Dask cluster: runs travel there and back, and outlive a worker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hepnn.search.work import Job

distributed = pytest.importorskip("distributed", reason="needs the extra 'scale'")


def test_a_trial_whose_worker_is_killed_is_done_again_elsewhere(tmp_path: Path) -> None:
    from hepnn.search.cluster import Cluster

    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "begun.txt").write_text(name)
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    ends, killed = {}, False
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=50,
            preload="speaking",
        ) as two,
        distributed.Client(two, set_as_default=False) as client,
        Cluster(two.scheduler_address, 2, 1, tmp_path / "log") as crew,
    ):
        pids = client.run(os.getpid)
        assert crew.room() == 2
        crew.submit(0, Job(("first",), judged=True), tmp_path)
        crew.submit(1, Job(("second",)), tmp_path)
        assert crew.room() == 0
        while len(ends) < 3:
            if (event := crew.receive()) is None:
                continue
            number = event.number
            if event.what != "epoch":
                ends[number] = event.what
                if set(ends) == {0, 1}:
                    crew.submit(2, Job(("third",), judged=True), tmp_path)
                continue
            seen[number].append(event.epochs)
            if number == 0 and event.epochs == 2 and not killed:
                tasks = client.processing()
                its = next(w for w, keys in tasks.items() if any(k.endswith("-0") for k in keys))
                os.kill(pids[its], signal.SIGKILL)
                killed = True
            elif number != 1:
                crew.answer(number, not (number == 2 and event.epochs == 3))
    assert ends == {0: "done", 1: "done", 2: "stopped"}
    assert seen == {0: [1, 2, 1, 2, 3, 4, 5], 1: [1, 2, 3, 4, 5], 2: [1, 2, 3]}
    for name in ("first", "second"):
        assert (tmp_path / name / "begun.txt").read_text() == name
        assert (tmp_path / name / "made.txt").exists()
    assert not (tmp_path / "third" / "made.txt").exists()
