"""A segmentation from the card to the artefacts: bright squares in a dark image."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hepnn import files
from hepnn.errors import DataError, RecipeError
from hepnn.run import Run

SIDE = 8


def squares(events: int = 400, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return images with noise, and where their square of 3 x 3 is: small ones are not marked."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.1, (events, SIDE, SIDE, 1))
    y = np.zeros((events, SIDE, SIDE), np.int32)
    for image, mask in zip(x, y, strict=True):
        for size in (3, 1):
            row, column = rng.integers(0, SIDE - size + 1, 2)
            image[row : row + size, column : column + size] += 1
            mask[row : row + size, column : column + size] = size == 3
    return x.astype(np.float32), y


def write(folder: Path, side: int = SIDE) -> Path:
    x, y = squares()
    np.savez(folder / "events.npz", image=x, mask=y[:, :side, :side])
    card = {
        "name": "squares",
        "title": "Squares to be marked",
        "source": {"format": "npz", "files": ["events.npz"]},
        "inputs": {"image": {"kind": "image", "shape": [SIDE, SIDE, 1]}},
        "labels": {
            "kind": "mask",
            "column": "mask",
            "classes": ["dark", "square"],
            "shape": [side, side],
        },
        "licence": "CC0-1.0",
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(card))
    return folder


def recipe(dataset: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "squares",
        "dataset": str(dataset),
        "task": {"name": "segment", "dice": 0.5},
        "architecture": {
            "name": "unet",
            "filters": 4,
            "depth": 1,
            "padding": "same",
            "upsampling": "nearest",
            "dropout": 0.0,
        },
        "fit": {"epochs": 20, "batch": 20, "learning_rate": 0.02, "engine": "keras"},
        **changes,
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def shipped(tensorflow: None, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of two stages, both shipped to TFLite."""
    from hepnn import pipeline

    wanted = recipe(
        dataset,
        compress=[{"step": "quantize", "beta": {"last": 1e-8}, "fit": {"epochs": 8}}],
        targets=[{"name": "tflite", "stage": "float"}, {"name": "tflite"}],
    )
    return pipeline.train(wanted, runs=tmp_path_factory.mktemp("runs"), name="squares", deploy=True)


def test_every_stage_finds_the_squares(shipped: Run) -> None:
    for stage in ("float", "quantized"):
        found = files.read_json(shipped.stage(stage) / "metrics.json")
        assert found["iou"]["square"] > 0.8, stage
        assert {path.stem for path in shipped.stage(stage).glob("*.svg")} == {
            "curves",
            "masks",
            "confusion",
        }


def test_the_artefacts_repeat_masks(shipped: Run) -> None:
    document = files.read_json(shipped.path / "agreement.json")
    assert document["holds"] is True and document["task"] == "segment"
    figures = document["stages"]["quantized"]["artefacts"]["tflite"]
    assert figures["promise"] == "exact" and figures["bit_exact"]
    lossy = document["stages"]["float"]["artefacts"]["tflite"]
    assert lossy["decision_flips"] == 0 and lossy["max_abs_diff"] < 1e-4


def test_a_mask_that_differs_breaks_the_promise_of_one_event(
    shipped: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hepnn import agreement
    from hepnn.targets.tflite import artefact

    predict = artefact.TFLiteArtefact.predict

    def wrong(self: Any, x: np.ndarray) -> np.ndarray:
        answer = np.array(predict(self, x))
        if len(x) == len(shipped.events("test")):
            answer.reshape(len(x), -1)[3, 17] += 1
        return answer

    monkeypatch.setattr(artefact.TFLiteArtefact, "predict", wrong)
    document = agreement.agree(shipped, stage="quantized")
    figures = document["artefacts"]["tflite"]
    assert figures["mismatches"] == 1 and not figures["holds"] and not document["holds"]
    # Shipped anew, that event agrees: what differs is the export.
    assert figures["first_difference"] is None


def test_the_page_tells_of_masks(shipped: Run) -> None:
    page = (shipped.path / "report.html").read_text(encoding="utf-8")
    for text in ("mean IoU", "Input, truth and decision", "IoU: intersection of", "By class"):
        assert text in page, text
    assert "is missing" not in page
    metrics = files.read_json(shipped.stage("quantized") / "metrics.json")
    headline = f"mean IoU {metrics['mean_iou']:.4f}"
    assert headline in (shipped.path / "overview.svg").read_text(encoding="utf-8")


def test_masks_streamed_from_disk_are_trained_on(
    dataset: Path, tmp_path: Path, tensorflow: None
) -> None:
    from hepnn import pipeline

    losses = []
    for engine in ("epoch", "keras"):
        fit = {**recipe(dataset)["fit"], "epochs": 1, "engine": engine}
        wanted = recipe(dataset, stream="always", fit=fit)
        run = pipeline.train(wanted, runs=tmp_path, name=engine)
        assert run.manifest["stages"]["float"]["engine"] == engine
        assert run.manifest["data"]["streamed"] is True
        with (run.stage("float") / "history.csv").open() as history:
            (only,) = csv.DictReader(history)
        losses.append([float(only[name]) for name in ("loss", "accuracy", "val_loss")])
    assert np.allclose(*losses, rtol=1e-3)


def test_the_drivers_take_the_same_steps_on_weighted_events(
    dataset: Path, tensorflow: None
) -> None:
    """As many events a batch as an image has columns, so that nothing is broadcast unseen."""
    import keras

    from hepnn.architectures import get
    from hepnn.recipe import Fit
    from hepnn.run import Events
    from hepnn.tasks.segment import Segment
    from hepnn.training import fit
    from hepnn.vocabularies import get as vocabulary

    x, y = squares(64)
    weight = np.random.default_rng(3).uniform(0.1, 2, 64).astype(np.float32)
    data, task = Events(x, y, weight), Segment([1.0, 3.0], 0.5)
    losses = []
    for engine in ("epoch", "keras"):
        keras.utils.set_random_seed(2)
        hyper = recipe(dataset)["architecture"]
        options = {name: value for name, value in hyper.items() if name != "name"}
        model = get("unet")(x.shape[1:], (*y.shape[1:], 2), nn=vocabulary("float"), **options)
        plan = Fit(epochs=2, batch=SIDE, engine=engine)
        done = fit.fit(model, data, data, plan, loss=task.loss(), metrics=task.metrics())
        losses.append([done.history[name] for name in ("loss", "val_loss", "val_iou")])
    assert np.allclose(*losses, rtol=1e-4)


def test_masks_and_networks_that_do_not_fit_are_refused(
    dataset: Path, tmp_path: Path, tensorflow: None
) -> None:
    from hepnn import pipeline

    with pytest.raises(RecipeError, match="task classify predicts classes; .* of kind mask"):
        pipeline.train(recipe(dataset, task="classify"), runs=tmp_path)
    with pytest.raises(DataError, match="masks of 4x4 pixels, images of 8x8"):
        pipeline.train(recipe(write(tmp_path, side=4)), runs=tmp_path / "small")
    wanted = recipe(dataset, task={"name": "segment", "class_weights": [1.0]})
    with pytest.raises(RecipeError, match="class_weights: 1 weights of 2 classes"):
        pipeline.train(wanted, runs=tmp_path / "runs")
