"""Files are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from hepnn import files
from hepnn.errors import RunError


def test_an_interrupted_writing_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})
    with pytest.raises(KeyboardInterrupt), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert files.read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"old": 1})

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="the disk is full"):
        files.write_json(path, {"new": 2})
    assert files.read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_folder_takes_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "export"
    with files.replacing_folder(path) as folder:
        (folder / "old").touch()
    with pytest.raises(ValueError), files.replacing_folder(path) as folder:
        (folder / "new").touch()
        raise ValueError
    assert os.listdir(path) == ["old"]
    with files.replacing_folder(path) as folder:
        (folder / "new").touch()
    assert os.listdir(path) == ["new"]
    assert os.listdir(tmp_path) == ["export"]


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    files.write_arrays(path, x=np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RunError, match="a.npz is damaged"):
        files.read_arrays(path)
    (tmp_path / "a.json").write_text('{"a":')
    with pytest.raises(RunError, match="a.json is damaged"):
        files.read_json(tmp_path / "a.json")
    with pytest.raises(RunError, match="is missing"):
        files.read_json(tmp_path / "b.json")


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(RunError, match="damaged"):
        files.read_arrays(path)
