"""Datasets: what is wrong with the data is told in one line, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from clouds import FEATURES, three_clouds, write_card, write_events

from hepnn.data import dataset as datasets
from hepnn.errors import DataError, RecipeError
from hepnn.recipe import FractionSplits


def test_the_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    loaded = datasets.load("digits")
    assert loaded.events.x.shape == (1797, 8, 8, 1)
    assert np.array_equal(loaded.events.x[..., 0], load_digits().images)
    assert np.array_equal(loaded.events.y, load_digits().target)


def test_features_come_in_the_order_asked_for(clouds: Path) -> None:
    whole = datasets.load(clouds).events.x
    part = datasets.load(clouds, ["count", "mass"]).events.x
    assert np.array_equal(part, whole[:, [2, 0]])


def test_no_event_is_in_two_splits_and_the_seed_decides(clouds: Path) -> None:
    loaded = datasets.load(clouds)
    parts = datasets.split(loaded, FractionSplits(seed=3))
    rows = [{tuple(row) for row in part.x.tolist()} for part in parts.values()]
    assert sum(len(part) for part in parts.values()) == 300
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]
    again = datasets.split(loaded, FractionSplits(seed=3))
    other = datasets.split(loaded, FractionSplits(seed=4))
    assert np.array_equal(parts["test"].x, again["test"].x)
    assert not np.array_equal(parts["test"].x, other["test"].x)


def test_an_empty_split_is_refused(clouds: Path) -> None:
    loaded = datasets.load(clouds)
    with pytest.raises(DataError, match="the validation split of 20 events is empty"):
        datasets.split(loaded, FractionSplits(train=0.9, validation=0.01, test=0.09), limit=20)


def _change(folder: Path, **columns: np.ndarray) -> None:
    x, y = three_clouds(300)
    x, y = x.astype(np.float64), y.astype(np.float64)
    for name, values in columns.items():
        if name == "kind":
            y = values
        else:
            x[:, FEATURES.index(name)] = values
    write_events(folder, x, y)


ONES = np.ones(300)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"mass": np.where(np.arange(300) == 7, np.nan, 1)}, "'mass' is not finite in entry 7"),
        ({"count": np.where(np.arange(300) == 9, np.inf, 1)}, "'count' is not finite in entry 9"),
        ({"kind": ONES}, "all events are of class 'middle'"),
        ({"kind": np.arange(300) % 4}, "label 3.* of entry 3 is none of 0 to 2"),
        ({"kind": np.arange(300) % 3 - 0.5}, "label -0.5 of entry 0"),
        ({"kind": np.where(np.arange(300) == 4, np.nan, 1)}, "label nan of entry 4"),
    ],
)
def test_bad_values_are_told_with_column_and_entry(
    clouds: Path, columns: dict[str, np.ndarray], message: str
) -> None:
    _change(clouds, **columns)
    with pytest.raises(DataError, match=message):
        datasets.load(clouds)


def test_a_truncated_file_is_named(clouds: Path) -> None:
    path = clouds / "events.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="events.parquet: no Parquet, or truncated"):
        datasets.load(clouds)


def test_a_renamed_column_is_told_with_the_nearest(clouds: Path) -> None:
    table = pq.read_table(clouds / "events.parquet")
    names = ["masses" if name == "mass" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), clouds / "events.parquet")
    with pytest.raises(DataError, match="no column 'mass'; did you mean 'masses'"):
        datasets.load(clouds)


def test_an_empty_entry_is_told(clouds: Path) -> None:
    table = pq.read_table(clouds / "events.parquet")
    values = [None if row == 5 else float(row) for row in range(300)]
    table = table.set_column(0, "mass", [values])
    pq.write_table(table, clouds / "events.parquet")
    with pytest.raises(DataError, match="'mass' is empty in entry 5"):
        datasets.load(clouds)


def test_text_is_no_number(clouds: Path) -> None:
    table = pq.read_table(clouds / "events.parquet")
    table = table.set_column(0, "mass", [["heavy"] * 300])
    pq.write_table(table, clouds / "events.parquet")
    with pytest.raises(DataError, match="'mass' is of type string"):
        datasets.load(clouds)


def test_no_events_are_refused(clouds: Path) -> None:
    write_events(clouds, np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(DataError, match="no events"):
        datasets.load(clouds)


def test_a_missing_file_and_a_changed_one_are_told(clouds: Path) -> None:
    write_card(clouds, checksums={"events.parquet": "0" * 64})
    with pytest.raises(DataError, match="is not the file of its card"):
        datasets.load(clouds)
    (clouds / "events.parquet").unlink()
    with pytest.raises(DataError, match="events.parquet is missing"):
        datasets.load(clouds)


def test_npz_arrays_of_other_lengths_are_refused(tmp_path: Path) -> None:
    x, y = three_clouds(30)
    write_card(tmp_path, source={"format": "npz", "files": ["events.npz"]})
    arrays = dict(zip(FEATURES, x.T, strict=True))
    np.savez(tmp_path / "events.npz", **arrays, kind=y)
    assert len(datasets.load(tmp_path).events) == 30
    np.savez(tmp_path / "events.npz", **{**arrays, "mass": x[:10, 0]}, kind=y)
    with pytest.raises(DataError, match="different lengths"):
        datasets.load(tmp_path)
    np.savez(tmp_path / "events.npz", **arrays, kind=y[:10])
    with pytest.raises(DataError, match="30 events but 10 labels"):
        datasets.load(tmp_path)


def test_unknown_features_formats_and_keys_are_told(clouds: Path) -> None:
    with pytest.raises(RecipeError, match="no feature 'mas'; did you mean 'mass'"):
        datasets.load(clouds, ["mas"])
    write_card(clouds, source={"format": "parket", "files": []})
    with pytest.raises(RecipeError, match="did you mean 'parquet'"):
        datasets.load(clouds)
    write_card(clouds, label={})
    with pytest.raises(RecipeError, match="did you mean 'labels'"):
        datasets.load(clouds)
