"""Agreement: equal bits are told from almost equal ones, and the layer that breaks is named."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn import agreement, files
from hepnn.errors import AgreementBroken, RunError
from hepnn.recipe import Bounds
from hepnn.run import Events, Run
from hepnn.tasks.classify import Classify


def _events(y: np.ndarray) -> Events:
    return Events(np.zeros((len(y), 1), np.float32), y, np.ones(len(y), np.float32))


def test_one_bit_on_one_event_is_a_mismatch() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(1000, 3)).astype(np.float32)
    answer = reference.copy()
    answer[7, 1] = np.nextafter(answer[7, 1], np.float32(9))
    events = _events(rng.integers(0, 3, 1000))
    found = agreement.compare(reference, answer, events, Classify())
    assert (found["bit_exact"], found["mismatches"], found["decision_flips"]) == (False, 1, 0.0)
    assert 0 < found["max_abs_diff"] < 1e-6
    same = agreement.compare(reference, reference.copy(), events, Classify())
    assert same["bit_exact"] and same["max_abs_diff"] == same["max_efficiency_shift"] == 0.0


def test_not_a_number_is_a_mismatch() -> None:
    reference = np.zeros((100, 2), np.float32)
    answer = reference.copy()
    answer[3, 0] = np.nan
    found = agreement.compare(reference, answer, _events(np.arange(100) % 2), Classify())
    assert found["mismatches"] == 1
    assert found["max_abs_diff"] == np.finfo(np.float32).max


def test_flips_and_the_shift_of_efficiency_are_counted() -> None:
    """Scores of 100 signal and 100 background events, one signal event moved to the end."""
    y = np.repeat([0, 1], 100)
    logits = np.zeros((200, 2), np.float32)
    logits[:100, 0] = np.linspace(1, 4, 100)
    logits[100:, 0] = np.linspace(-4, -1, 100)
    moved = logits.copy()
    moved[0, 0] = -9.0
    found = agreement.compare(logits, moved, _events(y), Classify())
    assert found["decision_flips"] == 1 / 200
    assert found["max_efficiency_shift"] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("classify", "3.00% of 100 decisions flip, efficiency shifts by 1.00%"),
        ("regress", "3.00% of 100 predictions move, RMSE shifts by 1.00%"),
    ],
)
def test_what_an_artefact_changes_is_told_in_the_tasks_words(task: str, said: str) -> None:
    changes = {"decision_flips": 0.03, "max_efficiency_shift": 0.01}
    figures = {"promise": "bounded", "holds": False, **changes}
    stages = {"float": {"events": 100, "artefacts": {"hls4ml": figures}}}
    with pytest.raises(AgreementBroken, match=f"hls4ml of stage float: refused: {said}$"):
        agreement.insist({"task": task, "stages": stages})


class _Faulty:
    """A target that repeats the Keras model, but for the weights of one layer."""

    def __init__(self, layer: str | None, promise: str = "exact", factor: float = -1.0) -> None:
        self.layer, self.promise, self.factor = layer, promise, factor

    def module(self) -> types.ModuleType:
        made = types.ModuleType("faulty_target")
        made.check = lambda model, kit: []  # type: ignore[attr-defined]
        made.write = self.write  # type: ignore[attr-defined]
        made.load = self.load  # type: ignore[attr-defined]
        return made

    def write(self, model: Any, directory: Path, **options: Any) -> list[Any]:
        path = directory / "copy.keras"
        keep = None
        if self.layer in [layer.name for layer in model.layers]:
            kernel = model.get_layer(self.layer).kernel
            keep = kernel.numpy()
            kernel.assign(keep * self.factor)
        model.save(path)
        if keep is not None:
            kernel.assign(keep)
        return self.load(directory)

    def load(self, directory: Path) -> list[Any]:
        from hepnn.training import network

        model = network.load_model(directory / "copy.keras")
        artefact = types.SimpleNamespace(
            name="faulty",
            path=directory,
            promise=self.promise,
            predict=lambda x: network.predict(model, x),
            cost=dict,
        )
        return [artefact]


@pytest.fixture
def faulty(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that ships a copy of the trained run to a faulty target."""
    from hepnn import deployment, targets
    from hepnn.run import open_run
    from hepnn.targets import kit as kits

    copy = tmp_path / "run"
    shutil.copytree(trained.path, copy)
    monkeypatch.setitem(targets.TARGETS, "faulty", "faulty_target")
    monkeypatch.setitem(kits.USUAL, "faulty", "vu13p")

    def ship(target: _Faulty, stage: str = "quantized") -> Run:
        monkeypatch.setitem(sys.modules, "faulty_target", target.module())
        run = open_run(copy)
        deployment.deploy(run, ["faulty"], stage=stage)
        return run

    ship.run = lambda: open_run(copy)  # type: ignore[attr-defined]
    return ship


@pytest.mark.parametrize("layer", ["dense1", "dense2", "logits"])
def test_the_first_layer_that_differs_is_named(faulty: Any, layer: str) -> None:
    with pytest.raises(AgreementBroken, match=f"first in layer '{layer}'") as caught:
        faulty(_Faulty(layer))
    assert caught.value.exit_code == 1
    document = files.read_json(faulty.run().path / "agreement.json")
    assert document["holds"] is False
    figures = document["artefacts"]["faulty"]
    assert figures["verdict"] == "broken"
    assert figures["first_difference"] == layer
    assert "broken" in (faulty.run().path / "report.html").read_text()


def test_a_target_that_agrees_holds(faulty: Any) -> None:
    run = faulty(_Faulty(None))
    document = files.read_json(run.path / "agreement.json")
    assert document["holds"] is True
    assert document["reference"] == "keras"
    assert document["artefacts"]["faulty"]["mismatches"] == 0


def test_a_lossy_target_is_refused_by_its_decisions_only(faulty: Any) -> None:
    run = faulty(_Faulty("dense1", promise="bounded", factor=1 + 1e-6), stage="float")
    figures = files.read_json(run.path / "agreement.json")["artefacts"]["faulty"]
    assert figures["verdict"] == "good"
    with pytest.raises(AgreementBroken, match=r"refused: .* of \d+ decisions flip"):
        faulty(_Faulty("dense1", promise="bounded"), stage="float")
    figures = files.read_json(run.path / "agreement.json")["artefacts"]["faulty"]
    assert figures["verdict"] == "refused"
    assert (run.exports("float") / "faulty" / "copy.keras").is_file()


def test_an_export_that_was_changed_later_is_told_from_a_wrong_layer(faulty: Any) -> None:
    run = faulty(_Faulty(None))
    path = run.exports("quantized") / "faulty" / "copy.keras"
    from hepnn.training import network

    model = network.load_model(path)
    kernel = model.get_layer("dense1").kernel
    kernel.assign(-kernel.numpy())
    model.save(path)
    document = agreement.agree(run)
    assert document["holds"] is False
    assert document["artefacts"]["faulty"]["first_difference"] is None


def test_fewer_events_are_not_kept_as_the_runs_agreement(faulty: Any) -> None:
    run = faulty(_Faulty(None))
    before = (run.path / "agreement.json").read_text()
    assert agreement.agree(run, events=10)["events"] == 10
    assert (run.path / "agreement.json").read_text() == before


def test_a_run_without_exports_has_nothing_to_compare(trained: Run) -> None:
    with pytest.raises(RunError, match="no exports to compare"):
        agreement.agree(trained)


def test_the_bounds_are_the_designs() -> None:
    assert (Bounds().flips, Bounds().efficiency_shift) == (0.002, 0.005)
