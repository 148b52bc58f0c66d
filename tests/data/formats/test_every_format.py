"""Every format gives the same columns, and the same kind of message where it is damaged."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from hepnn import tables
from hepnn.data.card import Source
from hepnn.data.formats import FORMATS
from hepnn.data.formats.reader import Reader, no_column
from hepnn.errors import DataError, MissingDependency, RecipeError

KINDS = ["parquet", "root", "hdf5", "npz", "csv"]


def opened(kind: str, path: Path | None, **keys: Any) -> Reader:
    return tables.load(FORMATS, kind, "format")(Source(format=kind, **keys), path)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_are_what_was_written(
    kind: str, made: dict[str, Path], expected: dict[str, Any]
) -> None:
    reader = opened(kind, made[kind])
    assert reader.where == str(made[kind]) and reader.entries == len(expected["mass"])
    names = [name for name in expected if name in reader.columns]
    assert len(names) >= {"csv": 3, "npz": 4}.get(kind, 5)
    read = reader.read(names, 0, reader.entries)
    for name in names:
        column = reader.columns[name]
        if name == "pt":
            assert column.kind == "jagged" and column.shape == ()
            assert ak.almost_equal(read[name], expected[name])
            continue
        assert isinstance(read[name], np.ndarray)
        assert np.array_equal(read[name], expected[name])
        assert read[name].dtype.name == column.dtype
        assert column.shape == expected[name].shape[1:]
        assert column.kind == ("fixed" if column.shape else "flat")
        if kind != "csv":  # which has no types but these
            assert read[name].dtype == expected[name].dtype
    assert read["good"].dtype == bool and read["njet"].dtype.kind == "i"
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("start", "stop"), [(0, 1), (3, 17), (69, 71), (70, 140), (65, 215), (299, 300), (250, 900)]
)
def test_any_range_of_entries_is_a_part_of_the_whole(
    kind: str, start: int, stop: int, made: dict[str, Path], expected: dict[str, Any]
) -> None:
    reader = opened(kind, made[kind])
    for name, values in reader.read(list(reader.columns), start, stop).items():
        if name in expected:
            part = expected[name][start:stop]
            assert ak.to_list(values) == ak.to_list(part), name
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_without_entries_are_empty(kind: str, made: dict[str, Path]) -> None:
    reader = opened(kind, made[kind])
    for start, stop in [(0, 0), (70, 70), (300, 300), (900, 1000)]:
        read = reader.read(list(reader.columns), start, stop)
        assert all(len(values) == 0 for values in read.values())
    assert reader.read([], 0, 10) == {}
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_column_is_told_with_the_nearest(kind: str, made: dict[str, Path]) -> None:
    noun = {"root": "branch", "npz": "array", "hdf5": "dataset"}.get(kind, "column")
    reader = opened(kind, made[kind])
    with pytest.raises(DataError) as error:
        reader.read(["mass", "njets"], 0, 1)
    assert str(error.value) == f"{made[kind]}: no {noun} 'njets'; did you mean 'njet'?"
    reader.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.997])
def test_a_truncated_file_is_told_in_one_line(
    kind: str, share: float, made: dict[str, Path], tmp_path: Path
) -> None:
    whole = made[kind].read_bytes()
    path = tmp_path / made[kind].name
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError) as error:
        reader = opened(kind, path)
        reader.read(list(reader.columns), 0, reader.entries)
        # A line that is cut behind its last comma but one cannot be told from a whole one.
        assert kind == "csv"
        raise DataError(f"{path}: ")
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"\0", b"hello", b"PK\x03\x04", b"root", b"PAR1PAR1"])
def test_another_file_is_told_in_one_line(kind: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(content)
    if kind == "csv" and content:  # any line is a header
        return
    with pytest.raises(DataError) as error:
        opened(kind, path)
    assert str(error.value).startswith(f"{path}: no ") and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_told(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^{tmp_path}/none: no such file$"):
        opened(kind, tmp_path / "none")
    with pytest.raises(DataError, match="a folder or device"):
        opened(kind, tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="a folder or device"):
        opened(kind, tmp_path / "pipe")
    with pytest.raises(RecipeError, match="needs files"):
        opened(kind, None)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_may_not_be_read_is_told(
    kind: str, made: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "events"
    path.write_bytes(made[kind].read_bytes())
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        opened(kind, path)


@pytest.mark.parametrize("kind", [*KINDS, "images", "keras", "sklearn"])
def test_unknown_options_are_refused(kind: str, made: dict[str, Path]) -> None:
    name = {"keras": "mnist", "sklearn": "digits"}.get(kind)
    with pytest.raises(RecipeError, match="source.options: format .* has no 'colour'"):
        opened(kind, made.get(kind), set=name, options={"colour": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_byte_is_an_error_or_harmless(
    kind: str, made: dict[str, Path], tmp_path: Path
) -> None:
    if kind == "hdf5":
        pytest.skip("HDF5's own library can loop for ever on damaged lists")
    rng = np.random.default_rng(5)
    whole = made[kind].read_bytes()
    path = tmp_path / "events"
    for _ in range(25):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            reader = opened(kind, path)
            reader.read(list(reader.columns), 0, min(reader.entries, 1000))
            reader.close()
        except DataError as error:
            assert "\n" not in str(error)


def test_a_message_lists_a_dozen_names_at_most() -> None:
    assert no_column("zzz", ["a", "b"], "branch", "branches") == "no branch 'zzz'; known: a, b"
    many = no_column("zzz", [f"b{number:03}" for number in range(947)], "branch", "branches")
    assert many.endswith("b010, b011 and 935 more")
    assert "there are no branches" in no_column("zzz", [], "branch", "branches")


@pytest.mark.parametrize(
    ("kind", "package"), [("root", "uproot"), ("hdf5", "h5py"), ("parquet", "awkward")]
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(
    kind: str, package: str, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependency, match=rf"needs {package}: pip install 'hepnn\[hep\]'"):
        opened(kind, made[kind]).read(["pt"], 0, 1)
    if kind == "parquet":  # of numbers alone it needs nothing
        assert len(opened(kind, made[kind]).read(["mass", "cell"], 0, 10)["cell"]) == 10
