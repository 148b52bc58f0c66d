"""A regression from the card to the artefacts: a linear function with noise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from hepnn import files
from hepnn.cli import shipping
from hepnn.data.scaling import OFFSET_STEP
from hepnn.errors import RecipeError, RunError
from hepnn.run import Run, open_run
from hepnn.tasks import regress
from hepnn.tasks import scaling as scalings

#: Of the noise: no prediction is better.
NOISE = {"energy": 5.0, "time": 2e-3}


def linear(events: int = 2000, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs `(events, 3)` and two targets of very different size."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(events, 3)) * [30.0, 0.02, 8.0] + [80.0, 0.1, 40.0]
    clean = np.stack([1.5 * x[:, 0] + 2000 * x[:, 1] - x[:, 2], 1e-3 * x[:, 2]], axis=1)
    return x, clean + rng.normal(size=clean.shape) * list(NOISE.values())


def write(folder: Path, **labels: Any) -> Path:
    x, y = linear()
    columns = dict(zip(("a", "b", "c", *NOISE), np.hstack([x, y]).T, strict=True))
    pq.write_table(pa.table({**columns, "odd": np.arange(len(x)) % 2}), folder / "events.parquet")
    targets = [{"name": "energy", "unit": "GeV"}, {"name": "time", "unit": "s"}]
    card = {
        "name": "linear",
        "title": "A linear function with noise",
        "source": {"format": "parquet", "files": ["events.parquet"]},
        "inputs": {"features": {"features": [{"name": name} for name in "abc"]}},
        "labels": labels or {"kind": "values", "targets": targets},
        "licence": "CC0-1.0",
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(card))
    return folder


def recipe(dataset: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "linear",
        "dataset": str(dataset),
        "task": "regress",
        "architecture": {"name": "mlp", "hidden": [8]},
        "fit": {"epochs": 20, "batch": 128, "learning_rate": 0.02},
        **changes,
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("linear"))


@pytest.fixture(scope="module")
def shipped(tensorflow: None, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run of three stages, shipped to what needs no compiler."""
    from hepnn import pipeline

    compress = [
        {"step": "prune", "sparsity": 0.3, "fit": {"epochs": 10}},
        {"step": "quantize", "beta": {"last": 1e-6}, "fit": {"epochs": 10}},
    ]
    targets = [{"name": "tflite"}, {"name": "rtl", "formats": ["vhdl"]}]
    wanted = recipe(dataset, compress=compress, targets=targets)
    return pipeline.train(wanted, runs=tmp_path_factory.mktemp("runs"), name="linear", deploy=True)


def test_every_stage_learns_what_there_is_to_learn(shipped: Run) -> None:
    for stage in ("float", "pruned", "quantized"):
        found = files.read_json(shipped.stage(stage) / "metrics.json")
        for name, noise in NOISE.items():
            # Of 300 test events the RMSE of pure noise is known to 4 %.
            assert 0.85 * noise < found["rmse"][name] < 1.4 * noise, (stage, name)
            assert found["rmse_baseline"][name] > 3 * noise
            assert found["r2"][name] > 0.9
        assert found["unit"] == {"energy": "GeV", "time": "s"}


def test_the_artefacts_repeat_every_bit(shipped: Run) -> None:
    document = files.read_json(shipped.path / "agreement.json")
    assert document["holds"] is True and document["task"] == "regress"
    assert set(document["artefacts"]) == {"tflite", "rtl-interpreter"}
    for figures in document["artefacts"].values():
        assert figures["bit_exact"] and figures["promise"] == "exact"
        assert figures["decision_flips"] == figures["max_efficiency_shift"] == 0


