"""Parquet: lists, structures, missing numbers, and no more row groups than are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hepnn.data.card import Source
from hepnn.data.formats import parquet
from hepnn.errors import DataError


def written(path: Path, table: pa.Table, **keys: Any) -> parquet.ParquetReader:
    pq.write_table(table, path / "a.parquet", **keys)
    reader = parquet.open_file(Source(format="parquet"), path / "a.parquet")
    assert isinstance(reader, parquet.ParquetReader)
    return reader


def test_lists_of_lists_structures_and_texts_are_columns(tmp_path: Path) -> None:
    events = {
        "jet": [[{"pt": 1.5, "hits": [1, 2]}], [], [{"pt": 2.5, "hits": []}] * 2],
        "met": [{"x": 1.0}, {"x": 2.0}, {"x": 3.0}],
        "label": ["signal", "background", "signal"],
    }
    table = pa.table(events)
    image = pa.FixedSizeListArray.from_arrays(
        pa.FixedSizeListArray.from_arrays(pa.array(np.arange(18, dtype=np.uint8)), 3), 2
    )
    dictionary = pa.array(events["label"]).dictionary_encode()
    table = table.append_column("image", image).append_column("kind", dictionary)
    reader = written(tmp_path, table)
    assert {name: (c.kind, c.dtype, c.shape) for name, c in reader.columns.items()} == {
        "jet_pt": ("jagged", "float64", ()),
        "jet_hits": ("jagged", "int64", ()),
        "met_x": ("flat", "float64", ()),
        "label": ("text", "str", ()),
        "image": ("fixed", "uint8", (2, 3)),
        "kind": ("text", "str", ()),
    }
    read = reader.read(list(reader.columns), 1, 3)
    assert read["jet_pt"].to_list() == [[], [2.5, 2.5]]
    assert read["jet_hits"].to_list() == [[], [[], []]]
    assert reader.read(["jet_hits"], 0, 1)["jet_hits"].to_list() == [[[1, 2]]]
    assert read["met_x"].tolist() == [2, 3]
    assert read["label"].tolist() == read["kind"].tolist() == ["background", "signal"]
    assert all(type(one) is str for one in read["label"])
    assert np.array_equal(read["image"], np.arange(18).reshape(3, 2, 3)[1:])


def test_what_awkward_writes_is_read_back(tmp_path: Path) -> None:
    jets = ak.zip({"pt": ak.Array([[1.0, 2.0], [], [3.0]]), "eta": ak.Array([[0, 1], [], [2]])})
    ak.to_parquet(
        ak.zip({"Jet": jets, "met": [1.0, 2.0, 3.0]}, depth_limit=1), tmp_path / "b.parquet"
    )
    reader = parquet.open_file(Source(format="parquet"), tmp_path / "b.parquet")
    read = reader.read(["Jet_pt", "Jet_eta", "met"], 0, 3)
    assert read["Jet_pt"].to_list() == jets.pt.to_list()
    assert read["Jet_eta"].to_list() == jets.eta.to_list()
    assert read["met"].tolist() == [1, 2, 3]


def test_a_missing_float_is_nan_and_a_missing_whole_number_an_error(tmp_path: Path) -> None:
    count = 1000
    holes: list[int | None] = list(range(count))
    holes[777] = None
    table = pa.table(
        {
            "x": pa.array([None if n == 4 else n / 2 for n in range(count)], pa.float32()),
            "n": pa.array(holes),
            "ok": pa.array([None if n == 3 else True for n in range(count)]),
            "s": pa.array([None if n == 5 else "a" for n in range(count)]),
            "l": pa.array([None if n == 7 else [1.0] for n in range(count)]),
            "m": pa.array([[1, None] if n == 9 else [n] * (n % 3) for n in range(count)]),
            "f": pa.array([[1.0, None] if n == 2 else [1.0] for n in range(count)]),
            "c": pa.array(
                [[1, None] if n == 6 else [1, 1] for n in range(count)], pa.list_(pa.int8(), 2)
            ),
        }
    )
    reader = written(tmp_path, table, row_group_size=100)
    x = reader.read(["x"], 0, count)["x"]
    assert x.dtype == np.float32 and np.flatnonzero(np.isnan(x)).tolist() == [4]
    lists = reader.read(["f"], 0, 10)["f"]
    assert np.isnan(lists[2, 1]) and lists[3].to_list() == [1.0]
    for name, entry in [("n", 777), ("ok", 3), ("s", 5), ("l", 7), ("m", 9), ("c", 6)]:
        with pytest.raises(DataError) as error:
            reader.read([name], 1, count)
        assert str(error.value) == f"{reader.where}: column {name!r} is empty in entry {entry}"
    assert reader.read(["n"], 0, 700)["n"].dtype == np.int64


def test_other_types_are_left_out_and_say_so(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0], "t": pa.array([0], pa.timestamp("s")), "l": [["a"]]})
    reader = written(tmp_path, table)
    assert list(reader.columns) == ["x"]
    with pytest.raises(DataError, match=r"column 't' is of type timestamp\[.*\], no numbers"):
        reader.read(["t"], 0, 1)
    with pytest.raises(DataError, match="column 'l' holds lists of texts"):
        reader.read(["l"], 0, 1)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    with pytest.raises(DataError, match="two columns are called 'x'"):
        written(tmp_path, table)


def test_unit_and_description_are_the_metadata_s(tmp_path: Path) -> None:
    told = {"unit": "GeV", "description": "of the jet"}
    schema = pa.schema([pa.field("pt", pa.float32(), metadata=told)])
    reader = written(tmp_path, pa.table({"pt": [1.0]}, schema=schema))
    assert (reader.columns["pt"].unit, reader.columns["pt"].description) == ("GeV", "of the jet")


def test_only_row_groups_that_overlap_are_read_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = written(tmp_path, pa.table({"x": np.arange(1000)}), row_group_size=100)
    groups: list[int] = []
    read = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, **keys: Any) -> pa.Table:
        groups.append(group)
        return read(self, group, **keys)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    for start in range(250, 550, 30):
        assert reader.read(["x"], start, start + 30)["x"].tolist() == list(range(start, start + 30))
    assert groups == [2, 3, 4, 5]


def test_a_file_without_entries_has_its_columns(tmp_path: Path) -> None:
    empty = pa.table({"x": pa.array([], pa.float32()), "l": pa.array([], pa.list_(pa.int8()))})
    reader = written(tmp_path, empty)
    read = reader.read(["x", "l"], 0, 10)
    assert reader.entries == 0 and len(read["x"]) == 0 and read["l"].to_list() == []
