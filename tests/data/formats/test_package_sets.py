"""Sets of scikit-learn and Keras are what those packages load, without unpickling."""

from __future__ import annotations

import gzip
import io
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from hepnn.data.card import Source
from hepnn.data.formats import keras_sets, pickled, sklearn_sets
from hepnn.data.formats.reader import Reader
from hepnn.errors import DataError, RecipeError


def sklearn_set(name: str) -> Reader:
    return sklearn_sets.open_set(Source(format="sklearn", set=name), None)


def keras_set(name: str, path: Path | None = None, **options: Any) -> Reader:
    return keras_sets.open_set(Source(format="keras", set=name, options=options), path)


def test_digits_are_scikit_learn_s() -> None:
    reader = sklearn_set("digits")
    read = reader.read(["image", "label"], 5, 1000)
    loaded = datasets.load_digits()
    assert reader.columns["image"].shape == (8, 8, 1) and reader.entries == 1797
    assert np.array_equal(read["image"][..., 0], loaded.images[5:1000])
    assert np.array_equal(read["label"], loaded.target[5:1000])


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_tables_are_scikit_learn_s(name: str) -> None:
    reader = sklearn_set(name)
    loaded = getattr(datasets, f"load_{name}")()
    names = [column for column in reader.columns if column != "label"]
    assert all(column.isidentifier() for column in names)
    read = reader.read(names, 0, reader.entries)
    assert np.array_equal(np.stack(list(read.values()), axis=1), loaded.data)
    if name == "iris":
        assert names[0] == "sepal_length" and reader.columns[names[0]].unit == "cm"


def test_unknown_sets_are_refused() -> None:
    with pytest.raises(RecipeError, match="sklearn has no 'digit'; did you mean 'digits'"):
        sklearn_set("digit")
    with pytest.raises(RecipeError, match="keras has no 'mnis'; did you mean 'mnist'"):
        keras_set("mnis")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of Keras's data sets, elsewhere."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    folder = tmp_path / "keras" / "datasets"
    folder.mkdir(parents=True)
    return folder


def parts(shape: tuple[int, ...] = (28, 28)) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        "x_train": rng.integers(0, 256, (30, *shape), np.uint8),
        "y_train": rng.integers(0, 10, 30).astype(np.uint8),
        "x_test": rng.integers(0, 256, (10, *shape), np.uint8),
        "y_test": rng.integers(0, 10, 10).astype(np.uint8),
    }


def check_images(reader: Reader, made: dict[str, np.ndarray]) -> None:
    read = reader.read(["image", "label", "test"], 0, reader.entries)
    expected = np.concatenate([made["x_train"], made["x_test"]])
    assert np.array_equal(read["image"], expected.reshape(read["image"].shape))
    assert read["image"].shape[0] == 40 and reader.columns["image"].dtype == "uint8"
    assert np.array_equal(read["label"], np.concatenate([made["y_train"], made["y_test"]]))
    assert np.array_equal(read["test"], np.arange(40) >= 30)


def test_mnist_comes_from_the_cache_or_a_file(cache: Path, tmp_path: Path) -> None:
    made = parts()
    np.savez(tmp_path / "own.npz", **made)
    reader = keras_set("mnist", tmp_path / "own.npz")
    assert reader.columns["image"].shape == (28, 28, 1)
    check_images(reader, made)
    shutil.copy(tmp_path / "own.npz", cache / "mnist.npz")
    check_images(keras_set("mnist"), made)
    np.savez(tmp_path / "lacks.npz", x_train=made["x_train"])
    with pytest.raises(DataError, match="lacks.npz: no array 'y_train'"):
        keras_set("mnist", tmp_path / "lacks.npz")


def test_the_shared_mnist_is_read_whole(shared: Path) -> None:
    reader = keras_set("mnist", shared / "mnist.npz")
    read = reader.read(["label", "test"], 0, reader.entries)
    assert reader.entries == 70_000 and read["test"].sum() == 10_000
    assert np.bincount(read["label"]).tolist()[:2] == [6903, 7877]  # LeCun's 5923 + 980, ...


