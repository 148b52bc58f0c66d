"""HDF5: groups, compound and variable-length data sets, and nothing from other files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from hepnn.data.card import Source
from hepnn.data.formats import hdf5
from hepnn.errors import DataError


def opened(path: Path, group: str | None = None) -> hdf5.Hdf5Reader:
    reader = hdf5.open_file(Source(format="hdf5", group=group), path)
    assert isinstance(reader, hdf5.Hdf5Reader)
    return reader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that a test may add to."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("events/signal")
        group["x"] = np.arange(5.0)
        group["x"].attrs["unit"] = "GeV"
        group["x"].attrs["description"] = "a number"
    return tmp_path / "a.h5"


def test_a_group_is_chosen_by_its_path(path: Path) -> None:
    reader = opened(path, "events/signal")
    assert reader.read(["x"], 1, 3)["x"].tolist() == [1, 2]
    assert (reader.columns["x"].unit, reader.columns["x"].description) == ("GeV", "a number")
    assert opened(path).columns == {}
    with pytest.raises(DataError, match="no group 'event'; did you mean 'events'"):
        opened(path, "event")


def test_fields_of_a_compound_dataset_are_columns(path: Path) -> None:
    jets = np.zeros(4, [("pt", "f4"), ("n", "i2"), ("cell", "f8", (3,))])
    jets["pt"], jets["n"] = [1, 2, 3, 4], [4, 3, 2, 1]
    tracks = np.zeros((4, 6), [("d0", "f4")])
    tracks["d0"] = np.arange(24).reshape(4, 6)
    with h5py.File(path, "a") as file:
        file["jets"] = jets
    reader = opened(path)
    assert {n: (c.kind, c.shape) for n, c in reader.columns.items()} == {
        "pt": ("flat", ()),
        "n": ("flat", ()),
        "cell": ("fixed", (3,)),
    }
    assert reader.read(["pt", "n"], 1, 3)["n"].tolist() == [3, 2]
    reader.close()
    with h5py.File(path, "a") as file:
        file["tracks"] = tracks
    reader = opened(path)
    assert set(reader.columns) == {"jets_pt", "jets_n", "jets_cell", "tracks_d0"}
    assert np.array_equal(reader.read(["tracks_d0"], 2, 4)["tracks_d0"], tracks["d0"][2:])
    assert set(opened(path, "jets").columns) == {"pt", "n", "cell"}


def test_texts_lists_and_conditions_are_read(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["text"] = ["a", "bé", "c"]
        file["fixed"] = np.array([b"a", b"bb", b"c"])
        file["good"] = np.array([True, False, True])
        lists = file.create_dataset("lists", (3,), h5py.vlen_dtype(np.int16))
        lists[0], lists[2] = [1, 2], [3]
        file["complex"] = np.array([1j, 2, 3])
        file["single"] = 3.0
        file["longer"] = np.arange(7)
    reader = opened(path)
    assert {name: column.kind for name, column in reader.columns.items()} == {
        "text": "text",
        "fixed": "text",
        "good": "flat",
        "lists": "jagged",
    }
    read = reader.read(list(reader.columns), 0, 3)
    assert read["text"].tolist() == ["a", "bé", "c"] and read["fixed"].tolist() == ["a", "bb", "c"]
    assert read["good"].dtype == bool
    assert read["lists"].to_list() == [[1, 2], [], [3]]
    assert str(read["lists"].type) == "3 * var * int16"
    for name, said in [
        ("complex", "is of type complex128, no numbers"),
        ("single", "is a single value"),
        ("longer", "has 7 entries where others have 3"),
    ]:
        with pytest.raises(DataError, match=f"dataset '{name}' {said}"):
            reader.read([name], 0, 1)


def test_links_stay_in_the_file(path: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.arange(5.0)
        other["folder/x"] = np.arange(5.0)
    with h5py.File(path, "a") as file:
        file["inside"] = h5py.SoftLink("/events/signal/x")
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
        file["folder"] = h5py.ExternalLink("other.h5", "/folder")
        file["through"] = h5py.SoftLink("/folder/x")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["round"] = h5py.SoftLink("/round")
    reader = opened(path)
    assert list(reader.columns) == ["inside"]
    assert reader.read(["inside"], 0, 2)["inside"].tolist() == [0, 1]
    for name in ("outside", "through"):
        with pytest.raises(DataError, match=f"'{name}' is a link to 'other.h5', and .* not follow"):
            reader.read([name], 0, 1)
    with pytest.raises(DataError, match="'round' is a link that leads to itself"):
        reader.read(["round"], 0, 1)
    with pytest.raises(DataError, match="group 'folder' is a link to"):
        opened(path, "folder")


def test_data_in_other_files_are_not_read(path: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(40))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.arange(5.0)
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (5,))
    with h5py.File(path, "a") as file:
        file.create_dataset(
            "raw", (5,), "f8", external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        )
        file.create_virtual_dataset("virtual", layout)
    reader = opened(path)
    for name in ("raw", "virtual"):
        with pytest.raises(DataError, match=f"'{name}' has its data in another file"):
            reader.read([name], 0, 1)


def test_a_dataset_that_claims_far_more_than_is_stored_is_refused(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.create_dataset("bomb", (2**40,), "f8", chunks=(1024,), compression="gzip")
    with pytest.raises(DataError, match="'bomb' would unpack from 0 to 8796093022208 bytes"):
        opened(path).read(["bomb"], 0, 1)
