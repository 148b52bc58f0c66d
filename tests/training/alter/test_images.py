"""Images are changed as scipy.ndimage and plain indexing change them."""

from __future__ import annotations

import numpy as np
import pytest
from changes import changed, image_inputs
from scipy import ndimage, optimize

pytestmark = pytest.mark.usefixtures("tensorflow")

RNG = np.random.default_rng(2)


def _images(events: int, height: int = 9, width: int = 7, channels: int = 2) -> np.ndarray:
    return RNG.normal(size=(events, height, width, channels)).astype(np.float32)


def test_a_flip_mirrors_half_of_the_images_exactly() -> None:
    x = _images(400)
    found, _ = changed(image_inputs(x.shape[1:]), x, augment={"flip": {"vertical": True}})
    kinds = [x, x[:, :, ::-1], x[:, ::-1], x[:, ::-1, ::-1]]
    counts = [int(np.all(found == kind, axis=(1, 2, 3)).sum()) for kind in kinds]
    assert sum(counts) == len(x)
    assert min(counts) > 60  # of 100 expected, with a deviation of 8.7


def test_a_rotation_is_scipys_with_one_angle_an_image() -> None:
    x = ndimage.gaussian_filter(_images(6, 12, 12), (0, 1, 1, 0)).astype(np.float32)
    found, _ = changed(image_inputs(x.shape[1:]), x, augment={"rotation": {"degrees": 40}})
    angles = []
    for image, turned in zip(x, found, strict=True):

        def turn(angle: float, image: np.ndarray = image) -> np.ndarray:
            return ndimage.rotate(image, angle, axes=(0, 1), reshape=False, order=1, mode="nearest")

        def difference(angle: float, turned: np.ndarray = turned) -> float:
            return float(np.abs(turn(angle) - turned).max())

        first = min(np.arange(-40, 40, 0.5), key=difference)
        angles.append(
            optimize.minimize_scalar(difference, bounds=(first - 1, first + 1), method="bounded").x
        )
        assert difference(angles[-1]) < 1e-3
    assert np.ptp(angles) > 5 and np.abs(angles).max() <= 40.01


def test_a_shift_moves_whole_pixels_evenly() -> None:
    x = _images(600, 6, 6, 1)
    found, _ = changed(image_inputs(x.shape[1:]), x, augment={"shift": {"pixels": 1}})
    counts = np.zeros((3, 3), int)
    for image, moved in zip(x[..., 0], found[..., 0], strict=True):
        padded = np.pad(image, 1, mode="edge")
        fits = [
            (i, j)
            for i in range(3)
            for j in range(3)
            if np.array_equal(padded[i:, j:][:6, :6], moved)
        ]
        assert len(fits) == 1
        counts[fits[0]] += 1
    assert counts.min() > 35  # of 67 expected, with a deviation of 7.7


def test_a_crop_is_a_window_resized() -> None:
    rows, columns = np.meshgrid(np.arange(9.0), np.arange(7.0), indexing="ij")
    plane = np.stack([rows, columns], axis=-1).astype(np.float32)
    x = np.repeat(plane[None], 300, axis=0)
    found, _ = changed(image_inputs(x.shape[1:]), x, augment={"crop": {"area": 0.5}})
    # On a plane interpolation is exact: the corners say what the window was.
    down = (found[:, -1, 0, 0] - found[:, 0, 0, 0]) / 8
    right = (found[:, 0, -1, 1] - found[:, 0, 0, 1]) / 6
    assert np.allclose(down, right, atol=1e-5)
    area = down * right
    assert (
        area.min() >= 0.5 - 1e-4
        and area.max() <= 1
        and area.mean() == pytest.approx(0.75, abs=0.04)
    )
    assert found[..., 0].min() >= 0 and found[..., 0].max() <= 8 and found[..., 1].max() <= 6 + 1e-5
    assert np.allclose(np.diff(found[..., 0], axis=1), down[:, None, None], atol=1e-5)


def test_a_mask_of_classes_goes_with_its_image() -> None:
    y = RNG.integers(0, 3, (50, 8, 8)).astype(np.int32)
    x = np.repeat(y[..., None], 2, axis=-1).astype(np.float32)
    inputs = image_inputs(x.shape[1:], pixels=True)
    for augment in ({"flip": {}}, {"shift": {"pixels": 2}}, {"flip": {"vertical": True}}):
        found, labels = changed(inputs, x, y, augment=augment)
        assert np.array_equal(found[..., 0].astype(np.int32), labels)
        assert not np.array_equal(labels, y)
    found, labels = changed(inputs, x, y, augment={"rotation": {"degrees": 30}})
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert np.mean(np.abs(found[..., 0] - labels) < 0.51) > 0.6


def test_contrast_keeps_the_mean_and_scales_what_lies_around_it() -> None:
    x = _images(300) + 3
    found, _ = changed(image_inputs(x.shape[1:]), x, augment={"contrast": {"amount": 0.4}})
    assert np.allclose(found.mean(axis=(1, 2)), x.mean(axis=(1, 2)), atol=1e-5)
    factor = found.std(axis=(1, 2)) / x.std(axis=(1, 2))
    assert np.allclose(factor[:, 0], factor[:, 1], rtol=1e-4)
    assert 0.6 <= factor.min() < 0.65 and 1.35 < factor.max() <= 1.4001


def test_colour_changes_the_balance_and_saturation_of_channels() -> None:
    x = _images(200, channels=3)
    inputs = image_inputs(x.shape[1:])
    found, _ = changed(inputs, x, augment={"colour": {"gain": 0.2}})
    gain = found / x
    assert np.allclose(gain, gain[:, :1, :1], rtol=1e-4)
    assert np.ptp(gain[:, 0, 0], axis=1).min() > 0 and gain.min() >= 0.7999 and gain.max() <= 1.2001
    found, _ = changed(inputs, x, augment={"colour": {"saturation": 0.5}})
    assert np.allclose(found.mean(axis=-1), x.mean(axis=-1), atol=1e-5)
    assert not np.allclose(found, x)
