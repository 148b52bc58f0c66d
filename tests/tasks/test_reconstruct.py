"""Reconstruction: error, explained variance and anomalies, beside scikit-learn."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score, roc_curve

from hepnn.errors import HepnnError
from hepnn.run import Events
from hepnn.tasks.reconstruct import Reconstruct
from hepnn.tasks.scaling import Scaling

NAMES = ["gluon", "quark", "top"]

SCALING = Scaling(
    offset=np.array([1.0, 0.0, -2.0, 0.5]),
    exponent=np.array([0, 3, -2, 1]),
    mean=np.array([1.25, 0.5, -2.0, 0.0]),
    units=("1", "GeV", "1", "1"),
    names=("a", "b", "c", "d"),
)


def _events(count: int = 600, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    x = SCALING.mean + rng.normal(size=(count, 4)) * 2.0**SCALING.exponent
    y = np.arange(count, dtype=np.int32) % 3
    weight = rng.uniform(0.5, 1.5, count).astype(np.float32)
    return Events(x.astype(np.float32), y, weight)


def _outputs(task: Reconstruct, events: Events, seed: int = 1) -> np.ndarray:
    """Return reconstructions that are worse for tops."""
    noise = np.random.default_rng(seed).normal(size=events.x.shape) * 0.1
    noise[events.y == 2] *= 1.6
    return (task.encode(events, SCALING) + noise).astype(np.float32)


def test_the_target_is_the_scaled_input_and_decodes_to_it() -> None:
    task, events = Reconstruct(), _events()
    z = task.encode(events, SCALING)
    assert z.dtype == np.float32
    assert np.allclose(z[:, 1], events.x[:, 1] / 8)
    assert np.allclose(task.decode(z, SCALING), events.x, atol=1e-5)
    assert task.shapes((4,), NAMES) == ((4,), (4,))


def test_only_background_is_learnt_from() -> None:
    events = _events()
    assert Reconstruct().learns_from(events, NAMES) is None
    chosen = Reconstruct(["gluon", "quark"]).learns_from(events, NAMES)
    assert chosen is not None and np.array_equal(chosen, events.y != 2)


def test_error_and_auc_are_scikit_learns() -> None:
    task, events = Reconstruct(["gluon", "quark"]), _events()
    outputs = _outputs(task, events)
    found = task.evaluate(outputs, events, NAMES, scaling=SCALING)
    error = ((outputs - task.encode(events, SCALING)) ** 2).mean(axis=1)
    background = events.y != 2
    mean = np.average(error[background], weights=events.weight[background])
    assert found["loss"] == pytest.approx(mean, rel=1e-6)
    of_tops = np.average(error[~background], weights=events.weight[~background])
    assert found["error"]["top"] == pytest.approx(of_tops, rel=1e-6)
    assert set(found["error"]) == set(NAMES)
    assert set(found["auc"]) == {"top"}
    wanted = roc_auc_score(~background, error, sample_weight=events.weight)
    assert found["auc"]["top"] == pytest.approx(wanted, abs=1e-9)
    low, high = found["auc_interval"]["top"]
    assert low < wanted < high
    low, high = found["loss_interval"]
    assert low < mean < high


def test_the_efficiency_is_a_point_of_the_roc_curve() -> None:
    task, events = Reconstruct(["gluon", "quark"]), _events(3000)
    found = task.evaluate(_outputs(task, events), events, NAMES, scaling=SCALING)
    error = task.errors(_outputs(task, events), events, SCALING)
    fakes, signals, _ = roc_curve(
        events.y == 2, error, sample_weight=events.weight, drop_intermediate=False
    )
    for rate in ("0.1", "0.01", "0.001"):
        wanted = signals[fakes <= float(rate)].max()
        assert found["efficiency_at_background"][rate]["top"] == pytest.approx(wanted, abs=1e-9)


def test_the_explained_variance_is_that_of_principal_components() -> None:
    """Of a network that is PCA, on the events it was fitted to, with equal weights."""
    rng = np.random.default_rng(3)
    z = (rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))).astype(np.float32)
    one = np.ones(4)
    scaling = Scaling(0 * one, 0 * one, z.mean(axis=0), ("1",) * 4)
    events = Events(z, np.zeros((500, 0), np.float32), np.ones(500, np.float32))
    components = PCA(2).fit(z)
    outputs = components.inverse_transform(components.transform(z))
    found = Reconstruct().evaluate(outputs, events, [], scaling=scaling)
    assert found["explained"] == pytest.approx(components.explained_variance_ratio_.sum(), abs=1e-5)
    assert "auc" not in found and "error" not in found


def test_a_perfect_reconstruction_explains_all() -> None:
    task, events = Reconstruct(), _events()
    found = task.evaluate(task.encode(events, SCALING), events, NAMES, scaling=SCALING)
    assert (found["loss"], found["explained"]) == (0.0, 1.0)


def test_the_error_of_images_is_the_mean_over_pixels() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3, 5, 2)).astype(np.float32)
    scaling = Scaling(np.zeros(2), np.zeros(2), np.zeros(2), ("1", "1"))
    events = Events(x, np.zeros(20, np.int32), np.ones(20, np.float32))
    outputs = x + rng.normal(size=x.shape).astype(np.float32)
    error = Reconstruct().errors(outputs, events, scaling)
    assert np.allclose(error, ((outputs - x) ** 2).mean(axis=(1, 2, 3)), rtol=1e-5)


def test_outputs_that_are_not_finite_are_told() -> None:
    task, events = Reconstruct(), _events()
    outputs = _outputs(task, events)
    outputs[3, 1] = np.nan
    with pytest.raises(HepnnError, match="not finite on 1 of 600 events"):
        task.evaluate(outputs, events, NAMES, scaling=SCALING)


def test_the_metrics_are_json_and_read_in_tables(tmp_path: Path) -> None:
    from hepnn import files

    task, events = Reconstruct(["gluon", "quark"]), _events()
    outputs = _outputs(task, events)
    found = task.evaluate(outputs, events, NAMES, scaling=SCALING)
    files.write_json(tmp_path / "metrics.json", found)
    assert task.headline(found).startswith("AUC top 0.")
    assert {"error", "variance explained", "AUC top", "eff@1% top"} <= set(task.rows(found))
    task.pictures(outputs, events, NAMES, found, tmp_path, SCALING)
    assert {path.stem for path in tmp_path.glob("*.svg")} == set(task.PICTURES)
    plain = Reconstruct()
    assert "roc" not in plain.PICTURES
    assert "explained" in plain.headline(plain.evaluate(outputs, events, NAMES, scaling=SCALING))


def test_images_are_drawn_beside_their_reconstruction(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(20, 8, 8, 1)).astype(np.float32)
    one = np.ones(1)
    scaling = Scaling(0 * one, 0 * one, 0.5 * one, ("1",), ("pixel",))
    events = Events(x, np.arange(20, dtype=np.int32) % 3, np.ones(20, np.float32))
    task = Reconstruct()
    metrics = task.evaluate(x, events, NAMES, scaling=scaling)
    task.pictures(x, events, NAMES, metrics, tmp_path, scaling)
    assert "currentColor" in (tmp_path / "reconstruction.svg").read_text()


def test_a_decision_flips_where_the_error_crosses_the_threshold() -> None:
    """1,000 background events of error 0 to 999, one of the other class moved across."""
    count = 1100
    error = np.concatenate([np.arange(1000.0), np.full(100, 985.5)])
    x = np.zeros((count, 1), np.float32)
    y = np.where(np.arange(count) < 1000, 0, 1).astype(np.int32)
    events = Events(x, y, np.ones(count, np.float32))
    one = np.ones(1)
    scaling = Scaling(0 * one, 0 * one, 0 * one, ("1",))
    task = Reconstruct(["gluon"])
    reference = np.sqrt(error)[:, None].astype(np.float32)
    answer = reference.copy()
    answer[1000] = np.sqrt(995.0)
    found = task.changes(reference, answer, events, scaling, ["gluon", "top"])
    assert found["decision_flips"] == pytest.approx(1 / count)
    assert found["max_efficiency_shift"] == pytest.approx(0.01)
    same = task.changes(reference, reference.copy(), events, scaling, ["gluon", "top"])
    assert same == {"decision_flips": 0.0, "max_efficiency_shift": 0.0}


def test_without_other_classes_the_error_shifts() -> None:
    task, events = Reconstruct(), _events()
    reference = _outputs(task, events)
    z = task.encode(events, SCALING)
    answer = (z + (reference - z) * np.sqrt(1.1)).astype(np.float32)
    found = task.changes(reference, answer, events, SCALING, NAMES)
    assert found["max_efficiency_shift"] == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("background", [None, ["gluon", "quark"]])
def test_an_answer_that_is_not_finite_changes_by_a_finite_number(
    background: list[str] | None,
) -> None:
    task, events = Reconstruct(background), _events()
    reference = _outputs(task, events)
    answer = reference.copy()
    answer[events.y == 2] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = task.changes(reference, answer, events, SCALING, NAMES)
    assert 0.2 < found["decision_flips"] < 0.4
    assert np.isfinite(found["max_efficiency_shift"]) and found["max_efficiency_shift"] > 0.3
