"""What many tests share: a small dataset with a known structure, and one trained run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from clouds import small_recipe, three_clouds, write_card, write_events

from hepnn import console
from hepnn.run import Events, Run


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the support matrix is tested and written with."""
    parser.addoption("--all-cells", action="store_true", help="of the support matrix")
    parser.addoption("--long", action="store_true", help="also what tries the like of another test")
    parser.addoption("--fill-support", action="store_true", help="write what its tests find")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is one of many alike, where not everything is asked for."""
    if config.getoption("--long"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="one of many alike: --long"))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Let one process write the support matrix; else there is one a core."""
    return 1 if config.getoption("--fill-support") else None


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep verdicts apart from the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEPNN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _quick_compiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile emulations without optimization: it takes longer than it saves."""
    script = tmp_path_factory.mktemp("compiler") / "g++"
    script.write_text('#!/bin/sh\nexec g++ "$@" -O0\n')
    script.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        if shutil.which("g++") and "CXX" not in os.environ:
            patch.setenv("CXX", str(script))
        yield


@pytest.fixture(scope="session")
def tensorflow() -> None:
    """Import TensorFlow once, quietly."""
    console.import_tensorflow()


@pytest.fixture(scope="session")
def clouds_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a whole dataset."""
    folder = tmp_path_factory.mktemp("clouds")
    write_events(folder, *three_clouds())
    write_card(folder)
    return folder


@pytest.fixture
def clouds(tmp_path: Path) -> Path:
    """Return a dataset's folder that a test may damage."""
    folder = tmp_path / "clouds"
    folder.mkdir()
    write_events(folder, *three_clouds(300))
    write_card(folder)
    return folder


@pytest.fixture(scope="session")
def events() -> Events:
    """Return the clouds in memory."""
    x, y = three_clouds(2000)
    return Events(x, y, np.ones(len(x), np.float32))


@pytest.fixture(scope="session")
def trained(tensorflow: None, clouds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a trained run of three stages; tests do not change it."""
    from hepnn import pipeline

    return pipeline.train(small_recipe(clouds_folder), runs=tmp_path_factory.mktemp("runs"))