def test_the_manifest_says_how_outputs_become_quantities(shipped: Run) -> None:
    """From the manifest, the artefact and the test events alone: the metrics of the stage."""
    from hepnn import targets

    said = shipped.manifest["data"]["targets"]
    assert [target["name"] for target in said] == list(NOISE)
    assert [target["unit"] for target in said] == ["GeV", "s"]
    offset, power = (np.array([one[key] for one in said]) for key in ("offset", "exponent"))
    # The offset lies on a grid that firmware adds exactly.
    assert np.all(offset * 2.0 ** (OFFSET_STEP - power) % 1 == 0)
    folder = shipped.exports("quantized") / "tflite"
    artefact = targets.get("tflite").load(folder)[0]
    events = shipped.events("test")
    prediction = artefact.predict(events.x).astype(np.float64) * 2.0**power + offset
    rmse = np.sqrt(np.mean((prediction - events.y) ** 2, axis=0))
    found = files.read_json(shipped.stage("quantized") / "metrics.json")
    assert rmse == pytest.approx(list(found["rmse"].values()), rel=1e-9)


def test_beside_every_artefact_is_what_goes_in_and_comes_out(shipped: Run) -> None:
    data = shipped.manifest["data"]
    found = list(shipped.exports("quantized").glob("*/quantities.json"))
    assert len(found) == len(list(shipped.exports("quantized").glob("*/target.json"))) > 0
    for path in found:
        written = files.read_json(path)
        assert written["inputs"]["features"] == data["features"]
        assert written["outputs"]["targets"] == data["targets"]


def test_the_scaling_is_the_training_splits(shipped: Run) -> None:
    scaling = scalings.of(shipped)
    assert scaling is not None and scaling.units == ("GeV", "s")
    _, y = linear()
    # 1400 of the 2000 events.
    assert np.all(np.abs(scaling.mean - y.mean(axis=0)) < 4 * y.std(axis=0) / np.sqrt(1400))
    assert np.array_equal(scaling.exponent, np.round(np.log2(y.std(axis=0))))
    kept = shipped.events("validation").y
    assert np.allclose(kept.mean(axis=0), y.mean(axis=0), rtol=0.2)  # quantities, not z


def test_a_run_that_has_lost_its_scaling_says_so(shipped: Run, tmp_path: Path) -> None:
    copy = open_run(shutil.copytree(shipped.path, tmp_path / "run"))
    path = copy.path / "data" / scalings.FILE
    path.unlink()
    with pytest.raises(RunError, match="targets.npz is missing"):
        scalings.of(copy)
    files.write_arrays(path, offset=np.zeros(2))
    with pytest.raises(RunError, match="targets.npz is damaged: no 'exponent'"):
        scalings.of(copy)


def test_the_page_has_the_figures_the_pictures_and_how_to_decode(shipped: Run) -> None:
    page = (shipped.path / "report.html").read_text(encoding="utf-8")
    found = files.read_json(shipped.stage("quantized") / "metrics.json")
    assert regress.headline(found) in (shipped.path / "overview.svg").read_text(encoding="utf-8")
    for text in (
        "By target",
        "RMSE of always predicting the training mean",
        "Prediction against truth",
        "Residuals",
        "predictions that move",
        "energy in GeV",
    ):
        assert text in page, text
    for text in ("By class", "Confusion", "classes", "decisions that flip", "is missing"):
        assert text not in page, text
    for stage in shipped.stages:
        drawn = {path.stem for path in shipped.stage(stage).glob("*.svg")}
        assert drawn == {"curves", *regress.PICTURES}


