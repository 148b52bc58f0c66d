"""Datasets: what is wrong with the data is told in one line, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clouds import FEATURES, three_clouds, write_card, write_events

from hepnn.data import dataset as datasets
from hepnn.data import division, on_disk, reading
from hepnn.data.division import Divided
from hepnn.errors import DataError, RecipeError
from hepnn.recipe import FractionSplits
from hepnn.run import Events


def read(folder: Path | str, inputs: list[str] | None = None) -> Events:
    return reading.read(datasets.open_dataset(folder, inputs))


def divide(folder: Path, limit: int | None = None, **splits: float) -> Divided:
    return division.divide(datasets.open_dataset(folder, None, FractionSplits(**splits)), limit)


def test_the_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    loaded = read("digits")
    assert loaded.x.shape == (1797, 8, 8, 1)
    assert np.array_equal(loaded.x[..., 0], load_digits().images)
    assert np.array_equal(loaded.y, load_digits().target)


def test_features_come_in_the_order_asked_for(clouds: Path) -> None:
    assert np.array_equal(read(clouds, ["count", "mass"]).x, read(clouds).x[:, [2, 0]])


def test_the_split_is_numpys_permutation(clouds: Path) -> None:
    x = read(clouds).x
    order = np.random.default_rng(3).permutation(300)
    parts = divide(clouds, seed=3)
    assert np.array_equal(parts.train.events.x, x[order[:210]])
    assert np.array_equal(parts.validation.x, x[order[210:255]])
    assert np.array_equal(parts.test.x, x[order[255:]])


def test_no_event_is_in_two_splits_and_the_seed_decides(clouds: Path) -> None:
    parts = divide(clouds, seed=3)
    three = (parts.train.events, parts.validation, parts.test)
    rows = [{tuple(row) for row in part.x.tolist()} for part in three]
    assert sum(len(part) for part in three) == 300
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]
    assert np.array_equal(parts.test.x, divide(clouds, seed=3).test.x)
    assert not np.array_equal(parts.test.x, divide(clouds, seed=4).test.x)


def test_an_empty_split_is_refused(clouds: Path) -> None:
    with pytest.raises(DataError, match="the validation split of 20 events is empty"):
        divide(clouds, 20, train=0.9, validation=0.01, test=0.09)


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
def test_bad_values_are_told_with_file_column_and_entry(
    clouds: Path, columns: dict[str, np.ndarray], message: str
) -> None:
    _change(clouds, **columns)
    with pytest.raises(DataError, match=message):
        divide(clouds)


def test_a_truncated_file_is_named(clouds: Path) -> None:
    path = clouds / "events.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="events.parquet"):
        read(clouds)


def test_a_renamed_column_is_told_with_the_nearest(clouds: Path) -> None:
    table = pq.read_table(clouds / "events.parquet")
    names = ["masses" if name == "mass" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names), clouds / "events.parquet")
    with pytest.raises(DataError, match="no column 'mass'; did you mean 'masses'"):
        read(clouds)


def test_text_is_no_number(clouds: Path) -> None:
    table = pq.read_table(clouds / "events.parquet")
    table = table.set_column(0, "mass", [["heavy"] * 300])
    pq.write_table(table, clouds / "events.parquet")
    with pytest.raises(DataError, match="mass"):
        read(clouds)


def test_no_events_are_refused(clouds: Path) -> None:
    write_events(clouds, np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(DataError, match="no events"):
        read(clouds)


def test_a_selection_that_keeps_nothing_is_told(clouds: Path) -> None:
    write_card(clouds, selection="mass > 1e9")
    with pytest.raises(DataError, match="no events: its selection keeps none of 300"):
        read(clouds)


def test_a_missing_file_and_a_changed_one_are_told(clouds: Path) -> None:
    write_card(clouds, checksums={"events.parquet": "0" * 64})
    with pytest.raises(DataError, match="is not the file of its card"):
        read(clouds)
    (clouds / "events.parquet").unlink()
    with pytest.raises(DataError, match="events.parquet is missing"):
        read(clouds)


def test_a_path_that_leaves_the_folder_is_refused(clouds: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.parquet"
    (clouds / "events.parquet").rename(outside)
    for name in ("../outside.parquet", "link.parquet"):
        write_card(clouds, source={"format": "parquet", "files": [name]})
        (clouds / "link.parquet").unlink(missing_ok=True)
        (clouds / "link.parquet").symlink_to(outside)
        with pytest.raises(DataError, match="leaves the card's folder"):
            read(clouds)
    write_card(clouds, source={"format": "parquet", "files": [str(outside)]})
    assert len(read(clouds)) == 300


def test_a_glob_that_finds_nothing_is_told(clouds: Path) -> None:
    write_card(clouds, source={"format": "parquet", "files": ["run*.parquet"]})
    with pytest.raises(DataError, match="nothing matches 'run"):
        read(clouds)


def test_unknown_features_formats_and_keys_are_told(clouds: Path) -> None:
    with pytest.raises(RecipeError, match="no feature 'mas'; did you mean 'mass'"):
        read(clouds, ["mas"])
    write_card(clouds, source={"format": "parket", "files": ["events.parquet"]})
    with pytest.raises(RecipeError, match="did you mean 'parquet'"):
        read(clouds)
    write_card(clouds, label={})
    with pytest.raises(RecipeError, match="did you mean 'labels'"):
        read(clouds)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Return a dataset of three files, sorted by class as generators write them."""
    x, y = three_clouds(900)
    event = np.arange(900)
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(3):
        of = y == number
        columns = dict(zip(FEATURES, x[of].T, strict=True))
        table = pa.table({**columns, "kind": y[of], "event": event[of], "w": np.abs(x[of, 0])})
        pq.write_table(table, folder / f"part{number}.parquet")
    write_card(folder, source={"format": "parquet", "files": ["part*.parquet"]})
    return folder


