"""Made events are judged as samples: distances against scipy, known shifts, collapsed modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clouds import CLASSES, FEATURES, three_clouds
from scipy.stats import norm, wasserstein_distance

from hepnn.data import scaling as scalings
from hepnn.data import statistics
from hepnn.errors import HepnnError, RecipeError
from hepnn.run import Events
from hepnn.tasks import distances, generate, observables
from hepnn.tasks.generate import EVERY, GRID, Generate
from hepnn.tasks.scaling import Scaling


def _scaled(x: np.ndarray, transforms: tuple[str, ...] = ()) -> Scaling:
    known = statistics.of(x)
    fitted = scalings.fit(known, ["standard"] * x.shape[-1])
    names = tuple(FEATURES[: x.shape[-1]])
    units = ("GeV", *["1"] * (x.shape[-1] - 1))
    return Scaling(fitted["offset"], fitted["exponent"], known.mean, units, names, transforms)


@pytest.fixture(scope="module")
def data() -> tuple[Events, Scaling]:
    """Return three clouds as a dataset has them."""
    x, y = three_clouds(4000)
    return Events(x, y, np.ones(len(x), np.float32)), _scaled(x)


def _clouds(seed: int) -> Events:
    x, y = three_clouds(4000, seed=seed)
    return Events(x, y, np.ones(len(x), np.float32))


def test_the_inputs_are_normal_numbers_on_a_grid_and_the_class(data: Any) -> None:
    events, scaling = data
    seen = Generate(latent=5, conditional=True).view(events, CLASSES, scaling, seed=3)
    assert seen.x.shape == (4000, 8) and seen.x.dtype == np.float32
    noise = seen.x[:, :5]
    assert np.array_equal(noise / GRID, np.round(noise / GRID))
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.03
    assert np.array_equal(seen.x[:, 5:].argmax(1), events.y)
    assert np.array_equal(seen.x[:, 5:].sum(1), np.ones(4000))
    task = Generate(latent=5)
    assert task.view(events, CLASSES, scaling, 3).x.shape == (4000, 5)
    assert np.array_equal(task.view(events, CLASSES, scaling, 3).x, noise)
    assert not np.array_equal(task.view(events, CLASSES, scaling, 4).x, noise)


def test_the_labels_are_the_scaled_quantities(data: Any) -> None:
    events, scaling = data
    task = Generate(latent=2)
    seen = task.view(events, CLASSES, scaling, 1)
    assert task.encode(seen, scaling) is seen.y
    off = np.abs(task.decode(seen.y, scaling) - events.x)
    assert np.all(off < 1e-6 * 2.0**scaling.exponent)
    assert np.all((seen.y.std(axis=0) > 0.7) & (seen.y.std(axis=0) < 1.42))


@pytest.mark.parametrize("conditional", [False, True])
def test_shapes_and_labels(conditional: bool) -> None:
    task = Generate(latent=6, conditional=conditional)
    assert task.shapes((4,), CLASSES) == ((9 if conditional else 6,), (4,))
    assert task.shapes((8, 8, 1), CLASSES)[1] == (8, 8, 1)
    assert (task.LABELS == "classes") == conditional
    with pytest.raises(RecipeError, match="features or images"):
        task.shapes((32, 5), CLASSES)


def test_the_wasserstein_distance_is_scipys() -> None:
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(300, 2)), rng.gamma(2.0, size=(300, 2))
    one, two = rng.random(300), rng.random(300)
    found = distances.wasserstein(real, made, one, two)
    wanted = [wasserstein_distance(r, m, one, two) for r, m in zip(real.T, made.T, strict=True)]
    assert np.allclose(found, wanted, rtol=1e-12)
    replicas = distances.wasserstein(real, made, np.stack([one, two]), np.stack([two, one]))
    assert np.allclose(replicas[0], found)


def test_two_real_samples_differ_as_the_chance_figure_says() -> None:
    rng = np.random.default_rng(1)
    weight = np.ones(2000)
    found = [
        distances.wasserstein(rng.normal(size=(2000, 1)), rng.normal(size=(2000, 1)), weight)
        for _ in range(30)
    ]
    guessed = distances.chance(rng.normal(size=(2000, 1)), weight, seed=0, times=30)
    assert guessed[0] == pytest.approx(np.mean(found), rel=0.25)


def test_the_coverage_of_equal_distributions_is_the_papers() -> None:
    """Naeem et al., eq. (9) and lemma 2: 1 - 2**-k for many events."""
    rng = np.random.default_rng(2)
    real, made = rng.normal(size=(2, 4000, 3))
    expected = 1 - 2.0**-distances.NEIGHBOURS
    assert distances.covered(real, made).mean() == pytest.approx(expected, abs=0.01)
    far = real.copy()
    far[:2000] += 100.0  # a second mode, as large, that is not reached
    assert distances.covered(far, made).mean() == pytest.approx(expected / 2, abs=0.02)


def test_the_two_sample_test_finds_a_shift_as_well_as_can_be() -> None:
    """Of two normal distributions that are d apart the best AUC is Phi(d / sqrt(2))."""
    rng = np.random.default_rng(3)
    real, made = rng.normal(size=(2, 6000, 2))
    weight = np.ones(6000)
    for shift in (0.0, 1.0):
        scores, tried = distances.tell_apart(real, made + [shift, 0.0], weight, seed=1)
        assert scores.shape == (2, 3000) and len(set(tried)) == 3000
        auc, (low, high) = distances.area(scores, weight[tried], seed=1)
        assert auc == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.025)
        assert low < auc < high < low + 0.05


def test_other_real_events_pass_and_shifted_ones_do_not(data: Any) -> None:
    events, scaling = data
    task = Generate(latent=2, conditional=True)
    real = task.view(events, CLASSES, scaling, 1)
    order = np.argsort(events.y, kind="stable")  # other events, of the same classes
    other = _clouds(seed=8)
    of_class = np.argsort(other.y, kind="stable")
    same = np.flatnonzero(events.y[order] == other.y[of_class])
    real = Events(real.x[order][same], real.y[order][same], real.weight[same])
    made = task.view(other, CLASSES, scaling, 1).y[of_class][same]
    good = task.evaluate(made, real, CLASSES, 1, scaling)
    assert good["two_sample_auc"][EVERY] == pytest.approx(0.5, abs=0.04)
    assert good["coverage"][EVERY] > 0.93
    for name in FEATURES:
        by_chance = good["wasserstein_chance"][name]
        assert good["wasserstein"][name] < 4 * by_chance
        low, high = good["wasserstein_interval"][name]
        assert low <= good["wasserstein"][name] <= high
    assert set(good["two_sample_auc"]) == {EVERY, *CLASSES}
    assert good["unit"]["mass"] == "GeV"
    bad = task.evaluate(made + np.float32([0.5, 0, 0, 0]), real, CLASSES, 1, scaling)
    shift = 0.5 * 2.0 ** scaling.exponent[0]
    assert bad["wasserstein"]["mass"] == pytest.approx(shift, rel=0.1)
    assert bad["two_sample_auc"][EVERY] > good["two_sample_auc"][EVERY] + 0.05
    assert bad["loss"] > 2 * good["loss"]


def test_a_collapsed_mode_is_seen(data: Any) -> None:
    """What is made of one class in place of another, and of one point in place of a cloud."""
    events, scaling = data
    task = Generate(latent=2, conditional=True)
    real = task.view(events, CLASSES, scaling, 1)
    rng = np.random.default_rng(0)
    made = real.y + rng.normal(size=real.y.shape).astype(np.float32) * 0.05
    instead = np.flatnonzero(events.y != 2)
    made[events.y == 2] = made[rng.choice(instead, int((events.y == 2).sum()))]
    found = task.evaluate(made, real, CLASSES, 1, scaling)
    assert found["coverage"]["high"] < 0.3 < 0.9 < found["coverage"]["low"]
    assert found["two_sample_auc"]["high"] > 0.8
    everywhere = task.watch(real.y[rng.permutation(len(made))], real, scaling)
    asked = task.watch(real.y, real, scaling)
    assert asked["val_coverage"] == 1.0 and asked["val_distance"] == 0.0
    assert everywhere["val_distance"] > 0.1  # all classes are there, but not where asked for
    point = task.watch(np.zeros_like(real.y), real, scaling)
    assert point["val_coverage"] < 0.1


def test_counts_are_counted_and_logarithms_undone() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(20, 500)
    mass = np.exp(rng.normal(size=500))
    x = np.stack([np.log(mass), counts], axis=1).astype(np.float32)
    scaling = _scaled(x, ("log", "standard"))
    units = ("log(GeV)", "1")
    scaling = Scaling(
        scaling.offset, scaling.exponent, scaling.mean, units, scaling.names, ("log", "standard")
    )
    z = Generate(latent=1).view(Events(x, counts, np.ones(500)), [], scaling, 0).y
    made = z + rng.normal(size=z.shape) * 0.1
    found = observables.compare(z, made, scaling)
    assert found.units == ("GeV", "1")
    assert np.allclose(found.real[:, 0], mass, rtol=1e-5)
    assert np.array_equal(found.made[:, 1], np.round(found.made[:, 1]))
    assert not np.array_equal(found.made[:, 0], np.round(found.made[:, 0]))
    wild = observables.compare(z, np.full_like(z, 1e9), scaling)
    assert np.isfinite(wild.made[:, 0]).all()


def test_observables_of_images_are_moments_written_out() -> None:
    rng = np.random.default_rng(0)
    images = rng.random((20, 5, 4, 3)) * (rng.random((20, 5, 4, 3)) < 0.5)
    found = observables.of_images(images, threshold=0.2)
    assert found.shape == (20, 9)
    e = images[7]
    row, column, channel = np.indices(e.shape)
    for place, number in ((1, row), (2, column), (7, channel)):
        mean = np.average(number, weights=e)
        assert found[7, place] == pytest.approx(mean)
        width = {1: 3, 2: 4, 7: 8}[place]
        assert found[7, width] == pytest.approx(
            np.sqrt(np.average((number - mean) ** 2, weights=e))
        )
    assert found[7, 0] == pytest.approx(e.sum())
    assert found[7, 5] == pytest.approx(np.sqrt((e**2).sum()) / e.sum())
    assert found[7, 6] == (e > 0.2).sum()
    assert np.array_equal(observables.of_images(np.zeros((1, 3, 3, 1)), 0.1), np.zeros((1, 7)))


def test_changes_count_events_that_move(data: Any) -> None:
    events, scaling = data
    task = Generate(latent=2)
    real = task.view(events, CLASSES, scaling, 1)
    same = task.changes(real.y, real.y, real, scaling)
    assert same == {"decision_flips": 0.0, "max_efficiency_shift": 0.0}
    other = real.y.copy()
    other[:40] += 0.5
    other[40:80] += 0.001
    moved = task.changes(real.y, other, real, scaling)
    assert moved["decision_flips"] == pytest.approx(40 / 4000, abs=0.002)
    assert 0.001 < moved["max_efficiency_shift"] < 0.02
    other[3] = np.nan
    wild = task.changes(real.y, other, real, scaling)
    assert wild["max_efficiency_shift"] > 1e30 and np.isfinite(wild["max_efficiency_shift"])


def test_outputs_that_are_not_finite_are_told(data: Any) -> None:
    events, scaling = data
    task = Generate(latent=2)
    real = task.view(events, CLASSES, scaling, 1)
    made = np.where(np.arange(4000)[:, None] < 3, np.nan, real.y)
    with pytest.raises(HepnnError, match="not finite on 3 of 4000"):
        task.evaluate(made, real, CLASSES, 1, scaling)
    assert task.watch(made, real, scaling)["val_coverage"] == 0.0


def test_a_run_is_trained_judged_and_shipped(
    tensorflow: None, clouds_folder: Path, tmp_path: Path
) -> None:
    from hepnn import files, pipeline

    against = {"hidden": [16, 16], "pieces": 1, "dropout": 0.0}
    recipe = {
        "name": "clouds-gan",
        "dataset": str(clouds_folder),
        "limit": 1500,
        "task": {"name": "generate", "latent": 4, "conditional": True},
        "architecture": {"name": "gan", "hidden": [16], "discriminator": against},
        "fit": {
            "epochs": 8,
            "batch": 64,
            "learning_rate": 0.005,
            "adversary": {"penalty": 0.1, "average": 0.9},
        },
        "targets": [{"name": "tflite", "formats": ["float32"]}],
    }
    run = pipeline.train(recipe, runs=tmp_path, name="gan", deploy=True)
    metrics = files.read_json(run.stage() / "metrics.json")
    assert set(metrics["wasserstein"]) == set(FEATURES)
    assert 0.4 < metrics["two_sample_auc"][EVERY] <= 1.0
    history = (run.stage() / "history.csv").read_text().splitlines()
    assert {"val_distance", "val_coverage", "discriminator_loss"} <= set(history[0].split(","))
    assert len(history) == 9
    assert all((run.stage() / f"{name}.svg").is_file() for name in Generate.PICTURES)
    document = files.read_json(run.path / "agreement.json")
    [found] = document["artefacts"].values()
    assert found["holds"] and found["decision_flips"] == 0.0
    page = (run.path / "report.html").read_text()
    for words in ("classifier of real against made", "all events", "Wasserstein"):
        assert words in page


@pytest.mark.parametrize("shape", [(4,), (6, 6, 2)])
def test_pictures_are_drawn(shape: tuple[int, ...], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.exponential(size=(300, *shape)).astype(np.float32)
    features = x.reshape(-1, shape[-1])
    scaling = _scaled(features)
    task = Generate(latent=2)
    seen = task.view(Events(x, np.zeros(300), np.ones(300, np.float32)), [], scaling, 0)
    made = seen.y[::-1]
    metrics = task.evaluate(made, seen, [], 0, scaling)
    task.pictures(made, seen, [], metrics, tmp_path, scaling)
    for name in task.PICTURES:
        assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")
    rows = task.rows(metrics)
    assert "two-sample AUC" in rows and task.headline(metrics).startswith("two-sample AUC 0.")


def test_whoever_made_the_events_is_judged_alike(data: Any) -> None:
    events, scaling = data
    task = Generate(latent=2)
    real = task.view(events, CLASSES, scaling, 1)
    made = real.y[::-1] * 1.1
    assert generate.judge(made, real.y, scaling, seed=4) == task.evaluate(
        made, real, CLASSES, 4, scaling
    )
