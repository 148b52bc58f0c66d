"""npz: arrays, never objects, and no bombs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.lib import format as npy

from hepnn.data.card import Source
from hepnn.data.formats import npz
from hepnn.data.formats.reader import Reader
from hepnn.errors import DataError


def opened(path: Path) -> Reader:
    return npz.open_file(Source(format="npz"), path)


class Loaded:
    """What would leave a mark if it were unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, ("raise SystemExit",))


def test_texts_are_read_and_objects_are_not(tmp_path: Path) -> None:
    objects = np.array([Loaded(), 1], dtype=object)
    np.savez(tmp_path / "a.npz", x=[1, 2], u=["a", "bé"], b=[b"a", b"b"], o=objects, one=3.0)
    reader = opened(tmp_path / "a.npz")
    assert {name: c.kind for name, c in reader.columns.items()} == {
        "x": "flat",
        "u": "text",
        "b": "text",
    }
    assert reader.read(["u"], 0, 2)["u"].tolist() == ["a", "bé"]
    assert reader.read(["b"], 1, 2)["b"].tolist() == ["b"]
    with pytest.raises(DataError, match="array 'o' holds Python objects, and those are not unpick"):
        reader.read(["o"], 0, 1)
    with pytest.raises(DataError, match="array 'one' is a single value"):
        reader.read(["one"], 0, 1)


def test_arrays_of_another_length_are_left_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(5), y=np.zeros((5, 2)), edges=np.zeros(6))
    reader = opened(tmp_path / "a.npz")
    assert reader.entries == 5 and set(reader.columns) == {"x", "y"}
    with pytest.raises(DataError, match="'edges' has 6 entries where others have 5"):
        reader.read(["edges"], 0, 1)


def test_an_array_is_read_when_it_is_asked_for_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(9), y=np.arange(9))
    read: list[str] = []
    array = npz.Archive.array
    monkeypatch.setattr(
        npz.Archive, "array", lambda self, name: (read.append(name), array(self, name))[1]
    )
    reader = opened(tmp_path / "a.npz")
    assert read == []
    for start in range(3):
        reader.read(["y"], start, start + 1)
    assert read == ["y"]


def header(shape: tuple[int, ...]) -> bytes:
    import io

    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert npz.LARGEST_UNPACKED == 2**30
    monkeypatch.setattr(npz, "LARGEST_UNPACKED", 2**24)
    path = tmp_path / "bomb.npz"
    size = 2**25
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((1,)) + b"\0")
        with archive.open("bomb.npy", "w", force_zip64=True) as member:
            member.write(header((size,)))
            member.write(bytes(size))
    assert path.stat().st_size < 2**16
    with pytest.raises(DataError, match=f"array 'bomb' would unpack from .* to {size + 128} bytes"):
        opened(path)


def test_a_header_that_claims_more_than_is_there_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", header((2**50,)) + bytes(100))
    with pytest.raises(DataError, match="array 'x' is not of the size that it claims"):
        opened(tmp_path / "a.npz")
