"""A run that was shipped for LiteRT, which the tests do not change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hepnn.run import Run, open_run


@pytest.fixture(scope="session")
def shipped(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run with the float and the quantized network as TFLite."""
    from hepnn import deployment
    from hepnn.recipe import TargetRequest

    path = tmp_path_factory.mktemp("shipped") / "clouds"
    shutil.copytree(trained.path, path)
    run = open_run(path)
    for stage in ("float", "quantized"):
        deployment.ship(run, TargetRequest(name="tflite", stage=stage))
    return run


@pytest.fixture
def own(shipped: Run, tmp_path: Path) -> Run:
    """Return a copy of it that a test may change."""
    path = tmp_path / "clouds"
    shutil.copytree(shipped.path, path)
    return open_run(path)
