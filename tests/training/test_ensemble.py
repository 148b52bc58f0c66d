"""Several networks as one: the mean of what they put out, to the bit where it is fixed point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepnn.data import scaling as scalings
from hepnn.recipe import Architecture

pytestmark = pytest.mark.usefixtures("tensorflow")


def networks(vocabulary: str, count: int, outputs: int = 3) -> tuple[list, np.ndarray]:
    """Return networks with weights and scalings of their own, and events."""
    import keras

    from hepnn.compress import quantize
    from hepnn.training import network

    x = (np.random.default_rng(1).normal(size=(400, 4)) * [30, 0.02, 8, 1]).astype(np.float32)
    made = []
    for number in range(count):
        keras.utils.set_random_seed(number)
        model = network.assemble(
            Architecture(name="mlp", hidden=[6]),
            (4,),
            (outputs,),
            vocabulary,
            scalings.standard(x[100 * number : 100 * number + 100]),
        )
        if vocabulary == "hgq":
            quantize.set_ranges(model, [x])
        made.append(model)
    return made, x


LONG = [pytest.param(count, marks=pytest.mark.long) for count in (2, 4)]


@pytest.mark.parametrize("count", [3, *LONG])
def test_fixed_point_members_are_summed_exactly(count: int, tmp_path: Path) -> None:
    from hepnn.compress import quantize
    from hepnn.training import ensemble, network

    members, x = networks("hgq", count)
    whole = ensemble.ensemble(members, [None] * count, x, "mlp")
    grid = 2.0**-ensemble.FRACTION
    rounded = [np.floor(network.predict(one, x) / grid + 0.5) * grid for one in members]
    expected = sum(rounded) / ensemble.divisor(count, exact=True)
    assert np.array_equal(network.predict(whole, x), expected)
    assert quantize.bits(whole)
    whole.save(tmp_path / "model.keras")
    again = network.load_model(tmp_path / "model.keras")
    assert np.array_equal(network.predict(again, x), expected)


def test_float_members_are_averaged() -> None:
    from hepnn.training import ensemble, network

    members, x = networks("float", 3)
    whole = ensemble.ensemble(members, [None] * 3, x, "mlp")
    expected = np.mean([network.predict(one, x) for one in members], axis=0)
    assert np.allclose(network.predict(whole, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("vocabulary", ["float", "hgq"])
def test_members_of_other_targets_scalings_are_brought_together(vocabulary: str) -> None:
    from hepnn.tasks.scaling import Scaling, between
    from hepnn.training import ensemble, network

    members, x = networks(vocabulary, 2, outputs=2)

    def scaling(offset: list[float], exponent: list[int]) -> Scaling:
        return Scaling(np.array(offset), np.array(exponent), np.zeros(2), ("1", "1"))

    known = [scaling([2.0, -0.5], [3, -1]), scaling([4.0, -0.5], [2, -1])]
    own = scaling([3.0, -0.75], [2, 0])
    whole = ensemble.ensemble(members, [between(one, own) for one in known], x, "mlp")

    def quantities(model: object, of: Scaling) -> np.ndarray:
        return network.predict(model, x) * 2.0**of.exponent + of.offset

    expected = np.mean(
        [quantities(model, one) for model, one in zip(members, known, strict=True)], axis=0
    )
    step = 2.0 ** (3 - ensemble.FRACTION) if vocabulary == "hgq" else 1e-5
    assert np.abs(quantities(whole, own) - expected).max() <= step
