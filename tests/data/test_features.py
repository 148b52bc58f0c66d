"""Features of jets: as fastjet has them, as their papers define them, on toy and stored jets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from hepnn import declarations
from hepnn.errors import DataError

pytest.importorskip("numba", reason="numba is not installed (extra 'hep')")

from hepnn.data.physics import shape
from hepnn.data.physics.correlators import correlators
from hepnn.data.physics.features import further, groomed_features, sixteen
from hepnn.data.physics.grooming import groom
from hepnn.data.physics.kinematics import cylindrical, wrapped
from hepnn.data.physics.recombination import CAMBRIDGE_AACHEN, KT, Momenta, recombine
from hepnn.data.physics.subjettiness import subjettiness

STORED_JETS = 200


def momenta(pt, y, phi, offsets, mass=0.0) -> Momenta:
    """Turn cylindrical coordinates into four-momenta."""
    transverse = np.hypot(pt, mass)
    return Momenta(
        pt * np.cos(phi),
        pt * np.sin(phi),
        transverse * np.sinh(y),
        transverse * np.cosh(y),
        np.asarray(offsets),
    )


def toy(rng: np.random.Generator, prongs: int, constituents: int) -> np.ndarray:
    """Split a jet of 1 TeV: first wide and even, then at random; rows of pt, y, phi."""
    parts = [np.array([1000.0, rng.uniform(-2, 2), rng.uniform(-np.pi, np.pi)])]
    while len(parts) < constituents:
        even = len(parts) < prongs
        mother = parts.pop(int(np.argmax([p[0] * rng.uniform() for p in parts])))
        z = rng.uniform(0.3, 0.5) if even else 0.5 * rng.uniform() ** 3
        angle = 0.3 if even else 0.01 + 0.5 * rng.uniform() ** 4
        turn = rng.uniform(0, 2 * np.pi)
        step = angle * np.array([np.cos(turn), np.sin(turn)])
        for share, side in ((z, 1 - z), (1 - z, -z)):
            parts.append(np.array([mother[0] * share, *(mother[1:] + side * step)]))
    return np.array(parts)


@pytest.fixture(scope="module")
def toys() -> Momenta:
    """Make a thousand jets of one to three prongs, some across the cut of the azimuth."""
    rng = np.random.default_rng(7)
    jets = [toy(rng, 1 + n % 3, int(rng.integers(4, 45))) for n in range(1000)]
    offsets = np.concatenate([[0], np.cumsum([len(jet) for jet in jets])])
    pt, y, phi = np.concatenate(jets).T
    return momenta(pt, y, phi, offsets, mass=np.where(rng.uniform(size=len(pt)) < 0.6, 0.14, 0.0))


@pytest.fixture(scope="module")
def stored() -> Momenta:
    """Read generated jets, where a checkout has them: their leading constituents."""
    import pyarrow.parquet as pq

    folder = declarations.root("datasets") / "jets"
    found = [*folder.glob("constituents*.parquet"), *folder.glob("constituents/*.parquet")]
    if not found:
        pytest.skip("no stored constituents of jets")
    table = pq.read_table(found[0], columns=["pt", "rapidity", "azimuth"])[:STORED_JETS]
    rows = [np.stack([np.array(row[c]) for c in row], axis=1) for row in table.to_pylist()]
    rows = [row[row[:, 0] > 0] for row in rows]
    rows = [row for row in rows if len(row) > 3]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    pt, y, phi = np.concatenate(rows).T.astype(np.float64)
    return momenta(1000 * pt, y, phi, offsets)


@pytest.fixture(params=["toys", "stored"])
def jets(request) -> Momenta:
    return request.getfixturevalue(request.param)


def for_fastjet(jets: Momenta):
    """Lay jets out as fastjet takes them."""
    pytest.importorskip("fastjet", reason="fastjet is not installed (extra 'hep')")
    import awkward as ak
    import vector

    vector.register_awkward()
    flat = dict(zip(("px", "py", "pz", "E"), jets[:4], strict=True))
    return ak.unflatten(ak.zip(flat, with_name="Momentum4D"), np.diff(jets.offsets))


def permuted(jets: Momenta, seed: int) -> Momenta:
    """Put each jet's constituents in another order."""
    jet = np.repeat(np.arange(len(jets.offsets) - 1), np.diff(jets.offsets))
    order = np.lexsort((np.random.default_rng(seed).uniform(size=len(jet)), jet))
    return Momenta(*(column[order] for column in jets[:4]), jets.offsets)


