"""What is done to jets keeps what it says, computed here from the momenta in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from changes import changed

from hepnn.data.expressions import Expression
from hepnn.training.alter.inputs import Inputs

pytestmark = pytest.mark.usefixtures("tensorflow")

LENGTH = 12
NAMES = ["pt", "eta", "phi", "charge", "log_pt", "pt_eta", "distance", "mask"]
DERIVED = {
    "log_pt": "log(maximum(pt, 0.1))",
    "pt_eta": "pt * eta",
    "distance": "hypot(eta, phi)",
}


def _inputs(pt_scaling: str = "standard") -> Inputs:
    momenta = {"pt": "pt", "eta": "eta", "phi": "phi", "derived": DERIVED, "additive": ["charge"]}
    features = [{"name": n, "scaling": "standard", "clip": None} for n in NAMES]
    features[0]["scaling"] = pt_scaling
    group = {"kind": "sequence", "mask": True, "padding": 0.0, "momenta": momenta}
    return Inputs("jets", "classify", group, features, (LENGTH, len(NAMES)), 5)


def _jets(events: int = 300, radius: float = 0.25) -> np.ndarray:
    rng = np.random.default_rng(4)
    x = np.zeros((events, LENGTH, len(NAMES)), np.float32)
    for jet in x:
        number = rng.integers(2, LENGTH + 1)
        pt = np.sort(rng.exponential(40, number) + 0.2)[::-1].astype(np.float32)
        eta, phi = rng.normal(0, radius, (2, number)).astype(np.float32)
        jet[:number, 0], jet[:number, 1], jet[:number, 2] = pt, eta, phi
        jet[:number, 3] = rng.integers(-1, 2, number)
        for place, name in enumerate(NAMES[4:7], 4):
            jet[:number, place] = Expression(DERIVED[name])({"pt": pt, "eta": eta, "phi": phi})
        jet[:number, 7] = 1
    return x


def _momenta(x: np.ndarray) -> tuple[np.ndarray, ...]:
    pt, eta, phi = (x[..., n].astype(np.float64) * (x[..., 7] > 0) for n in range(3))
    return pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)


def _sum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pT and mass of the jets."""
    energy, px, py, pz = (one.sum(axis=1) for one in _momenta(x))
    square = energy**2 - px**2 - py**2 - pz**2
    return np.hypot(px, py), np.sqrt(np.maximum(square, 0))


def _distances(x: np.ndarray) -> np.ndarray:
    eta, phi = x[..., 1].astype(np.float64), x[..., 2].astype(np.float64)
    both = (x[..., 7] > 0)[:, :, None] & (x[..., 7] > 0)[:, None]
    return both * np.hypot(eta[:, :, None] - eta[:, None], phi[:, :, None] - phi[:, None])


def _consistent(x: np.ndarray) -> None:
    """Insist on features that follow from the momenta, and on empty padding."""
    real = x[..., 7] > 0
    columns = {name: x[..., n].astype(np.float64)[real] for n, name in enumerate(NAMES[:3])}
    for place, name in enumerate(NAMES[4:7], 4):
        assert np.allclose(x[..., place][real], Expression(DERIVED[name])(columns), atol=2e-4), name
    assert not x[~real].any()


def _change(x: np.ndarray, **augment: Any) -> np.ndarray:
    found, _ = changed(_inputs(), x, augment=augment)
    _consistent(found)
    assert not np.array_equal(found, x)
    return found


def test_a_rotation_in_the_plane_keeps_pt_and_distances() -> None:
    x = _jets(radius=0.15)
    found = _change(x, jet_rotation={})
    assert np.array_equal(found[..., 0], x[..., 0])
    assert np.allclose(_distances(found), _distances(x), atol=2e-6)
    pt = x[..., 0].astype(np.float64)
    for place in (1, 2):  # the centre stays
        assert np.allclose((pt * found[..., place]).sum(1), (pt * x[..., place]).sum(1), atol=2e-3)
    # The mass as far as the plane is flat: distances are below one.
    before, after = _sum(x)[1], _sum(found)[1]
    assert np.abs(after / before - 1).max() < 0.05
    assert np.abs(after / before - 1).mean() < 0.01
    angle = np.arctan2(found[:, 0, 2] - found[:, 1, 2], found[:, 0, 1] - found[:, 1, 1])
    assert np.abs(np.histogram(angle, 4, (-np.pi, np.pi))[0] - 75).max() < 40


