"""The scaling is exact in fixed point."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from clouds import three_clouds

from hepnn.data import scaling, statistics


@pytest.mark.parametrize("name", list(scaling.FOLDED))
def test_every_number_is_on_its_grid(name: str) -> None:
    x, _ = three_clouds()
    fitted = scaling.fit(statistics.of(x), [name] * x.shape[1])
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


def test_minmax_scaling_takes_the_range_into_zero_to_one_and_a_quarter() -> None:
    x, _ = three_clouds()
    fitted = scaling.fit(statistics.of(x), ["minmax"] * 4)
    z = (x - fitted["offset"]) * 2.0 ** -fitted["exponent"]
    assert np.all(z.min(0) >= 0) and np.all(z.max(0) <= 1.25)
    assert np.all(z.max(0) > 0.5)


def test_each_feature_has_its_own_scaling() -> None:
    x, _ = three_clouds()
    names = ["standard", "none", "minmax", "none"]
    fitted = scaling.fit(statistics.of(x), names)
    for column, name in enumerate(names):
        alone = scaling.fit(statistics.of(x), [name] * 4)
        for key, values in fitted.items():
            assert values[column] == alone[key][column]