def test_a_column_of_another_type_in_a_later_file_is_told(shards: Path) -> None:
    table = pq.read_table(shards / "part1.parquet")
    table = table.set_column(0, "mass", [np.arange(len(table))])
    pq.write_table(table, shards / "part1.parquet")
    with pytest.raises(DataError, match="part1.parquet: column 'mass' is flat int64, in .*part0"):
        read(shards)


def test_a_damaged_file_is_skipped_only_when_the_card_says_so(shards: Path) -> None:
    bad = shards / "part3.parquet"
    bad.write_bytes(b"PAR1 no more than that")
    with pytest.raises(DataError, match="part3.parquet"):
        read(shards)
    source = {"format": "parquet", "files": ["part*.parquet"], "skip_unreadable": True}
    write_card(shards, source=source)
    data = datasets.open_dataset(shards)
    assert len(reading.read(data)) == 900
    assert list(data.assembler.survey.skipped) == [str(bad)]


@pytest.mark.parametrize(("value", "word"), [(-1.0, "-1"), (np.nan, "nan"), (np.inf, "inf")])
def test_a_weight_that_makes_no_sense_is_told(shards: Path, value: float, word: str) -> None:
    table = pq.read_table(shards / "part1.parquet")
    weights = table["w"].to_numpy().copy()
    weights[4] = value
    column = table.column_names.index("w")
    pq.write_table(table.set_column(column, "w", [weights]), shards / "part1.parquet")
    source = {"format": "parquet", "files": ["part*.parquet"]}
    write_card(shards, source=source, weights={"column": "w"})
    with pytest.raises(DataError, match=f"part1.parquet: weight {word} of entry 4"):
        read(shards)
    if value < 0:
        write_card(shards, source=source, weights={"column": "w", "allow_negative": True})
        assert read(shards).weight.min() == -1


def test_classes_can_be_names(tmp_path: Path) -> None:
    text = "mass,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20))
    (tmp_path / "events.csv").write_text(text)
    card = {
        "source": {"format": "csv", "files": ["events.csv"]},
        "inputs": {"one": {"features": [{"name": "mass"}]}},
        "labels": {"column": "kind", "classes": ["b", "a"]},
    }
    write_card(tmp_path, **card)
    assert read(tmp_path).y.tolist() == [1, 0] * 10
    write_card(tmp_path, **{**card, "labels": {"column": "kind", "classes": ["a", "c"]}})
    with pytest.raises(DataError, match="label 'b' of entry 1 is no class"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"selection": "mas > 3"}, "no column 'mas'; did you mean 'mass'"),
        ({"selection": "open(mass)"}, "open"),
        ({"new_variables": {"m": "mass.__class__"}, "selection": "m > 1"}, "__class__"),
        ({"labels": {"where": {"a": "mass > 1"}}}, "at least two classes"),
        ({"new_variables": {"mass": "width * 2"}}, "the source has a column of that name"),
        ({"splits": {"by": "hash", "of": ["mass"]}}, "'mass' is no whole number"),
        ({"weights": {"flat": {"mass": [1, 2]}}}, "at least three edges"),
    ],
)
def test_what_a_card_says_wrongly_is_told(
    clouds: Path, changes: dict[str, object], message: str
) -> None:
    write_card(clouds, **changes)
    with pytest.raises((DataError, RecipeError), match=message) as error:
        read(clouds)
    assert "\n" not in str(error.value)


