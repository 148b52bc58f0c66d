"""The detector: resolutions are the formulas', towers are the grid's, nothing is lost unsaid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

ak = pytest.importorskip("awkward", reason="awkward is not installed (extra 'hep')")
vector = pytest.importorskip("vector", reason="vector is not installed (extra 'hep')")

from hepnn.data.physics.detector import LONG_KAON, PHOTON, Detector, smear  # noqa: E402
from hepnn.data.physics.towers import Calorimeter, fluctuated  # noqa: E402

PION, MUON, ELECTRON, NEUTRON, NEUTRINO = 211, 13, 11, 2112, 12
MANY = 20_000

# Five standard errors: one test in two million fails by chance.
SIGMAS = 5.0


def events(pt, eta, phi, mass, identity, charge, counts=None):
    """Make events of the given particles, one in each by default."""
    pt, eta, phi, mass, identity, charge = np.broadcast_arrays(pt, eta, phi, mass, identity, charge)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    columns = {
        "px": px,
        "py": py,
        "pz": pz,
        "E": np.sqrt(px**2 + py**2 + pz**2 + mass**2),
        "id": identity,
        "charge": charge.astype(float),
    }
    flat = ak.zip({name: np.asarray(one) for name, one in columns.items()}, with_name="Momentum4D")
    return ak.unflatten(flat, np.ones(len(pt), int) if counts is None else counts)


def mixture(seed, size=4_000, counts=None):
    """Make particles of all kinds anywhere, with neutrinos among them."""
    rng = np.random.default_rng(seed)
    kind = rng.choice([PION, MUON, ELECTRON, PHOTON, NEUTRON, NEUTRINO], size)
    charge = np.where(np.isin(kind, [PION, MUON, ELECTRON]), rng.choice([-1, 1], size), 0)
    mass = np.choose(np.searchsorted([0, MUON, PION, NEUTRON], kind, "right") - 1, [0, 0.1, 0.1, 1])
    return events(
        rng.exponential(3.0, size) + 0.05,
        rng.uniform(-6, 6, size),
        rng.uniform(-np.pi, np.pi, size),
        mass,
        kind,
        charge,
        counts,
    )


def exact(**changes):
    """Return a detector that measures what it sees without error or threshold."""
    detector = Detector(**changes)
    bands = tuple(
        replace(b, soft_efficiency=1.0, efficiency=1.0, constant=0.0, slope=0.0)
        for b in detector.bands
    )
    calorimeters = tuple(
        replace(c, stochastic=0.0, noise=0.0, constant=0.0, threshold=0.0)
        for c in detector.calorimeters
    )
    return replace(detector, bands=bands, calorimeters=calorimeters)


def agrees(values, mean, spread):
    """Compare mean and spread of log-normal values within their statistical errors.

    The variance of a sample's variance is spread^4 (kurtosis - 1) / n.
    """
    s = np.log1p((spread / mean) ** 2)
    kurtosis = np.exp(4 * s) + 2 * np.exp(3 * s) + 3 * np.exp(2 * s) - 3
    n = len(values)
    assert abs(values.mean() - mean) < SIGMAS * spread / np.sqrt(n)
    assert abs(values.var() - spread**2) < SIGMAS * spread**2 * np.sqrt((kurtosis - 1) / n)


@pytest.mark.parametrize(
    ("eta", "a", "b"), [(0.2, 0.010, 1.5e-4), (-1.0, 0.015, 2.5e-4), (2.4, 0.025, 5.5e-4)]
)
@pytest.mark.parametrize("pt", [2.0, 20.0, 200.0])
def test_tracks_have_the_documented_resolution(eta, a, b, pt):
    seen = smear(events(np.full(MANY, pt), eta, 0.3, 0.14, PION, 1), np.random.default_rng(1))
    tracks = ak.flatten(seen[seen.charge != 0])
    agrees(ak.to_numpy(tracks.pt), pt, pt * np.sqrt(a**2 + (b * pt) ** 2))
    assert np.allclose(tracks.eta, eta) and np.allclose(tracks.phi, 0.3)
    assert np.allclose(tracks.mass, 0.14, atol=1e-3)


@pytest.mark.parametrize(
    ("pt", "eta", "efficiency"),
    [(0.8, 0.1, 0.70), (5.0, 1.4, 0.95), (0.8, -2.0, 0.60), (5.0, 2.4, 0.85)],
)
def test_tracks_are_found_with_the_documented_efficiency(pt, eta, efficiency):
    seen = smear(events(np.full(MANY, pt), eta, 0, 0.14, PION, -1), np.random.default_rng(2))
    found = float(ak.sum(seen.charge != 0)) / MANY
    assert abs(found - efficiency) < SIGMAS * np.sqrt(efficiency * (1 - efficiency) / MANY)


@pytest.mark.parametrize(("pt", "eta"), [(0.49, 0.0), (50.0, 2.51)])
def test_no_track_outside_the_acceptance(pt, eta):
    seen = smear(events(np.full(500, pt), eta, 0, 0.14, PION, 1), np.random.default_rng(3))
    assert not ak.any(seen.charge != 0)


@pytest.mark.parametrize(
    ("identity", "tower", "eta", "stochastic", "noise", "constant"),
    [
        (PHOTON, PHOTON, 0.5, 0.028, 0.12, 0.003),
        (NEUTRON, LONG_KAON, -2.0, 1.10, 0.0, 0.09),
        (PHOTON, PHOTON, -4.0, 2.08, 0.0, 0.107),
        (NEUTRON, LONG_KAON, 4.0, 2.70, 0.0, 0.13),
    ],
)
@pytest.mark.parametrize("energy", [30.0, 300.0])
def test_towers_have_the_documented_resolution(
    identity, tower, eta, stochastic, noise, constant, energy
):
    pt = np.full(MANY, energy / np.cosh(eta))
    seen = ak.flatten(smear(events(pt, eta, 1.0, 0.0, identity, 0), np.random.default_rng(4)))
    assert set(ak.to_list(seen.id)) == {tower} and len(seen) == MANY
    relative = np.sqrt((stochastic / np.sqrt(energy)) ** 2 + (noise / energy) ** 2 + constant**2)
    agrees(ak.to_numpy(seen.E), energy, energy * relative)
    assert np.allclose(ak.to_numpy(seen.mass), 0.0, atol=1e-3)


@pytest.mark.parametrize(
    ("identity", "low", "size", "sectors", "etas"),
    [
        (PHOTON, 0.0, 0.0174, 360, (0.0, 2.95)),
        (NEUTRON, 0.0, 0.087, 72, (0.0, 2.95)),
        (NEUTRON, 2.958, (5 - 2.958) / 12, 36, (2.96, 4.99)),
    ],
)
def test_towers_lie_on_the_grid_and_hold_what_hit_them(identity, low, size, sectors, etas):
    rng = np.random.default_rng(5)
    eta = rng.uniform(*etas, MANY) * rng.choice([-1, 1], MANY)
    phi = rng.uniform(-np.pi, np.pi, MANY)
    seen = ak.flatten(smear(events(np.full(MANY, 9.0), eta, phi, 0, identity, 0), rng, exact()))
    ring = (np.abs(ak.to_numpy(seen.eta)) - low) / size - 0.5
    sector = ak.to_numpy(seen.phi) / (2 * np.pi) * sectors - 0.5
    assert np.allclose(ring, np.round(ring), atol=1e-6)
    assert np.allclose(sector, np.round(sector), atol=1e-6)
    assert np.abs(ak.to_numpy(seen.eta) - eta).max() < size / 2 + 1e-9
    turn = (ak.to_numpy(seen.phi) - phi + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(turn).max() < np.pi / sectors + 1e-9


def test_deposits_in_one_tower_are_summed_and_neighbours_are_not():
    eta = np.array([0.001, 0.016, 0.018])
    close = events(np.array([3.0, 4.0, 5.0]), eta, 0.001, 0.0, PHOTON, 0, counts=[3])
    energy = ak.to_numpy(smear(close, np.random.default_rng(6), exact()).E[0])
    assert sorted(energy.tolist()) == pytest.approx(
        [5 * np.cosh(0.018), 3 * np.cosh(0.001) + 4 * np.cosh(0.016)]
    )
    apart = events(np.array([3.0, 4.0]), eta[:2], 0.001, 0.0, PHOTON, 0)
    assert ak.to_list(ak.num(smear(apart, np.random.default_rng(6), exact()))) == [1, 1]


@pytest.mark.parametrize(("identity", "threshold"), [(PHOTON, 0.5), (NEUTRON, 1.0)])
def test_towers_below_the_threshold_are_dropped(identity, threshold):
    detector = exact()
    detector = replace(
        detector,
        calorimeters=tuple(
            replace(c, threshold=d.threshold)
            for c, d in zip(detector.calorimeters, Detector().calorimeters, strict=True)
        ),
    )
    energy = np.array([0.99, 1.01]) * threshold
    seen = smear(events(energy, 0.0, 0.0, 0, identity, 0), np.random.default_rng(7), detector)
    assert ak.to_list(ak.num(seen)) == [0, 1]
    noisy = smear(events(np.full(2_000, threshold), 0, 0, 0, identity, 0), np.random.default_rng(7))
    assert 0.05 < ak.mean(ak.num(noisy)) < 0.95
    assert ak.min(noisy.E) > threshold


def test_energy_is_conserved_on_average():
    particles = mixture(8)
    detector = Detector(
        calorimeters=tuple(replace(c, threshold=0) for c in Detector().calorimeters)
    )
    repeats = 200
    rng = np.random.default_rng(8)
    totals = np.array([float(ak.sum(smear(particles, rng, detector).E)) for _ in range(repeats)])
    # What is seen but for chance: all below |eta| = 5, muons by the share that has tracks.
    flat = ak.flatten(particles)
    identity, eta, pt = np.abs(ak.to_numpy(flat.id)), np.abs(flat.eta), ak.to_numpy(flat.pt)
    share = np.where((identity != NEUTRINO) & (eta < 5.0), 1.0, 0.0)
    efficiency = np.where(
        pt >= 1.0, np.where(eta < 1.5, 0.95, 0.85), np.where(eta < 1.5, 0.70, 0.60)
    )
    muons = np.where((eta < 2.5) & (pt > 0.5), efficiency, 0.0)
    seen = float(ak.sum(flat.E * np.where(identity == MUON, muons, share)))
    assert abs(totals.mean() - seen) < SIGMAS * totals.std() / np.sqrt(repeats)


def test_an_exact_detector_sees_all_but_what_is_said():
    particles = mixture(9)
    seen = smear(particles, np.random.default_rng(9), exact())
    flat = ak.flatten(particles)
    identity, eta, pt = np.abs(ak.to_numpy(flat.id)), np.abs(flat.eta), ak.to_numpy(flat.pt)
    unseen = (identity == NEUTRINO) | ((identity == MUON) & ((eta >= 2.5) | (pt <= 0.5)))
    expected = float(ak.sum(flat.E[~(unseen | (eta >= 5.0))]))
    assert float(ak.sum(seen.E)) == pytest.approx(expected, rel=1e-9)


def test_a_track_says_which_particle_it_is():
    particles = mixture(10, counts=[1_000, 0, 2_999, 1])
    seen = smear(particles, np.random.default_rng(10))
    assert len(seen) == 4 and ak.num(seen)[1] == 0
    for event in (0, 2):
        tracks = seen[event][seen[event].source >= 0]
        origin = particles[event][tracks.source]
        assert ak.to_list(tracks.id) == ak.to_list(origin.id)
        assert ak.to_list(tracks.charge) == ak.to_list(origin.charge)
        assert np.allclose(tracks.eta, origin.eta)
        assert ak.all(seen[event][seen[event].source < 0].charge == 0)


def test_the_seed_decides():
    particles = mixture(11)
    first, again, other = (smear(particles, np.random.default_rng(s)) for s in (1, 1, 2))
    assert ak.array_equal(first, again)
    assert not ak.array_equal(first.E, other.E)


def test_smeared_events_cluster_like_particles():
    pytest.importorskip("fastjet", reason="fastjet is not installed (extra 'hep')")
    from hepnn.data.physics.clustering import cluster

    particles = mixture(12, counts=[2_000, 2_000])
    jets, inside = cluster(smear(particles, np.random.default_rng(12)), 20.0, 0.4)
    assert np.allclose(ak.flatten(jets.px), ak.flatten(ak.sum(inside.px, axis=2)))
    assert {"id", "charge", "source"} <= set(inside.fields)


def test_fluctuations_are_never_negative():
    wide = fluctuated(np.full(MANY, 1.0), np.full(MANY, 1.1), np.random.default_rng(13))
    assert wide.min() > 0
    agrees(wide, 1.0, 1.1)


def test_another_detector_can_be_given():
    coarse = Detector(calorimeters=(Calorimeter(PHOTON, 0.0, 1.0, 1, 1, 0.0, 0.0, 0.0, 0.0),))
    many = events(np.full(50, 2.0), np.linspace(0.01, 0.99, 50), 0.0, 0, PHOTON, 0, counts=[50])
    assert ak.to_list(ak.num(smear(many, np.random.default_rng(14), coarse))) == [1]
