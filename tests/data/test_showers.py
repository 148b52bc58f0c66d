"""Showers: lengths, depths, widths and resolutions as the published closed forms have them."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import integrate, stats

from hepnn import declarations, files
from hepnn.data.card import Card, load
from hepnn.data.generate import showers
from hepnn.data.generate.chunk import chunk_seed
from hepnn.data.generate.showers import electromagnetic, grid, hadronic, particles
from hepnn.data.generate.showers.medium import IRON
from hepnn.errors import RecipeError

COMMITTED = declarations.root("datasets") / "showers"

# Deep enough for every electromagnetic shower.
DEEP = np.linspace(0.0, 60.0, 121)


def rng():
    return np.random.default_rng(20)


def many(energy, number, edges=DEEP, term=0.0, start=0.0):
    """Return the spots of equal electrons."""
    source = rng()
    return [particles.electron(energy, start, edges, IRON, term, source) for _ in range(number)]


def profile(spots, edges):
    """Return the mean energy in each step."""
    steps = len(edges) - 1
    return np.mean([np.bincount(one.step, one.energy, steps) for one in spots], axis=0)


# The medium and the average shower


def test_iron_is_that_of_the_particle_data_group():
    # pdg.lbl.gov/AtomicNuclearProperties: 1.757 cm, 16.77 cm, 21.68 MeV (electrons), 1.719 cm.
    assert IRON.radiation_length / IRON.density == pytest.approx(1.757, rel=1e-3)
    assert IRON.interaction_length / IRON.density == pytest.approx(16.77, rel=1e-3)
    assert 1e3 * IRON.critical_energy == pytest.approx(21.68, rel=0.06)
    moliere = IRON.moliere_radius * IRON.radiation_length / IRON.density
    assert moliere == pytest.approx(1.719, rel=0.06)
    assert 1e3 * IRON.ionization_depth == pytest.approx(1.451 * 13.84)


@pytest.mark.parametrize("energy", [1.0, 10.0, 100.0])
def test_average_shower_has_its_maximum_at_the_logarithm_of_the_energy(energy):
    found = electromagnetic.average(energy, IRON)
    t = np.linspace(0.01, 30, 30_000)
    density = stats.gamma(found.alpha, scale=1 / found.beta).pdf(t)
    expected = np.log(energy / IRON.critical_energy) - 0.858
    assert t[density.argmax()] == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("energy", [1.0, 10.0, 100.0])
def test_shares_of_steps_are_the_integral_of_the_gamma_distribution(energy):
    found = electromagnetic.average(energy, IRON)
    distribution = stats.gamma(found.alpha, loc=2.0, scale=1 / found.beta)
    share = particles.shares(DEEP, 2.0, found.alpha, found.beta)
    np.testing.assert_allclose(share, np.diff(distribution.cdf(DEEP)), atol=1e-12)


# Fluctuating showers


@pytest.mark.parametrize("energy", [3.0, 30.0])
def test_mean_of_showers_has_its_maximum_where_the_average_shower_has(energy):
    edges = np.linspace(0.0, 40.0, 81)
    mean = profile(many(energy, 2000, edges), edges)
    top = mean.argmax()
    a, b, c = mean[top - 1 : top + 2]
    depth = edges[top] + 0.25 + 0.25 * (a - c) / (a - 2 * b + c)
    expected = np.log(energy / IRON.critical_energy) - 0.858
    assert depth == pytest.approx(expected, abs=0.3)


def test_depths_and_shapes_fluctuate_together_as_published():
    source = rng()
    energy = 20.0
    drawn = [electromagnetic.individual(energy, IRON, source) for _ in range(4000)]
    maximum, alpha = np.log(np.array(drawn).T)
    y = np.log(energy / IRON.critical_energy)
    assert maximum.mean() == pytest.approx(np.log(y - 0.812), abs=4 * maximum.std() / 4000**0.5)
    assert maximum.std() == pytest.approx(1 / (-1.4 + 1.26 * y), rel=0.05)
    assert alpha.std() == pytest.approx(1 / (-0.58 + 0.86 * y), rel=0.05)
    assert np.corrcoef(maximum, alpha)[0, 1] == pytest.approx(0.705 - 0.023 * y, abs=0.04)


@pytest.mark.parametrize("energy", [2.0, 50.0])
def test_nothing_is_lost_between_the_shower_and_its_spots(energy):
    total = np.array([one.energy.sum() for one in many(energy, 200)])
    assert total.max() <= energy * (1 + 1e-9)
    assert np.median(total) == pytest.approx(energy, rel=1e-3)


@pytest.mark.parametrize("energy", [2.0, 10.0, 50.0])
def test_resolution_falls_as_the_root_of_the_energy(energy):
    number, term = 2000, 0.2
    total = np.array([one.energy.sum() for one in many(energy, number, term=term)])
    spread = term / np.sqrt(energy)
    assert total.mean() / energy == pytest.approx(1.0, abs=4 * spread / number**0.5 + 1e-3)
    assert total.std() / energy == pytest.approx(spread, rel=4 / np.sqrt(2 * number))


def test_sampling_of_parts_fluctuates_as_that_of_the_whole():
    parts = np.full((20_000, 8), 0.5)
    total = particles.sampled(parts, 0.3, rng()).sum(axis=1)
    assert stats.kstest(total, stats.gamma(4.0 / 0.09, scale=0.09).cdf).pvalue > 1e-3


def test_number_of_spots_is_the_published_one():
    counts = [len(one.step) for one in many(5.0, 400)]
    expected = 93 * np.log(26) * 5.0**0.876
    # Steps in the tail that have energy but draw no spot get one.
    assert expected * 0.98 < np.mean(counts) < expected * 1.1


# Across the axis


def test_radii_follow_the_two_component_profile():
    tau = np.full(20_000, 1.3)
    found = electromagnetic.radial(tau, 20.0, IRON)
    core, tail, p = found.core[0], found.tail[0], found.share[0]

    def density(r):
        return (
            2
            * r
            * (p * core**2 / (r**2 + core**2) ** 2 + (1 - p) * tail**2 / (r**2 + tail**2) ** 2)
        )

    radii = electromagnetic.radii(found, rng())
    for radius in (0.1, 0.5, 1.0, 3.0):
        expected, _ = integrate.quad(density, 0, radius)
        assert electromagnetic.contained(radius, found)[0] == pytest.approx(expected)
        error = np.sqrt(expected * (1 - expected) / len(radii))
        assert np.mean(radii < radius) == pytest.approx(expected, abs=4 * error)


@pytest.mark.parametrize("energy", [1.0, 10.0, 100.0])
def test_about_nine_tenths_of_a_shower_lie_within_the_moliere_radius(energy):
    spots = many(energy, 150)
    radius, deposit = (
        np.concatenate([getattr(s, name) for s in spots]) for name in spots[0]._fields[1:]
    )
    inside = [deposit[radius < r].sum() / deposit.sum() for r in (1.0, 3.0)]
    assert 0.80 < inside[0] < 0.93
    assert inside[1] > 0.95


def test_cells_hold_the_spots_that_fall_in_them():
    block = grid.Grid(cells=4, layers=3, width=0.5, thickness=1.0)
    source = np.random.default_rng(5)
    number = 3000
    spots = grid.Spots(
        source.integers(0, 6, number), source.exponential(0.6, number), source.random(number)
    )
    found = block.fill(spots, 0.1, -0.2, np.random.default_rng(9))
    azimuth = np.random.default_rng(9).uniform(0, 2 * np.pi, number)
    x, y = 0.1 + spots.radius * np.cos(azimuth), -0.2 + spots.radius * np.sin(azimuth)
    edges = np.linspace(-1.0, 1.0, 5)
    expected, _ = np.histogramdd(
        np.stack([y, x, spots.step / 2], axis=1),
        bins=(edges, edges, np.arange(4)),
        weights=spots.energy,
    )
    np.testing.assert_allclose(found, expected)


# Photons and pions


def test_photons_begin_nine_sevenths_of_a_radiation_length_deeper():
    source, number = rng(), 3000
    middle = (DEEP[1:] + DEEP[:-1]) / 2

    def depth(spots):
        return np.average(middle[spots.step], weights=spots.energy)

    photon = [depth(particles.photon(10.0, DEEP, IRON, 0.0, source)) for _ in range(number)]
    electron = [depth(one) for one in many(10.0, number)]
    error = np.sqrt((np.var(photon) + np.var(electron)) / number)
    assert np.mean(photon) - np.mean(electron) == pytest.approx(9 / 7, abs=4 * error)


def test_pions_that_do_not_interact_only_ionize():
    source, number, depth = rng(), 3000, 24.0
    edges = np.linspace(0.0, depth, 49)
    total = [
        particles.pion(20.0, edges, IRON, 0.0, 0.0, source).energy.sum() for _ in range(number)
    ]
    least = depth * 1.451e-3 * 13.84
    through = np.isclose(total, least)
    expected = np.exp(-depth / (132.1 / 13.84))
    error = np.sqrt(expected * (1 - expected) / number)
    assert through.mean() == pytest.approx(expected, abs=4 * error)
    assert np.min(total) == pytest.approx(least)


def test_mean_pion_has_the_profile_of_bock_and_others():
    source, number, energy = rng(), 4000, 30.0
    edges = np.linspace(0.0, 20.0, 41)
    light = 132.1 / 13.84
    total = np.array(
        [particles.pion(energy, edges, IRON, 0.0, 0.0, source).energy.sum() for _ in range(number)]
    )

    def deposited(start):
        left = energy - start * 1.451e-3 * 13.84
        a = 0.6165 + 0.3183 * np.log(left)
        first = stats.gamma(a, scale=1 / 0.2198).cdf(20.0 - start)
        second = stats.gamma(a, scale=1 / (0.9099 - 0.0237 * np.log(left)))
        shower = 0.4634 * first + (1 - 0.4634) * second.cdf((20.0 - start) / light)
        return energy - left + left * shower

    inside, _ = integrate.quad(lambda s: np.exp(-s / light) / light * deposited(s), 0, 20.0)
    expected = inside + np.exp(-20.0 / light) * 20.0 * 1.451e-3 * 13.84
    assert total.mean() == pytest.approx(expected, abs=4 * total.std() / np.sqrt(number))


def test_hadronic_part_has_its_width_from_one_rule():
    scale = hadronic.RADIUS
    assert 1.0 / (1.0 + scale**2) == pytest.approx(0.95)


# The kind


def small(**settings):
    return showers.Settings(per_class=40, **settings)


def test_same_seed_gives_same_showers_and_another_others():
    settings = small()
    for chunk in showers.chunks(settings):
        one, same, other = (showers.generate(settings, chunk, s, COMMITTED)[""] for s in (7, 7, 8))
        assert one.equals(same) and not one.equals(other)
        assert len(one) == chunk.events


def test_chunks_have_seeds_of_their_own_and_all_the_showers():
    settings = showers.Settings(per_class=1000)
    chunks = showers.chunks(settings)
    assert len({chunk_seed(1, chunk) for chunk in chunks}) == len(chunks)
    assert sum(chunk.events for chunk in chunks) == 3000


def test_cells_below_the_threshold_read_zero():
    settings = small(threshold=0.02, cells=4, layers=5)
    chunk = showers.chunks(settings)[0]
    table = showers.generate(settings, chunk, 3, COMMITTED)[""]
    values = np.array(table["shower"].to_pylist())
    assert values.shape == (40, 4, 4, 5)
    assert values[values > 0].min() >= 0.02 * (1 - 2**-13)


def test_cards_describe_every_setting_of_the_grid():
    card = showers.cards(small(cells=7, layers=5))[""]
    whole = {"name": "showers", "source": {"format": "parquet"}, **card}
    parsed = declarations.parse(Card, whole, "card")
    assert parsed.inputs["shower"].shape == (7, 7, 5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lowest": 50.0, "highest": 10.0}, "lowest: 50.0 GeV is not below highest, 10.0"),
        ({"layers": 60}, "lowest: a pion of 1.0 GeV stops inside 60 layers"),
        ({"treshold": 0.1}, "unknown key 'treshold'; did you mean 'threshold'?"),
        ({"highest": 1e6}, "highest: Input should be less than or equal to 400"),
    ],
)
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(RecipeError, match=message.replace("?", r"\?")):
        declarations.parse(showers.Settings, settings, "--set")


# The committed sample


@pytest.fixture(scope="module")
def sample():
    return pq.read_table(COMMITTED / "sample.parquet")


def test_committed_sample_is_what_its_card_says(sample):
    card, folder = load("showers")
    assert card.checksums == {"sample.parquet": files.sha256(folder / "sample.parquet")}
    assert np.bincount(sample["class"].to_numpy()).tolist() == [
        card.made_by["settings"]["per_class"]
    ] * len(card.labels.classes)
    image = card.inputs["shower"]
    assert np.array(sample["shower"][0].as_py()).shape == image.shape


def test_committed_energies_are_uniform_in_their_logarithm(sample):
    energy = np.log(sample["energy"].to_numpy())
    assert stats.kstest(energy, stats.uniform(0, np.log(100)).cdf).pvalue > 1e-3


def test_committed_electrons_are_measured_better_than_pions(sample):
    shower = np.asarray(sample["shower"].combine_chunks().flatten().flatten().flatten())
    total = shower.reshape(len(sample), -1).sum(axis=1) / sample["energy"].to_numpy()
    label = sample["class"].to_numpy()
    electron, photon, pion = (total[label == k] for k in range(3))
    assert 0.9 < electron.mean() < 1 and 0.9 < photon.mean() < 1
    assert pion.std() > 2 * electron.std()