def test_a_rotation_in_space_keeps_pt_mass_and_angles() -> None:
    x = _jets(radius=0.4)
    x[:, :, 1] += 0.7 * x[..., 7]  # not central
    x[..., 5], x[..., 6] = x[..., 0] * x[..., 1], np.hypot(x[..., 1], x[..., 2])
    found = _change(x, jet_rotation={"space": True})
    pt, mass = _sum(x)
    turned_pt, turned_mass = _sum(found)
    assert np.allclose(turned_pt, pt, rtol=2e-5)
    assert np.allclose(turned_mass, mass, rtol=2e-4)
    for one, other in zip(_momenta(x), _momenta(found), strict=True):
        assert np.allclose(one.sum(1), other.sum(1), rtol=1e-4, atol=2e-3)
    # Invariant masses of all pairs, which say all that a rotation keeps.
    p, q = np.stack(_momenta(x)), np.stack(_momenta(found))
    metric = np.array([1, -1, -1, -1])
    pairs = [np.einsum("a,aei,aej->eij", metric, one, one) for one in (p, q)]
    assert np.allclose(*pairs, rtol=2e-3, atol=0.05)
    assert np.abs(found[..., 0] - x[..., 0]).max() > 1


def test_a_reflection_mirrors_half_of_the_jets_at_their_axis() -> None:
    x = _jets()
    found = _change(x, jet_reflection={})
    assert np.array_equal(found[..., :2], x[..., :2])
    assert np.allclose(_distances(found), _distances(x), atol=2e-6)
    assert np.allclose(_sum(found)[1], _sum(x)[1], rtol=1e-3)
    same = np.all(found[..., 2] == x[..., 2], axis=1)
    assert 110 < same.sum() < 190
    pt = x[..., 0].astype(np.float64)
    centre = (pt * x[..., 2]).sum(1, keepdims=True) / pt.sum(1, keepdims=True)
    mirrored = (2 * centre - x[..., 2]) * x[..., 7]
    assert np.allclose(found[~same][..., 2], mirrored[~same], atol=1e-6)


def test_smearing_moves_soft_constituents_by_scale_over_pt() -> None:
    x = _jets(3000)
    found = _change(x, smearing={"scale": 0.5})
    assert np.array_equal(found[..., 0], x[..., 0])
    real = x[..., 7] > 0
    pull = [(found - x)[..., n][real] * np.maximum(x[..., 0], 0.5)[real] / 0.5 for n in (1, 2)]
    for one in pull:
        assert abs(one.mean()) < 0.03 and one.std() == pytest.approx(1, abs=0.02)
    assert abs(np.corrcoef(*pull)[0, 1]) < 0.03


def test_splitting_keeps_the_total_pt_exactly_and_all_else() -> None:
    x = _jets(2000)
    found = _change(x, splitting={"rate": 0.3})
    exact = [np.sum(one[..., 0].astype(np.float64), axis=1) for one in (x, found)]
    assert np.array_equal(*exact)  # in double precision: no sum of halves was rounded
    assert np.allclose(_sum(found)[1], _sum(x)[1], rtol=1e-5, atol=1e-3)
    assert np.array_equal(found[..., 3].sum(1), x[..., 3].sum(1))
    before, after = (one[..., 7].sum(1) for one in (x, found))
    assert np.all(after >= before) and np.all(after <= np.minimum(2 * before, LENGTH))
    full = before == LENGTH
    assert np.array_equal(found[full][..., :4], x[full][..., :4])
    roomy = before <= LENGTH // 2
    rate = (after - before)[roomy].sum() / before[roomy].sum()
    assert rate == pytest.approx(0.3, abs=0.03)
    assert np.all(np.diff(found[..., 0], axis=1) <= 0)
    for jet, split in zip(x[:50], found[:50], strict=True):
        places = {tuple(one) for one in jet[jet[:, 7] > 0, 1:3]}
        assert {tuple(one) for one in split[split[:, 7] > 0, 1:3]} == places


def test_what_follows_from_what_follows_is_refused() -> None:
    from hepnn.errors import RecipeError

    inputs = _inputs()
    inputs.group["momenta"]["derived"] = {**DERIVED, "pt_eta": "distance * eta"}
    with pytest.raises(RecipeError, match="momenta.derived.pt_eta: .* no feature 'distance'"):
        changed(inputs, _jets(4), augment={"smearing": {}})


def test_a_transformed_pt_is_taken_back_and_forth() -> None:
    x = _jets()
    logarithmic = x.copy()
    real = x[..., 7] > 0
    logarithmic[..., 0][real] = np.log(x[..., 0][real])
    plain, _ = changed(_inputs(), x, augment={"smearing": {}})
    found, _ = changed(_inputs("log"), logarithmic, augment={"smearing": {}})
    assert np.allclose(found[..., 1:], plain[..., 1:], atol=2e-3)
    assert np.allclose(found[..., 0], logarithmic[..., 0], atol=1e-5)