def moved(jets: Momenta, angle: float, boost: float) -> Momenta:
    """Turn jets about the beam and boost them along it."""
    px, py = (
        np.cos(angle) * jets.px - np.sin(angle) * jets.py,
        np.sin(angle) * jets.px + np.cos(angle) * jets.py,
    )
    pz = np.cosh(boost) * jets.pz + np.sinh(boost) * jets.energy
    energy = np.cosh(boost) * jets.energy + np.sinh(boost) * jets.pz
    return Momenta(px, py, pz, energy, jets.offsets)


# Beside fastjet


@pytest.mark.parametrize("beta", [1.0, 2.0, 0.5])
def test_subjettiness_is_that_of_exclusive_kt_axes(jets, beta):
    inside = for_fastjet(jets)
    import fastjet

    sequence = fastjet.ClusterSequence(inside, fastjet.JetDefinition(fastjet.kt_algorithm, 10.0))
    found = subjettiness(jets, beta=beta, radius=0.8)
    pt, y, phi = cylindrical(*jets[:4])
    counts = np.diff(jets.offsets)
    for number in (1, 2, 3):
        axes = sequence.exclusive_jets(number)
        columns = (np.asarray(axes[name]) for name in ("px", "py", "pz", "E"))
        _, *axis = cylindrical(*columns)
        axis_y, axis_phi = (np.repeat(column, counts, axis=0) for column in axis)
        distance = np.hypot(y[:, None] - axis_y, wrapped(phi[:, None] - axis_phi)).min(axis=1)
        above = np.add.reduceat(pt * distance**beta, jets.offsets[:-1])
        expected = above / (np.add.reduceat(pt, jets.offsets[:-1]) * 0.8**beta)
        np.testing.assert_allclose(found[f"tau_{number}"], expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("power", [KT, CAMBRIDGE_AACHEN])
def test_last_merging_is_that_of_fastjet(jets, power):
    inside = for_fastjet(jets)
    import fastjet

    algorithm = {KT: fastjet.kt_algorithm, CAMBRIDGE_AACHEN: fastjet.cambridge_algorithm}[power]
    sequence = fastjet.ClusterSequence(inside, fastjet.JetDefinition(algorithm, 10.0))
    trees = recombine(jets, power)
    first = 2 * jets.offsets[:-1]
    top = first + 2 * np.diff(jets.offsets) - 2
    found = trees.momenta[first[:, None] + trees.children[top]][:, :, 3]
    expected = np.asarray(sequence.exclusive_jets(2).E)
    np.testing.assert_allclose(np.sort(found), np.sort(expected), rtol=1e-10)


def groomed_by_fastjet(jets: Momenta):
    """Return fastjet's soft drop at beta 0 of jets."""
    inside = for_fastjet(jets)
    import fastjet

    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)
    return fastjet.ClusterSequence(inside, definition).exclusive_jets_softdrop_grooming(
        njets=1, beta=0.0, symmetry_cut=0.1, R0=0.8
    )


def test_groomed_mass_and_constituents_are_those_of_fastjet(jets):
    left = groomed_by_fastjet(jets)
    found = groom(jets)
    mass = np.maximum(np.asarray(left.msoftdrop), 0.0)
    np.testing.assert_allclose(found.mass, mass, rtol=1e-10, atol=1e-5)
    for jet, expected in enumerate(left.constituents):
        kept = slice(jets.offsets[jet], jets.offsets[jet + 1])
        energy = jets.energy[kept][found.kept[kept]]
        assert np.sort(energy).tolist() == np.sort(np.asarray(expected.E)).tolist()


def test_features_of_the_groomed_jet_are_fastjets_correlators(jets):
    import awkward as ak

    left = ak.with_name(groomed_by_fastjet(jets).constituents, "Momentum4D")
    import fastjet

    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)
    sequence = fastjet.ClusterSequence(left, definition)

    def reference(**options):
        return np.asarray(sequence.exclusive_jets_energy_correlator(njets=1, **options))

    found = sixteen(jets)
    expected = {"c1_b0_mmdt": reference(beta=0, npoint=1, func="cseries")}
    for beta in (1, 2):
        expected[f"c1_b{beta}_mmdt"] = reference(beta=beta, npoint=1, func="cseries")
        for letter in "cmn":
            series = reference(beta=beta, npoint=2, func=f"{letter}series")
            expected[f"{letter}2_b{beta}_mmdt"] = series
        d2 = reference(alpha=1, beta=beta, npoint=3, func="generalizedd2")
        expected[f"d2_a1_b{beta}_mmdt"] = d2
        e2 = reference(beta=beta, npoint=2, angles=1, func="generalized")
        e3 = reference(beta=beta, npoint=3, angles=3, func="generalized")
        with np.errstate(invalid="ignore"):
            expected[f"d2_b{beta}_mmdt"] = e3 / e2**3
    assert set(found) == {*expected, "mass_mmdt", "zlogz", "multiplicity"}
    for name, values in expected.items():
        enough = np.isfinite(values)
        assert enough.mean() > 0.7
        np.testing.assert_allclose(found[name][enough], values[enough], rtol=1e-10, err_msg=name)


