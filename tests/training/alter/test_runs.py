"""Runs of recipes with augmentation and noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn.errors import RecipeError

DIGITS: dict[str, Any] = {
    "name": "digits-altered",
    "dataset": "digits",
    "limit": 400,
    "architecture": {"name": "mlp", "hidden": [12]},
    "fit": {
        "epochs": 2,
        "batch": 64,
        "augment": {"rotation": {"degrees": 15}, "shift": {"pixels": 1}},
        "noise": {"labels": {"rate": 0.1}, "coloured": {"sigma": 0.2}},
    },
}


def test_a_refused_augmentation_leaves_no_run(tmp_path: Path) -> None:
    from hepnn import pipeline

    with pytest.raises(RecipeError, match="fit.augment.smearing: wants lists of a jet"):
        pipeline.train(DIGITS, {"fit.augment.smearing": {}}, runs=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("tensorflow")
def test_a_run_shows_what_it_was_trained_on_and_saves_none_of_it(tmp_path: Path) -> None:
    from hepnn import pipeline
    from hepnn.training import network

    run = pipeline.train(DIGITS, runs=tmp_path, name="teacher")
    folder = run.path / "stages" / "float"
    assert "as the network sees them" in (folder / "altered.svg").read_text()
    model = network.of_run(run, "float")
    names = [type(layer).__name__ for layer in model.layers]
    plain = pipeline.train(
        DIGITS, {"fit.augment": {}, "fit.noise": {}}, runs=tmp_path, name="plain"
    )
    other = network.of_run(plain, "float")
    assert [type(layer).__name__ for layer in other.layers] == names
    assert not (plain.path / "stages" / "float" / "altered.svg").exists()
    for split in ("validation", "test", "calibration"):
        for name in ("x", "y"):
            ours, theirs = (getattr(one.events(split), name) for one in (run, plain))
            assert np.array_equal(ours, theirs)
    student = pipeline.train(DIGITS, {"fit.teacher": "teacher"}, runs=tmp_path, name="student")
    assert student.stages == ["float"]


@pytest.mark.usefixtures("tensorflow")
def test_a_denoising_autoencoder_is_one_line(tmp_path: Path) -> None:
    from hepnn import pipeline

    recipe = {
        **DIGITS,
        "task": {"name": "reconstruct"},
        "architecture": {"name": "autoencoder", "hidden": [16], "latent": 4},
        "fit": {"epochs": 2, "batch": 64, "noise": {"gaussian": {"sigma": 0.5}}},
    }
    noisy = pipeline.train(recipe, runs=tmp_path, name="noisy")
    assert (noisy.path / "stages" / "float" / "altered.svg").exists()