def test_fashion_mnist_is_read_from_idx_files(cache: Path) -> None:
    made = parts()
    (cache / "fashion-mnist").mkdir()
    for name, (images, labels) in {
        "train": ("x_train", "y_train"),
        "t10k": ("x_test", "y_test"),
    }.items():
        for kind, values in [("images-idx3", made[images]), ("labels-idx1", made[labels])]:
            head = bytes([0, 0, 8, values.ndim])
            head += b"".join(n.to_bytes(4, "big") for n in values.shape)
            path = cache / "fashion-mnist" / f"{name}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(head + values.tobytes()))
    check_images(keras_set("fashion_mnist"), made)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte.gz: no IDX file, or truncated"):
        keras_set("fashion_mnist")


def cifar(protocol: int, made: dict[str, np.ndarray], part: str) -> bytes:
    """Return a batch as Python 3 writes it, or, at protocol 0, as Python 2 did."""
    planes = made[f"x_{part}"].transpose(0, 3, 1, 2).reshape(-1, 3072)
    if not protocol:
        head = b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + b"J\xff\xff\xff\xff" * 2
        shape = b"K" + bytes([len(planes)]) + b"M\x00\x0c\x86"
        data = b"T" + planes.size.to_bytes(4, "little") + planes.tobytes()
        labels = b"".join(b"K" + bytes([label]) for label in made[f"y_{part}"].tolist())
        array = head + b"(K\x01" + shape + kind + b"K\x00tb\x89" + data + b"tb"
        return b"\x80\x02}(U\x04data" + array + b"U\x06labels](" + labels + b"eu."
    return pickle.dumps({b"data": planes, b"labels": made[f"y_{part}"].tolist()}, protocol)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_cifar10_is_read_from_its_batches(protocol: int, cache: Path) -> None:
    made = parts((32, 32, 3))
    folder = cache / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for number in range(5):
        some = {k: v[6 * number : 6 * number + 6] for k, v in made.items()}
        (folder / f"data_batch_{number + 1}").write_bytes(cifar(protocol, some, "train"))
    (folder / "test_batch").write_bytes(cifar(protocol, made, "test"))
    check_images(keras_set("cifar10"), made)