def test_evaluate_prints_figures_with_units_and_json(
    shipped: Run, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipping.evaluate(str(shipped.path))
    table = capsys.readouterr().out
    assert "baseline RMSE energy" in table and "] GeV" in table
    shipping.evaluate(str(shipped.path), dataset=str(dataset), as_json=True)
    found = json.loads(capsys.readouterr().out)["stages"]["quantized"]
    assert found["events"] == 2000
    assert found["rmse"]["energy"] == pytest.approx(NOISE["energy"], rel=0.4)


def test_a_streamed_regression_is_trained_on_the_same_scaling(
    shipped: Run, dataset: Path, tmp_path: Path
) -> None:
    from hepnn import pipeline

    run = pipeline.train(recipe(dataset, stream="always", fit={"epochs": 1}), runs=tmp_path)
    first, second = scalings.of(run), scalings.of(shipped)
    assert first is not None and second is not None
    assert np.array_equal(first.offset, second.offset)
    assert np.array_equal(first.exponent, second.exponent)
    assert first.mean == pytest.approx(second.mean)
    loss = (run.stage("float") / "history.csv").read_text().splitlines()[1].split(",")[1]
    assert float(loss) < 5  # of z; of the quantities themselves it would be thousands


def test_a_task_that_does_not_fit_the_labels_is_refused(dataset: Path, tmp_path: Path) -> None:
    from hepnn import pipeline

    with pytest.raises(RecipeError, match="task classify predicts classes; .* of kind values"):
        pipeline.train(recipe(dataset, task="classify"), runs=tmp_path)
    other = write(tmp_path, kind="classes", column="odd", classes=["even", "odd"])
    with pytest.raises(RecipeError, match="task regress predicts values; .* of kind classes"):
        pipeline.train(recipe(other), runs=tmp_path)
    assert not list(tmp_path.glob("*/manifest.json"))


@pytest.mark.parametrize(
    ("monitor", "hint"),
    [("val_accuracy", "known: .*val_loss, val_mae"), ("val_mea", "did you mean 'val_mae'")],
)
def test_a_monitor_that_does_not_exist_names_the_nearest(
    dataset: Path, tmp_path: Path, monitor: str, hint: str
) -> None:
    from hepnn import pipeline

    fit = {"epochs": 3, "early_stopping": {"monitor": monitor}}
    with pytest.raises(RecipeError, match=f"early_stopping.monitor: no '{monitor}'; {hint}"):
        pipeline.train(recipe(dataset, fit=fit), runs=tmp_path)


def test_a_trigger_cuts_on_a_predicted_quantity(shipped: Run, tmp_path: Path) -> None:
    from hepnn import targets
    from hepnn.trigger import command, stream
    from hepnn.trigger.stream import Settings

    shutil.copytree(shipped.path, tmp_path / "linear")
    run = open_run(tmp_path / "linear")
    with pytest.raises(RecipeError, match="on one quantity, as in --signal energy"):
        command.threshold(str(run), "score=150")
    with pytest.raises(RecipeError, match="did you mean 'energy'"):
        command.threshold(str(run), "score=150", signal=["enrgy"])
    chosen = command.threshold(str(run), "score=150", signal=["energy"])
    assert chosen["score"] == "energy in GeV" and chosen["signal"] == ["energy"]
    assert chosen["signal_efficiency"] is None

    artefact = targets.get("tflite").load(run.exports("quantized") / "tflite")[0]
    scaling = scalings.of(run)
    assert scaling is not None

    def predicted(split: str) -> np.ndarray:
        return regress.decode(artefact.predict(run.events(split).x), scaling)[:, 0]

    assert chosen["background"]["value"] == np.mean(predicted("validation") >= 150)
    menu = command.menu_of(str(run))
    (item,) = menu.items
    found = item.trigger.score(run.events("test").x)
    np.testing.assert_allclose(found, predicted("test"), rtol=1e-12)
    # One in ten of what comes is accepted, whatever is predicted.
    tenth = command.threshold(str(run), "rate=100", signal=["energy"], rate=1000)
    assert np.mean(predicted("validation") >= tenth["threshold"]) == pytest.approx(0.1, abs=0.005)

    document = stream.stream(menu, "generator", Settings(arrivals="fast", events=2000))
    assert document["account"]["balances"] and document["efficiency"] is None
    accepted = document["account"]["accepted"] / 2000
    assert accepted == pytest.approx(np.mean(predicted("test") >= 150), abs=0.06)
