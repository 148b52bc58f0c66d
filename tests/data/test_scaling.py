"""The scaling is exact in fixed point."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from clouds import three_clouds

from hepnn.data import scaling


@pytest.mark.parametrize("name", list(scaling.SCALINGS))
def test_every_number_is_on_its_grid(name: str) -> None:
    x, _ = three_clouds()
    fitted = scaling.SCALINGS[name](x)
    offset = fitted["offset"] * 2.0 ** (scaling.OFFSET_STEP - fitted["exponent"])
    assert np.array_equal(offset, np.round(offset))
    assert np.array_equal(fitted["exponent"], np.round(fitted["exponent"]))


def test_standard_scaling_centres_to_a_quarter_and_scales_to_a_factor_of_root_two() -> None:
    x, _ = three_clouds()
    fitted = scaling.standard(x)
    z = (x - fitted["offset"]) * 2.0 ** -fitted["exponent"]
    assert np.all(np.abs(z.mean(0)) <= 0.125 + 1e-6)
    assert np.all((z.std(0) > 2**-0.5 - 1e-3) & (z.std(0) < 2**0.5 + 1e-3))


def test_the_range_holds_twice_what_was_seen() -> None:
    x, _ = three_clouds()
    fitted = scaling.standard(x)
    assert np.all(2.0 ** fitted["integer"] > 2 * np.abs(x).max(0) * (1 - 1e-6))
    assert list(fitted["signed"]) == [int(column.min() < 0) for column in x.T]


def test_the_scaled_value_on_the_grid_is_exact_in_float32() -> None:
    x, _ = three_clouds(100)
    fitted = scaling.standard(x)
    step = 2.0 ** -fitted["fraction"].astype(float)
    on_grid = (np.round(x / step) * step).astype(np.float32)
    scale = (2.0 ** -fitted["exponent"].astype(float)).astype(np.float32)
    computed = on_grid * scale + (-fitted["offset"] * scale).astype(np.float32)
    for row, result in zip(on_grid[:20], computed[:20], strict=True):
        for column in range(x.shape[1]):
            exact = Fraction(float(row[column])) - Fraction(fitted["offset"][column])
            assert exact * Fraction(float(scale[column])) == Fraction(float(result[column]))


def test_whole_numbers_need_no_fraction() -> None:
    x = np.arange(40.0).reshape(-1, 1)
    assert scaling.standard(x)["fraction"] == 0


def test_a_constant_feature_is_harmless() -> None:
    x = np.full((10, 1), 3.0)
    fitted = scaling.standard(x)
    assert np.isfinite([fitted["offset"], fitted["exponent"]]).all()