def test_a_constituent_along_the_beam_is_placed_as_by_fastjet():
    fastjet = pytest.importorskip("fastjet", reason="fastjet is not installed (extra 'hep')")
    columns = [np.array(c) for c in ([0.0, 10.0], [0.0, 0.0], [-5.0, 1.0], [5.0, 12.0])]
    tree = recombine(Momenta(*columns, np.array([0, 2])), KT)
    assert tree.rapidity[0] == fastjet.PseudoJet(0.0, 0.0, -5.0, 5.0).rap()
    assert tree.momenta[2].tolist() == [10, 0, -4, 17]


# By definition


def test_correlators_are_sums_over_pairs_and_triples():
    rng = np.random.default_rng(3)
    counts = [1, 2, 3, 5, 9, 17]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    pt, y = rng.exponential(size=offsets[-1]), rng.normal(size=offsets[-1])
    phi = rng.uniform(-np.pi, np.pi, offsets[-1])
    found = correlators(pt, y, phi, offsets)
    for jet in range(len(counts)):
        inside = range(offsets[jet], offsets[jet + 1])
        z = pt / pt[inside].sum()

        def theta(i, j):
            return np.hypot(y[i] - y[j], wrapped(np.asarray(phi[i] - phi[j])))

        for beta in (1, 2):
            pairs = sum(z[i] * z[j] * theta(i, j) ** beta for i, j in combinations(inside, 2))
            assert found[f"e2_b{beta}"][jet] == pytest.approx(pairs, rel=1e-12)
            for v in (1, 2, 3):
                triples = 0.0
                for i, j, k in combinations(inside, 3):
                    angles = sorted([theta(i, j), theta(i, k), theta(j, k)])
                    triples += z[i] * z[j] * z[k] * np.prod(angles[:v]) ** beta
                assert found[f"v{v}e3_b{beta}"][jet] == pytest.approx(triples, rel=1e-12)


def test_two_equal_prongs_have_the_subjettiness_of_half_their_distance():
    jet = momenta(np.ones(4), np.zeros(4), np.array([-0.3, -0.3, 0.3, 0.3]), [0, 4])
    found = further(jet, radius=0.8)
    assert found["tau_1"][0] == pytest.approx(0.3 / 0.8)
    assert found["tau_2"][0] == pytest.approx(0, abs=1e-12)
    assert found["tau_21"][0] == pytest.approx(0, abs=1e-12)
    assert found["width"][0] == pytest.approx(0.3)
    assert found["pt_dispersion"][0] == pytest.approx(0.5)
    assert found["leading_share"][0] == pytest.approx(0.25)


def test_three_narrow_prongs_have_small_tau_32_alone():
    rng = np.random.default_rng(4)
    pt = np.concatenate([np.full(6, 60.0), np.full(6, 50.0), np.full(6, 40.0)])
    corners = np.repeat([[0.4, 0.0], [-0.2, 0.3], [-0.2, -0.3]], 6, axis=0)
    y, phi = (corners + 0.01 * rng.normal(size=(18, 2))).T
    found = further(momenta(pt, y, phi, [0, 18]))
    assert found["tau_32"][0] < 0.1 < 0.3 < found["tau_21"][0] < 1
    distance = np.hypot(*(np.stack([y, phi]) - corners.T))
    assert found["tau_3"][0] == pytest.approx((pt * distance).sum() / pt.sum() / 0.8, rel=0.5)


def test_as_many_axes_as_constituents_leave_nothing():
    rng = np.random.default_rng(2)
    jet = momenta(rng.uniform(1, 2, 3), rng.normal(size=3), rng.normal(size=3), [0, 3])
    found = subjettiness(jet, numbers=(3, 2, 5))
    assert list(found) == ["tau_3", "tau_2", "tau_5"]
    assert found["tau_3"][0] == found["tau_5"][0] == 0 < found["tau_2"][0]


