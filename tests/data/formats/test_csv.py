"""CSV: types over the whole file, delimiters, and the line that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn.data.card import Source
from hepnn.data.formats import csv
from hepnn.data.formats.reader import Reader
from hepnn.errors import DataError, RecipeError


def written(folder: Path, text: str, **options: Any) -> Reader:
    (folder / "a.csv").write_text(text, encoding="utf-8")
    return csv.open_file(Source(format="csv", options=options), folder / "a.csv")


def test_types_are_those_of_the_whole_file(tmp_path: Path) -> None:
    rows = [f"{n},{n},true,signal" for n in range(100_000)]
    reader = written(tmp_path, "\n".join(["a,b,c,d", *rows, "0.5,1,false,b\n"]))
    read = reader.read(["a", "b", "c", "d"], 99_999, 100_001)
    assert read["a"].dtype == np.float64 and read["a"].tolist() == [99_999, 0.5]
    assert read["b"].dtype == np.int64 and read["c"].dtype == bool
    assert read["d"].tolist() == ["signal", "b"] and reader.columns["d"].kind == "text"


def test_another_delimiter_and_quotes_are_read(tmp_path: Path) -> None:
    reader = written(tmp_path, '\ufeffa;"b c"\n1,5;"x;y"\n2;"z\nz"\n', delimiter=";")
    assert list(reader.columns) == ["a", "b c"]
    assert reader.read(["b c"], 0, 2)["b c"].tolist() == ["x;y", "z\nz"]
    for wrong in ("", ";;", 3):
        with pytest.raises(RecipeError, match="source.options.delimiter"):
            written(tmp_path, "a\n1\n", delimiter=wrong)


@pytest.mark.parametrize(
    ("text", "line", "fields"),
    [
        ("a,b\n1,2\n\n3,4\n5\n", 5, 1),
        ("a,b\n1,2,3\n", 2, 3),
        ('a,b\n"1\n2",2\n3,4\n5,6,7\n', 5, 3),
    ],
)
def test_a_line_with_the_wrong_number_of_fields_is_named(
    text: str, line: int, fields: int, tmp_path: Path
) -> None:
    with pytest.raises(
        DataError, match=f"a.csv: line {line}: {fields} fields where line 1 names 2"
    ):
        written(tmp_path, text)


def test_an_empty_field_is_nan_or_an_error(tmp_path: Path) -> None:
    reader = written(tmp_path, "x,n,s,none\n1.5,1,a,\n,2,,\n2.5,,b,\n")
    assert np.isnan(reader.read(["x"], 0, 3)["x"]).tolist() == [False, True, False]
    assert reader.read(["s"], 0, 3)["s"].tolist() == ["a", "", "b"]
    assert np.isnan(reader.read(["none"], 0, 3)["none"]).all()
    assert reader.read(["n"], 0, 2)["n"].tolist() == [1, 2]
    with pytest.raises(DataError, match="a.csv: column 'n' is empty in entry 2$"):
        reader.read(["n"], 1, 3)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1: two columns are called 'a'"):
        written(tmp_path, "a,a\n1,2\n")


def test_what_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n\xff\xfe,3,4\n")
    with pytest.raises(DataError, match="a.csv: line 3"):
        csv.open_file(Source(format="csv"), tmp_path / "a.csv")


def test_a_compressed_file_is_not_unpacked(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    try:
        reader = csv.open_file(Source(format="csv"), tmp_path / "a.csv.gz")
    except DataError:
        return
    assert "a" not in reader.columns
