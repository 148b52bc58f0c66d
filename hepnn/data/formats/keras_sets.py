"""The data sets of `keras.datasets`: the training part's entries, then the test part's.

Files are taken from Keras's own cache, and fetched by Keras where it lacks them. They are read
here: Keras would unpickle `imdb` and `cifar10`, and it removes a file from its cache whose
checksum is not the original's when it cannot fetch another.

Columns are `image` (height, width, channels), `label`, and `test`, true for the official test
part; `imdb` has `words`, lists of whole numbers, in place of `image`. Its options are those of
`keras.datasets.imdb.load_data`: `num_words`, `skip_top`, `start_char`, `oov_char`,
`index_from`, `seed`.

A path in the source's `files` is an npz file to be taken in place of the cache, in the layout
of Keras's `mnist.npz`: `x_train`, `y_train`, `x_test`, `y_test`.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console
from hepnn.data.card import Source
from hepnn.data.formats import pickled
from hepnn.data.formats.npz import Archive
from hepnn.data.formats.reader import (
    ArrayReader,
    Column,
    Reader,
    lists,
    one_line,
    options,
    present,
    reading,
)
from hepnn.errors import DataError, RecipeError, nearest

#: Inputs and labels of the training part, then of the test part.
Parts = tuple[Any, np.ndarray, Any, np.ndarray]

GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"

#: What Keras's `load_data` does with the words by default.
WORDS = {
    "num_words": None,
    "skip_top": 0,
    "start_char": 1,
    "oov_char": 2,
    "index_from": 3,
    "seed": 113,
}


@dataclass(frozen=True)
class Stored:
    """A file of Keras's cache: where it lies below `datasets`, and where it comes from."""

    path: str
    origin: str
    checksum: str | None = None
    folder: str = ""  # what the cache holds in place of an archive