def _rows(events: Events) -> set[tuple[float, ...]]:
    return {(*x, y, w) for x, y, w in zip(events.x.tolist(), events.y, events.weight, strict=True)}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"selection": "mass > 60"},
        {"splits": {"by": "hash", "of": ["event"]}},
        {"splits": {"by": "column", "test": "event % 5 == 0"}, "selection": "count > 30"},
        {"weights": {"column": "w", "balance": True, "flat": {"mass": [20, 60, 100, 140]}}},
        {"labels": {"where": {"light": "mass < 70", "heavy": "mass > 90"}}},
    ],
)
def test_on_disk_every_event_is_where_it_is_in_memory(
    shards: Path, tmp_path: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hepnn.data import sources, splits

    monkeypatch.setattr(splits, "BLOCK", 256)
    monkeypatch.setattr(sources, "CHUNK_ENTRIES", (70, 70))
    source = {"format": "parquet", "files": ["part*.parquet"]}
    write_card(shards, **{"source": source, **changes})
    data = datasets.open_dataset(shards)
    memory = division.divide(data, 700)
    disk = on_disk.divide(data, tmp_path / "stream", 700)
    pieces = [events for events, _ in disk.train.pieces(1, 0, 32)]
    streamed = set().union(*map(_rows, pieces))
    assert streamed == _rows(memory.train.events)
    assert _rows(disk.validation) == _rows(memory.validation)
    assert _rows(disk.test) == _rows(memory.test)
    assert disk.fingerprint == memory.fingerprint
    assert disk.events == memory.events
    np.testing.assert_allclose(disk.statistics.mean, memory.statistics.mean, rtol=1e-9)
    np.testing.assert_allclose(disk.statistics.std, memory.statistics.std, rtol=1e-9)


def test_a_disk_that_is_too_small_is_told_before_it_is_filled(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    room = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    with pytest.raises(DataError, match="needs 0.0 GB of disk, 0.0 are free"):
        on_disk.divide(datasets.open_dataset(shards), tmp_path / "stream")


def test_the_hash_of_an_event_decides_in_whichever_file_it_is(shards: Path) -> None:
    write_card(
        shards,
        source={"format": "parquet", "files": ["part*.parquet"]},
        splits={"by": "hash", "of": ["event"]},
        observers=[{"name": "event"}],
    )
    before = division.divide(datasets.open_dataset(shards))
    (shards / "part0.parquet").rename(shards / "part9.parquet")
    after = division.divide(datasets.open_dataset(shards))
    for name in ("validation", "test"):
        events = [set(getattr(one, name).observers[:, 0]) for one in (before, after)]
        assert events[0] == events[1]


def test_files_decide_and_each_must_be_in_one_split(shards: Path) -> None:
    split = {"by": "file", "train": ["part0*"], "validation": ["part1*"], "test": ["part2*"]}
    source = {"format": "parquet", "files": ["part*.parquet"]}
    labels = {"kind": "none"}
    write_card(shards, source=source, splits=split, labels=labels)
    parts = division.divide(datasets.open_dataset(shards))
    y = three_clouds(900)[1]
    assert parts.events == {
        "train": (y == 0).sum(),
        "validation": (y == 1).sum(),
        "test": (y == 2).sum(),
    }
    write_card(shards, source=source, splits={**split, "test": ["part[12]*"]}, labels=labels)
    with pytest.raises(DataError, match="part1.parquet is in validation and test"):
        division.divide(datasets.open_dataset(shards))
