"""A small file of every format, with the same content, and real files where they are there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from PIL import Image

N = 300


def content() -> dict[str, Any]:
    """Return columns: flat, whole, condition, fixed, jagged."""
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, N)
    return {
        "mass": rng.normal(90, 3, N),
        "njet": counts.astype(np.int32),
        "good": rng.uniform(size=N) > 0.5,
        "cell": rng.normal(size=(N, 3)).astype(np.float32),
        "pt": ak.unflatten(rng.exponential(30, int(counts.sum())).astype(np.float32), counts),
    }


def write_parquet(path: Path) -> None:
    made = content()
    cell = pa.FixedSizeListArray.from_arrays(pa.array(made["cell"].ravel()), 3)
    lists = pa.array(made["pt"].to_list(), pa.list_(pa.float32()))
    plain = {name: made[name] for name in ("mass", "njet", "good")}
    pq.write_table(pa.table(plain | {"cell": cell, "pt": lists}), path, row_group_size=70)


def write_root(path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mktree("Events", content())


def write_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, values in content().items():
            if name != "pt":
                file[name] = values
                continue
            lists = file.create_dataset(name, (N,), h5py.vlen_dtype(np.float32))
            for entry, one in enumerate(values):
                lists[entry] = one.to_numpy()


def write_npz(path: Path) -> None:
    np.savez_compressed(path, **{k: v for k, v in content().items() if k != "pt"})


def write_csv(path: Path) -> None:
    made = content()
    rows = zip(made["mass"], made["njet"], made["good"], strict=True)
    lines = [f"{float(mass)!r},{njet},{str(good).lower()}" for mass, njet, good in rows]
    path.write_text("\n".join(["mass,njet,good", *lines, ""]))


def write_image(path: Path) -> None:
    rng = np.random.default_rng(4)
    Image.fromarray(rng.integers(0, 255, (30, 20, 3), np.uint8)).save(path)


#: Writers by format; one writes the same file every time.
WRITERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "parquet": ("events.parquet", write_parquet),
    "root": ("events.root", write_root),
    "hdf5": ("events.h5", write_hdf5),
    "npz": ("events.npz", write_npz),
    "csv": ("events.csv", write_csv),
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one file of every format, which tests do not change."""
    folder = tmp_path_factory.mktemp("formats")
    for name, write in WRITERS.values():
        write(folder / name)
    return {kind: folder / name for kind, (name, _) in WRITERS.items()}


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """Return what the files hold."""
    return content()


@pytest.fixture
def shared() -> Path:
    """Return the folder of real data, or skip."""
    default = Path(__file__).parents[4] / "shared" / "data"
    folder = Path(os.environ.get("HEPNN_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip("no shared data")
    return folder