MNIST = Stored(
    "mnist.npz",
    GOOGLE + "mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)
FASHION = [
    Stored(f"fashion-mnist/{name}-ubyte.gz", f"{GOOGLE}{name}-ubyte.gz")
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
]
CIFAR10 = Stored(
    "cifar-10-batches-py-target",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    folder="cifar-10-batches-py",
)
IMDB = Stored(
    "imdb.npz",
    GOOGLE + "imdb.npz",
    "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
)


def open_set(source: Source, path: Path | None) -> Reader:
    """Load a set.

    Raises
    ------
    RecipeError
        If there is no such set, or if an option is unknown.
    DataError
        If the cache lacks a file that cannot be fetched, saying where to put it; if a file is
        damaged.
    """
    name = source.set or ""
    if name not in SETS:
        raise RecipeError(f"source.set: keras has no {name!r}; {nearest(name, SETS)}")
    chosen = options(source, WORDS if name == "imdb" else {})
    if path is not None:
        path = present(path, source, "npz file")
    where = str(path or f"keras.datasets.{name}")
    parts = SETS[name]() if path is None else _arrays(path)
    words = name == "imdb"
    inputs, labels = _words(parts, chosen, where) if words else _images(parts, where)
    made = ArrayReader(where)
    test = np.arange(len(labels)) >= len(parts[1])
    if words:
        made.hold("words", inputs, Column("jagged", "int64"))
    else:
        made.hold("image", inputs, Column("fixed", inputs.dtype.name, inputs.shape[1:]))
    made.hold("label", labels, Column("flat", labels.dtype.name))
    made.hold("test", test, Column("flat", "bool", description="the official test part"))
    return made


def _mnist() -> Parts:
    return _arrays(_cached(MNIST))


def _imdb() -> Parts:
    return _arrays(_cached(IMDB))


def _fashion_mnist() -> Parts:
    train_x, train_y, test_x, test_y = (_idx(_cached(stored)) for stored in FASHION)
    return train_x, train_y, test_x, test_y


def _cifar10() -> Parts:
    folder = _cached(CIFAR10) / CIFAR10.folder
    read = [_batch(folder / f"data_batch_{number}") for number in range(1, 6)]
    test_x, test_y = _batch(folder / "test_batch")
    return (
        np.concatenate([x for x, _ in read]),
        np.concatenate([y for _, y in read]),
        test_x,
        test_y,
    )


SETS: dict[str, Callable[[], Parts]] = {
    "mnist": _mnist,
    "fashion_mnist": _fashion_mnist,
    "cifar10": _cifar10,
    "imdb": _imdb,
}


def _home() -> Path:
    """Return Keras's folder of data sets, as Keras finds it."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".keras") / "datasets"


def _cached(stored: Stored) -> Path:
    """Return a file's path in the cache, fetched if it is not there."""
    path = _home() / stored.path
    if path.exists():
        return path
    console.import_tensorflow()
    import keras

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What Keras prints of its progress is no result.
        with contextlib.redirect_stdout(sys.stderr):
            keras.utils.get_file(
                path.name,
                stored.origin,
                cache_dir=str(_home().parent),
                cache_subdir=str(path.parent.relative_to(_home().parent)),
                file_hash=stored.checksum,
                extract=bool(stored.folder),
            )
    except Exception as error:  # whatever a network does
        what = f"unpack {stored.origin} there" if stored.folder else f"put {stored.origin} there"
        raise DataError(
            f"{path} is missing and cannot be fetched ({one_line(error)}): {what}"
        ) from error
    if not path.exists():  # Keras falls back to another folder where it may not write
        raise DataError(f"{path} is missing, and its folder cannot be written")
    return path


def _arrays(path: Path) -> Parts:
    """Read an npz file in Keras's layout; an array of lists is left as its stream."""
    archive = Archive(path)
    found = []
    try:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            if name not in archive.headers:
                hint = nearest(name, archive.headers)
                raise DataError(f"{path}: no array {name!r}; {hint}")
            _, dtype = archive.headers[name]
            if dtype.hasobject:
                found.append(pickled.read(archive.stream(name), f"{path}: array {name!r}"))
            else:
                found.append(archive.array(name))
    finally:
        archive.close()
    return found[0], np.asarray(found[1]), found[2], np.asarray(found[3])


def _idx(path: Path) -> np.ndarray:
    """Read an array in LeCun's IDX format: two zeros, type, rank, lengths, content."""
    with reading(path, "IDX file"), gzip.open(path, "rb") as stream:
        zeros, kind, rank = np.frombuffer(stream.read(4), ">u2,u1,u1")[0]
        if zeros or kind != 8 or not 1 <= rank <= 3:
            raise DataError(f"{path}: no IDX file of bytes")
        shape = tuple(int(n) for n in np.frombuffer(stream.read(4 * rank), ">u4"))
        size = int(np.prod(shape, dtype=object))
        if size > 2**30:
            raise DataError(f"{path}: claims {size} bytes, more than the set has")
        return np.frombuffer(stream.read(size), np.uint8).reshape(shape)


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a batch of CIFAR-10: rows of three colours' planes."""
    with reading(path, "batch of CIFAR-10"):
        content = pickled.read(path.read_bytes(), str(path))
        # Written by Python 2, in which strings and bytes are one.
        content = {k.decode() if isinstance(k, bytes) else k: v for k, v in content.items()}
        planes = np.asarray(content["data"], np.uint8).reshape(-1, 3, 32, 32)
        return planes.transpose(0, 2, 3, 1), np.array(content["labels"], np.uint8)


def _images(parts: Parts, where: str) -> tuple[np.ndarray, np.ndarray]:
    train_x, train_y, test_x, test_y = parts
    with reading(where, "set of images"):
        inputs = np.concatenate([train_x, test_x])
        labels = np.concatenate([train_y.ravel(), test_y.ravel()])
        if inputs.ndim not in (3, 4) or len(inputs) != len(labels):
            raise DataError(f"{where}: {inputs.shape} images and {len(labels)} labels")
        return (inputs if inputs.ndim == 4 else inputs[..., np.newaxis]), labels


def _words(parts: Parts, chosen: dict[str, Any], where: str) -> tuple[Any, np.ndarray]:
    """Shuffle and number the words as Keras's `load_data` does."""
    order = np.random.RandomState(chosen["seed"])
    contents: list[np.ndarray] = []
    counts: list[int] = []
    labels: list[np.ndarray] = []
    with reading(where, "set of lists of words"):
        for x, y in (parts[:2], parts[2:]):
            indices = np.arange(len(x))
            order.shuffle(indices)
            start = [] if chosen["start_char"] is None else [chosen["start_char"]]
            shift = chosen["index_from"] or 0
            for index in indices:
                words = np.asarray(x[index], np.int64) + shift
                contents.append(np.concatenate([np.asarray(start, np.int64), words]))
            counts += [len(one) for one in contents[len(counts) :]]
            labels.append(np.asarray(y)[indices])
        content = np.concatenate(contents)
    top = chosen["num_words"] or int(content.max())
    kept = (content >= chosen["skip_top"]) & (content < top)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    if chosen["oov_char"] is not None:
        content = np.where(kept, content, chosen["oov_char"])
    else:
        offsets = np.concatenate([[0], np.cumsum(kept)])[offsets]
        content = content[kept]
    return lists(offsets, content), np.concatenate(labels)
