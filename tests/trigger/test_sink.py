"""Accepted events on disk: whole files, or none and a reason."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hepnn.trigger import sink
from hepnn.trigger.sink import Sink


def rows(first: int, count: int) -> dict[str, np.ndarray]:
    number = np.arange(first, first + count)
    return {"number": number, "x": np.stack([number, -number], axis=1).astype(np.float32)}


@pytest.mark.parametrize("suffix", [".parquet", ".root"])
def test_files_hold_what_was_put(tmp_path: Path, suffix: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sink, "ROWS", 10)
    path = tmp_path / f"a{suffix}"
    out = Sink(path)
    for first in range(0, 40, 8):
        out.put(rows(first, 8))
    assert not path.exists()
    out.close()
    assert out.failed is None and out.written == 40
    if suffix == ".parquet":
        found = pq.read_table(path).to_pydict()
        number, x = np.array(found["number"]), np.array(found["x"])
    else:
        import uproot

        with uproot.open(path) as file:
            tree = file["accepted"].arrays(library="np")
        number, x = tree["number"], tree["x"]
    np.testing.assert_array_equal(number, np.arange(40))
    np.testing.assert_array_equal(x, rows(0, 40)["x"])


def test_no_event_is_a_file_too(tmp_path: Path) -> None:
    out = Sink(tmp_path / "a.parquet")
    out.close()
    assert out.failed is None and pq.read_table(tmp_path / "a.parquet").num_rows == 0


def test_a_file_that_takes_nothing_fails_in_the_end(tmp_path: Path) -> None:
    free, inside = threading.Event(), threading.Event()

    class Blocked:
        def __init__(self, path: Path) -> None:
            inside.set()
            free.wait()

        def write(self, columns: sink.Columns) -> None:
            pass

        def close(self) -> None:
            pass

    time = [0.0]
    out = Sink(tmp_path / "a.parquet", Blocked, clock=lambda: time[0])
    inside.wait()
    for _ in range(sink.WAITING):
        assert out.ready
        out.put(rows(0, 1))
    assert not out.ready
    time[0] = sink.PATIENCE / 2
    assert not out.ready
    time[0] = sink.PATIENCE * 2
    assert out.ready and "nothing was written" in str(out.failed)
    out.put(rows(0, 1))
    free.set()
    out.close()
    assert out.written == 0


def test_what_is_broken_off_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with Sink(path) as out:
        out.put(rows(0, 5))
    assert out.written == 5
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt), Sink(path) as out:
        out.put(rows(0, 9))
        raise KeyboardInterrupt
    assert out.written == 0 and "broken off" in str(out.failed)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = Sink(tmp_path / "file" / "a.parquet")
    out.close()
    assert "cannot be written" in str(out.failed)
