"""A run of a recipe with many lines, to its exact artefact."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clouds import small_recipe, three_clouds, write_card, write_events

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_a_run_with_many_lines_is_shipped_with_the_same_bits(
    clouds_folder: Path, tmp_path: Path
) -> None:
    from hepnn import deployment, files, pipeline
    from hepnn.training import network

    step = {"epochs": 3, "schedule": {"name": "one_cycle"}}
    recipe: dict[str, Any] = {
        **small_recipe(clouds_folder),
        "task": {
            "name": "classify",
            "loss": {"name": "focal", "gamma": 1.0},
            "class_weights": "balanced",
        },
        "fit": {
            "epochs": 4,
            "batch": 256,
            "learning_rate": 0.02,
            "optimizer": {"name": "nesterov", "weight_decay": 1e-4},
            "schedule": {"name": "plateau", "patience": 1},
            "dropout": {"inputs": 0.05, "hidden": 0.2},
            "regularize": {"l1": 1e-5, "l3": 1e-4},
            "clip": {"global_norm": 0.5},
            "average": 0.9,
            "precision": "mixed_bfloat16",
        },
        "compress": [
            {"step": "prune", "sparsity": 0.5, "fit": step},
            {"step": "quantize", "beta": {"last": 1e-5}, "fit": step},
        ],
        "targets": [{"name": "tflite"}],
    }
    run = pipeline.train(recipe, runs=tmp_path)
    assert run.stages == ["float", "pruned", "quantized"]
    for stage in run.stages:
        model = network.of_run(run, stage)
        assert not any("Dropout" in type(layer).__name__ for layer in model.layers)
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
        rows = list(csv.DictReader((run.stage(stage) / "history.csv").open()))
        assert all(float(row["gradient_norm"]) > 0 for row in rows)
        assert "gradient norm" in (run.stage(stage) / "curves.svg").read_text()
    pruned = network.of_run(run, "pruned")
    kernel = pruned.get_layer("dense2").kernel.numpy()
    assert (kernel == 0).mean() == pytest.approx(0.5, abs=0.02)  # of the averaged weights
    deployment.deploy(run)
    found = files.read_json(run.path / "agreement.json")
    assert found["holds"]
    assert all(one["bit_exact"] for one in found["artefacts"].values())


def test_two_classes_can_have_one_logit(tmp_path: Path) -> None:
    from hepnn import deployment, files, pipeline
    from hepnn.training import network

    x, y = three_clouds(800)
    write_events(tmp_path, x, (y > 0).astype(np.int32))
    write_card(tmp_path, labels={"column": "kind", "classes": ["low", "other"]})
    recipe: dict[str, Any] = {
        **small_recipe(tmp_path),
        "task": {"name": "classify", "loss": "binary_crossentropy", "class_weights": "balanced"},
        "compress": [{"step": "quantize", "method": "qkeras", "fit": {"epochs": 3}}],
        "targets": [{"name": "tflite"}],
    }
    run = pipeline.train(recipe, runs=tmp_path)
    model = network.of_run(run, "quantized")
    assert model.output_shape == (None, 1)
    accuracy = files.read_json(run.stage("quantized") / "metrics.json")["accuracy"]
    test = run.events("test")
    decided = network.predict(model, test.x)[:, 0] > 0
    assert accuracy == pytest.approx(np.mean(decided == test.y))
    assert accuracy > 0.8
    deployment.deploy(run)
    assert files.read_json(run.path / "agreement.json")["holds"]
