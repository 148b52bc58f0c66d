"""Test vectors reach what they are for; parts are known by their codes."""

import numpy as np
import pytest

from hepnn.targets import parts, vectors
from hepnn.targets.fixed_point import Lane


def lane():
    return Lane(*(np.array([part]) for part in ([1, 0, 1], [3, 5, 0], [2, -1, 0])), "RND", "WRAP")


@pytest.mark.parametrize("grid", [None, lane()])
def test_ends_of_every_range_are_met_and_passed(grid):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 3)) * [1, 20, 0.3] + [0, 30, 0]
    chosen = vectors.choose(x, grid)
    assert chosen.x.dtype == np.float32 and len(chosen.kinds) == len(chosen.x) < 200
    assert np.isfinite(chosen.x).all()
    low, high = (x.min(0), x.max(0)) if grid is None else (grid.lowest[0], grid.highest[0])
    low, high = low.astype(np.float32), high.astype(np.float32)
    for feature in range(3):
        assert {low[feature], high[feature]} <= set(chosen.x[:, feature])
    assert (chosen.x < low).any(axis=0).all() and (chosen.x > high).any(axis=0).all()
    np.testing.assert_array_equal(vectors.choose(x, grid).x, chosen.x)
    assert sum(chosen.counts().values()) == len(chosen.x)


def test_images_are_tried_without_one_event_a_pixel():
    x = np.random.default_rng(0).uniform(0, 255, (20, 16, 16, 1))
    chosen = vectors.choose(x, None)
    assert chosen.x.shape[1:] == (16, 16, 1) and len(chosen.x) < 200


@pytest.mark.parametrize(
    ("part", "vendor"),
    [
        ("xcvu13p-flga2577-2-e", "AMD"),
        ("xc7z020clg400-1", "AMD"),
        ("xc7vx690tffg1927-2", "AMD"),
        ("xcku115-flvb2104-2-i", "AMD"),
        ("xcu250-figd2104-2L-e", "AMD"),
        ("10AX115S3F45E2SG", "Intel"),
        ("AGFB014R24B2E2V", "Intel"),
        ("Arria10", "Intel"),
        ("LFE5UM5G-85F-8BG381C", "Lattice"),
    ],
)
def test_parts_have_a_vendor(part, vendor):
    assert parts.vendor(part) == vendor


@pytest.mark.parametrize("part", ["xcvu99p-flga2577-2-e", "xcvu131p", "10AX999", "", "xcku1155-x"])
def test_a_part_that_nobody_makes_is_refused(part):
    with pytest.raises(ValueError, match="no part"):
        parts.vendor(part)