def test_angularities_are_multiplicity_and_dispersion_at_beta_zero(toys):
    pt, y, phi = cylindrical(*toys[:4])
    axis = np.zeros((2, len(toys.offsets) - 1))
    zero = shape.angularity(pt, y, phi, toys.offsets, tuple(axis), kappa=0, beta=0)
    np.testing.assert_allclose(zero, shape.multiplicity(toys.offsets))
    two = shape.angularity(pt, y, phi, toys.offsets, tuple(axis), kappa=2, beta=0)
    np.testing.assert_allclose(two, shape.dispersion(pt, toys.offsets) ** 2)
    many = shape.angularity(pt, y, phi, toys.offsets, tuple(axis), kappa=100, beta=0)
    leading = shape.leading_share(pt, toys.offsets)
    np.testing.assert_allclose(many ** (1 / 100), leading, rtol=0.05)


def test_angularity_at_beta_two_is_the_squared_mass_of_a_narrow_jet():
    rng = np.random.default_rng(5)
    offsets = np.arange(0, 201, 20)
    pt = rng.exponential(size=200) + 0.1
    jets = momenta(pt, 1e-3 * rng.normal(size=200), 1e-3 * rng.normal(size=200), offsets)
    whole = [np.add.reduceat(column, offsets[:-1]) for column in jets[:4]]
    jet_pt, y, phi = cylindrical(*whole)
    mass2 = whole[3] ** 2 - whole[0] ** 2 - whole[1] ** 2 - whole[2] ** 2
    particles = cylindrical(*jets[:4])
    thrust = shape.angularity(*particles, offsets, (y, phi), kappa=1, beta=2)
    np.testing.assert_allclose(thrust, mass2 / jet_pt**2, rtol=1e-4)


# Symmetries and edges


@pytest.mark.parametrize("change", ["order", "frame", "unit"])
def test_features_keep_under_order_frame_and_unit(toys, change):
    if change == "order":
        other = permuted(toys, seed=1)
    elif change == "frame":
        other = moved(toys, angle=2.0, boost=0.7)
    else:
        other = Momenta(*(2**-10 * column for column in toys[:4]), toys.offsets)
    factor = 2**-10 if change == "unit" else 1
    before, after = sixteen(toys) | further(toys), sixteen(other) | further(other)
    for name, values in before.items():
        expected = values * (factor if name == "mass_mmdt" else 1)
        # A mass of one constituent is lost in the rounding of its energy.
        loss = 1e-3 * factor if name == "mass_mmdt" else 1e-12
        np.testing.assert_allclose(after[name], expected, rtol=1e-6, atol=loss, err_msg=name)


def test_jets_of_none_and_of_one_constituent_have_zeros_and_no_nan():
    jets = momenta(np.array([5.0]), np.array([0.3]), np.array([1.0]), [0, 0, 1, 1])
    found = sixteen(jets) | further(jets)
    ones = {"multiplicity", "pt_dispersion", "leading_share"}
    for name, values in found.items():
        expected = [0, 1 if name in ones else 0, 0]
        np.testing.assert_allclose(values, expected, atol=1e-6, err_msg=name)


def test_no_jets_at_all_give_no_features():
    none = Momenta(*np.zeros((4, 0)), np.array([0]))
    assert all(values.shape == (0,) for values in (sixteen(none) | further(none)).values())


@pytest.mark.parametrize(("column", "value"), [(0, np.nan), (2, np.inf), (3, -1.0)])
def test_a_constituent_that_is_not_finite_is_named(column, value):
    jets = momenta(np.ones(4), np.zeros(4), np.arange(4.0), [0, 2, 4])
    jets[column][3] = value
    with pytest.raises(DataError, match="jet 1: constituent 1 is not finite or has negative"):
        groom(jets)


@pytest.mark.parametrize("offsets", [[0, 3], [1, 2], [0, 3, 2]])
def test_offsets_of_other_constituents_are_refused(offsets):
    with pytest.raises(DataError, match="rise from 0 to 2"):
        sixteen(momenta(np.ones(2), np.zeros(2), np.arange(2.0), offsets))


def test_no_axis_at_all_is_refused(toys):
    with pytest.raises(ValueError, match="at least 1"):
        subjettiness(toys, numbers=(0, 1))


def test_the_same_jets_have_the_same_bits_each_time(toys):
    first, second = sixteen(toys) | further(toys), sixteen(toys) | further(toys)
    assert all((first[name] == second[name]).all() for name in first)
    pt, y, phi = cylindrical(*toys[:4])
    again = groomed_features(pt, y, phi, toys.offsets)
    assert all(np.isfinite(values).all() for values in again.values())