def reviews(path: Path) -> None:
    rng = np.random.default_rng(6)
    made: dict[str, np.ndarray] = {}
    for part, size in (("train", 40), ("test", 25)):
        lists = np.empty(size, dtype=object)
        lists[:] = [rng.integers(1, 300, rng.integers(1, 50)).tolist() for _ in range(size)]
        made[f"x_{part}"] = lists
        made[f"y_{part}"] = rng.integers(0, 2, size)
    np.savez(path, **made)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_words": 100},
        {"num_words": 100, "skip_top": 10, "oov_char": None},
        {"start_char": None, "index_from": 0, "seed": 7},
    ],
)
def test_imdb_is_what_keras_loads(
    options: dict[str, Any], tensorflow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras.src.datasets import imdb

    reviews(tmp_path / "imdb.npz")
    monkeypatch.setattr(imdb, "get_file", lambda *_, **__: str(tmp_path / "imdb.npz"))
    (x_train, y_train), (x_test, y_test) = imdb.load_data(**options)
    reader = keras_set("imdb", tmp_path / "imdb.npz", **options)
    read = reader.read(["words", "label", "test"], 0, 65)
    assert reader.columns["words"].kind == "jagged"
    assert read["words"].to_list() == [list(x) for x in [*x_train, *x_test]]
    assert read["label"].tolist() == [*y_train, *y_test]
    assert read["test"].tolist() == [False] * 40 + [True] * 25


class Loaded:
    """What would leave a mark if it were unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, ("raise SystemExit",))


def test_a_hostile_file_is_refused_and_not_unpickled(cache: Path, tmp_path: Path) -> None:
    hostile = np.array([[1, 2], Loaded()], dtype=object)
    np.savez(tmp_path / "a.npz", x_train=hostile, y_train=[1, 2], x_test=hostile, y_test=[1, 2])
    with pytest.raises(DataError, match="array 'x_train': names 'builtins.exec', and is refused"):
        keras_set("imdb", tmp_path / "a.npz")
    folder = cache / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(pickle.dumps({"data": Loaded()}))
    with pytest.raises(DataError, match="data_batch_1: names .*refused"):
        keras_set("cifar10")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_plain_data_are_read_from_the_protocols_that_sets_were_stored_in(protocol: int) -> None:
    lists = np.empty(3, dtype=object)
    lists[:] = [[1, 70_000, -3], [], [2**40]]
    made = {"a": [1, 2.5, "é", (None, True, False)], "b": b"\x00\xff", "c": ((), {}, [[]])}
    assert pickled.read(pickle.dumps(made, protocol), "f") == made
    assert pickled.read(pickle.dumps(lists, protocol), "f") == lists.tolist()
    assert pickled.read(pickle.dumps([7], protocol) + b"K\x05", "f") == [7]
    for array in (np.arange(6.0).reshape(2, 3).T, np.arange(4, dtype=">i2"), np.array([True])):
        assert np.array_equal(pickled.read(pickle.dumps(array, protocol), "f"), array)


@pytest.mark.parametrize(
    "stream",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"c_codecs\nencode\n(cos\nsystem\ntR.",
        b"cnumpy\nndarray\n(tR.",
        b"(i__main__\nThing\n.",
        b"\x80\x02c__main__\nA\n)\x81.",
        b"Pid\n.",
        b"}q\x00(h\x00h\x00u.",
        b"]]",
        b"a.",
        b"",
    ],
)
def test_other_operations_are_refused(stream: bytes) -> None:
    with pytest.raises(DataError, match="^set: "):
        pickled.read(stream, "set")


def test_what_the_cache_lacks_and_no_network_gives_is_told(
    cache: Path, tensorflow: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    import urllib.error

    from keras.src.utils import file_utils

    def refuse(*_: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(file_utils, "urlretrieve", refuse)
    for name, path in [
        ("mnist", "mnist.npz"),
        ("imdb", "imdb.npz"),
        ("fashion_mnist", "fashion-mnist/train-images-idx3-ubyte.gz"),
        ("cifar10", "cifar-10-batches-py-target"),
    ]:
        with pytest.raises(DataError) as error:
            keras_set(name)
        assert str(error.value).startswith(f"{cache / path} is missing and cannot be fetched (")
        assert "https://" in str(error.value) and "\n" not in str(error.value)
    assert capfd.readouterr().out == ""


def test_what_is_fetched_goes_to_keras_s_cache(
    cache: Path, tensorflow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from keras.src.utils import file_utils

    made = parts((32, 32, 3))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, part in [
            *((f"data_batch_{n}", "train") for n in range(1, 6)),
            ("test_batch", "test"),
        ]:
            some = made
            if part == "train":
                at = 6 * (int(name[-1]) - 1)
                some = {k: v[at : at + 6] for k, v in made.items()}
            content = cifar(2, some, part)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))

    def fetch(origin: str, target: str, _: Any) -> None:
        Path(target).write_bytes(packed.getvalue())

    monkeypatch.setattr(file_utils, "urlretrieve", fetch)
    monkeypatch.setattr(keras_sets, "CIFAR10", replace(keras_sets.CIFAR10, checksum=None))
    check_images(keras_set("cifar10"), made)
    assert (cache / "cifar-10-batches-py-target" / "cifar-10-batches-py" / "test_batch").is_file()


def test_a_file_in_the_cache_is_never_removed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "mnist.npz").write_bytes(b"something else")
    with pytest.raises(DataError, match="mnist.npz: no npz file, or truncated"):
        keras_set("mnist")
    assert (cache / "mnist.npz").read_bytes() == b"something else"
