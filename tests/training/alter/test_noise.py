"""Noise has the rate, the size and the spectrum that were asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from changes import changed, image_inputs, table_inputs
from scipy import stats

from hepnn.training.alter.inputs import Inputs

pytestmark = pytest.mark.usefixtures("tensorflow")

WIDTH = np.array([4.0, 0.5, 2.0])
OFFSET = np.array([10.0, -1.0, 0.25])


def _sequence(length: int, mask: bool = True) -> Inputs:
    features = [{"name": n, "scaling": "standard"} for n in ("a", "b", "mask")]
    group = {"kind": "sequence", "mask": mask, "padding": -3.0, "momenta": None}
    known = {"offset": OFFSET, "width": WIDTH}
    return Inputs("lists", "classify", group, features, (length, 3), 3, **known)


def _lists(events: int, length: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(events, length, 3)).astype(np.float32)
    real = np.arange(length)[None] < rng.integers(1, length + 1, events)[:, None]
    x[..., 2] = real
    x[~real, :2] = -3.0
    return x


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_labels_flip_at_the_rate_and_evenly(fixed: bool, classes: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20000, 4)).astype(np.float32)
    y = rng.integers(0, classes, len(x)).astype(np.int32)
    inputs = table_inputs(4, classes=classes)
    noise = {"labels": {"rate": 0.2, "fixed": fixed}}
    same, found = changed(inputs, x, y, noise=noise)
    assert np.array_equal(same, x)
    wrong = found != y
    assert stats.binomtest(int(wrong.sum()), len(y), 0.2).pvalue > 0.001
    assert found.min() == 0 and found.max() == classes - 1
    steps = np.bincount((found - y)[wrong] % classes, minlength=classes)[1:]
    assert stats.chisquare(steps).pvalue > 0.001 if classes > 2 else steps.sum() == wrong.sum()
    # Another step: as many others, or the very same.
    order = rng.permutation(len(x))
    _, again = changed(inputs, x[order], y[order], noise=noise, step=5)
    assert np.array_equal(again, found[order]) == fixed
    # Another stage of the same recipe: as many others, or the very same.
    _, staged = changed(inputs, x, y, noise=noise, seed=2)
    assert np.array_equal(staged, found) == fixed
    _, other = changed(dataclasses.replace(inputs, seed=2), x, y, noise=noise, seed=2)
    both = ((other != y) & wrong).mean()
    assert both == pytest.approx(0.04, abs=0.01)


def test_labels_beside_a_teachers_answers_flip_alone() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4)).astype(np.float32)
    y = rng.normal(size=(500, 4)).astype(np.float32)
    y[:, 0] = rng.integers(0, 3, 500)
    _, found = changed(table_inputs(4), x, y, noise={"labels": {"rate": 0.5}})
    assert np.array_equal(found[:, 1:], y[:, 1:])
    assert 180 < (found[:, 0] != y[:, 0]).sum() < 320


def test_white_noise_has_the_size_of_the_scaled_inputs() -> None:
    x = np.zeros((20000, 3), np.float32)
    inputs = table_inputs(3, offset=OFFSET, width=WIDTH)
    found, _ = changed(inputs, x, noise={"gaussian": {"sigma": 0.3}})
    assert found.std(axis=0) == pytest.approx(0.3 * WIDTH, rel=0.03)
    assert np.abs(found.mean(axis=0)) == pytest.approx([0, 0, 0], abs=0.03)
    for column in found.T:
        assert stats.kstest(column / column.std(), "norm").pvalue > 0.001
    assert np.abs(np.corrcoef(found.T) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("kind", ["gaussian", "coloured"])
def test_padding_and_masks_have_no_noise(kind: str) -> None:
    x = _lists(200, 9)
    found, _ = changed(_sequence(9), x, noise={kind: {"sigma": 1.0}})
    assert np.array_equal(found[..., 2], x[..., 2])
    assert np.all(found[x[..., 2] == 0][:, :2] == -3.0)
    assert np.mean(found[x[..., 2] == 1][:, :2] != x[x[..., 2] == 1][:, :2]) > 0.95


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_coloured_noise_falls_with_the_frequency(alpha: float) -> None:
    length = 128
    features = [{"name": n, "scaling": "standard"} for n in ("a", "b")]
    group = {"kind": "sequence", "mask": False}
    known = {"offset": np.zeros(2), "width": np.array([1.0, 3.0])}
    inputs = Inputs("series", "classify", group, features, (length, 2), 3, **known)
    x = np.zeros((2000, length, 2), np.float32)
    found, _ = changed(inputs, x, noise={"coloured": {"sigma": 0.5, "alpha": alpha}})
    assert found.reshape(-1, 2).std(axis=0) == pytest.approx([0.5, 1.5], rel=0.02)
    power = (np.abs(np.fft.rfft(found, axis=1)) ** 2).mean(axis=0)[1:-1]
    frequency = np.fft.rfftfreq(length)[1:-1]
    for column in power.T:
        slope = np.polyfit(np.log(frequency), np.log(column), 1)[0]
        assert slope == pytest.approx(-alpha, abs=0.03)


def test_coloured_noise_of_images_is_the_same_in_all_directions() -> None:
    x = np.zeros((3000, 16, 15, 1), np.float32)
    inputs = image_inputs(x.shape[1:])
    found, _ = changed(inputs, x, noise={"coloured": {"sigma": 1.0, "alpha": 2.0}})
    assert found.std() == pytest.approx(1.0, rel=0.02)
    power = (np.abs(np.fft.fft2(found[..., 0])) ** 2).mean(axis=0)
    size = np.hypot(np.fft.fftfreq(16)[:, None], np.fft.fftfreq(15)[None])
    inside = size > 0
    slope = np.polyfit(np.log(size[inside]), np.log(power[inside]), 1)[0]
    assert slope == pytest.approx(-2.0, abs=0.03)
    scaled = (power * size**2)[inside]
    assert scaled.std() / scaled.mean() < 0.06
    assert power[0, 0] < 1e-6 * power.max()


def test_occlusion_hides_features_at_the_rate() -> None:
    x = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    inputs = table_inputs(3, offset=OFFSET, width=WIDTH)
    found, _ = changed(inputs, x, noise={"occlusion": {"rate": 0.3}})
    hidden = found != x
    assert stats.binomtest(int(hidden.sum()), hidden.size, 0.3).pvalue > 0.001
    assert np.array_equal(found[hidden], np.broadcast_to(OFFSET, x.shape)[hidden])
    assert np.abs(np.corrcoef(hidden.T) - np.eye(3)).max() < 0.06


def test_a_hidden_object_is_padding() -> None:
    x = _lists(2000, 9)
    found, _ = changed(_sequence(9), x, noise={"occlusion": {"rate": 0.25}})
    hidden = np.any(found != x, axis=-1)
    assert np.all(found[hidden] == [-3.0, -3.0, 0.0])
    real = int(x[..., 2].sum())
    assert stats.binomtest(int(hidden.sum()), real, 0.25).pvalue > 0.001


def test_a_hidden_pixel_is_hidden_in_all_channels() -> None:
    x = np.ones((200, 8, 8, 2), np.float32)
    found, _ = changed(image_inputs(x.shape[1:]), x, noise={"occlusion": {"rate": 0.25}})
    assert np.array_equal(found[..., 0], found[..., 1])
    assert stats.binomtest(int((found[..., 0] == 0).sum()), 200 * 64, 0.25).pvalue > 0.001


def test_squares_have_their_size_and_lie_anywhere() -> None:
    x = np.ones((3000, 9, 8, 1), np.float32)
    found, _ = changed(image_inputs(x.shape[1:]), x, noise={"occlusion": {"size": 3}})
    hidden = found[..., 0] == 0
    # By the pixel in the middle, uniform over the image: the square is cut at the edge.
    heights = np.minimum(np.arange(9) + 1, 8) - np.maximum(np.arange(9) - 1, 0) + 1
    widths = np.minimum(np.arange(8) + 1, 7) - np.maximum(np.arange(8) - 1, 0) + 1
    assert hidden.sum(axis=(1, 2)).mean() == pytest.approx(heights.mean() * widths.mean(), rel=0.02)
    for one in hidden[:50]:
        rows, columns = np.nonzero(one)
        assert one[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
        assert np.ptp(rows) < 3 and np.ptp(columns) < 3
    more, _ = changed(image_inputs(x.shape[1:]), x, noise={"occlusion": {"size": 3, "patches": 4}})
    assert (more == 0).mean() > 2 * hidden.mean()


def test_a_hidden_token_is_padding() -> None:
    x = np.random.default_rng(0).integers(1, 50, (500, 20)).astype(np.float32)
    inputs = Inputs("words", "classify", {"kind": "tokens"}, [{"name": "t"}], (20,), 2)
    found, _ = changed(inputs, x, noise={"occlusion": {"rate": 0.1}})
    hidden = found != x
    assert np.all(found[hidden] == 0)
    assert stats.binomtest(int(hidden.sum()), x.size, 0.1).pvalue > 0.001
