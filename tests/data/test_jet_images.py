"""Jet images: one position for all, the energy in them kept, top jets those with a top in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hepnn import declarations
from hepnn.data.generate import jet_images
from hepnn.data.generate.chunk import Chunk
from hepnn.data.generate.jet_images.picture import flipped, turned

COMMITTED = declarations.root("datasets") / "jet-images"
QCD, TOP = 0, 1


@pytest.fixture(scope="module")
def hep():
    """Skip where the generators are not installed."""
    for package in jet_images.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'hep')")


@pytest.fixture(scope="module")
def made(hep):
    """Generate a few jets of each class."""
    return {label: few(label) for label in (QCD, TOP)}


@pytest.fixture(scope="module")
def record(hep):
    """Generate some whole events with tops."""
    from hepnn.data.physics.events import Generator

    cards = [COMMITTED / "common.cmnd", COMMITTED / "top.cmnd"]
    generator = Generator(cards, 3)
    return generator, next(generator.records(40))


def few(label: int, events: int = 40, seed: int = 5, **changes) -> pa.Table:
    name = jet_images.CLASSES[label]
    chunk = Chunk(f"{name}-0000", 0, label, events)
    settings = jet_images.Settings(**changes)
    return jet_images.generate(settings, chunk, seed, COMMITTED)[""]


def points(table: pa.Table) -> dict[str, np.ndarray]:
    """Return the constituents' columns, and the jet that each is of."""
    lists = {
        name: table[f"constituent_{name}"].combine_chunks()
        for name in ("row", "column", "pt", "charge")
    }
    counts = np.diff(np.asarray(lists["pt"].offsets))
    found = {name: np.asarray(one.values) for name, one in lists.items()}
    return found | {"jet": np.repeat(np.arange(len(table)), counts)}


def test_turning_keeps_distances_and_brings_the_direction_down():
    rng = np.random.default_rng(1)
    row, column, to_row, to_column = rng.normal(size=(4, 1000))
    new_row, new_column = turned(row, column, to_row, to_column)
    assert np.allclose(np.hypot(new_row, new_column), np.hypot(row, column))
    down, across = turned(to_row, to_column, to_row, to_column)
    assert np.allclose(across, 0) and np.allclose(down, np.hypot(to_row, to_column))
    # No mirror: the angle between two points keeps its sign.
    assert np.allclose(new_row * across - new_column * down, row * to_column - column * to_row)


def test_no_direction_turns_nothing():
    row, column = turned(np.array([1.0]), np.array([2.0]), np.zeros(1), np.zeros(1))
    assert (row[0], column[0]) == (1.0, 2.0)


def test_the_right_half_is_the_heavier_one():
    rng = np.random.default_rng(2)
    column, weight, picture = rng.normal(size=500), rng.random(500), np.repeat(np.arange(50), 10)
    found = flipped(column, weight, picture)
    for one in range(50):
        here = picture == one
        right, left = found[here] > 0, found[here] < 0
        assert weight[here][right].sum() >= weight[here][left].sum()
        assert np.allclose(found[here], column[here]) or np.allclose(found[here], -column[here])


def test_subjets_are_fastjets(record):
    import awkward as ak
    import fastjet

    from hepnn.data.physics.clustering import cluster, subjets

    generator, events = record
    _, inside = cluster(generator.particles(events[:5]), 300.0)
    inside = ak.flatten(inside)
    found = subjets(inside, 2)
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 10.0)
    assert len(inside) > 5
    for jet, two in zip(inside, found, strict=True):
        particles = [fastjet.PseudoJet(p.px, p.py, p.pz, p.E) for p in jet]
        sequence = fastjet._swig.ClusterSequence(particles, definition)
        expected = sorted((one.pt() for one in sequence.exclusive_jets(2)), reverse=True)
        assert ak.to_list(two.pt) == pytest.approx(expected, rel=1e-9)


def test_a_top_jet_holds_the_three_quarks_of_one_top(record):
    import awkward as ak

    from hepnn.data.generate.jet_images.jets import holds_a_top
    from hepnn.data.physics.clustering import cluster

    generator, events = record
    jets, _ = cluster(generator.particles(events), 300.0)
    found = holds_a_top(jets, events)
    expected = []
    for event, some in zip(events, jets, strict=True):
        p = event.p
        identity, mother = ak.to_list(event.id), ak.to_list(event.mother1)
        tops = [i for i, one in enumerate(identity) if abs(one) == 6]
        last = {s: max(i for i in tops if identity[i] == s * 6) for s in (1, -1)}
        marks = [False] * len(some)
        for top in last.values():
            # Walk up from each quark of the hard process to see whose it is.
            quarks = []
            for i, one in enumerate(identity):
                parent = mother[i]
                if abs(one) > 5 or event.status[i] != -23:
                    continue
                while abs(identity[parent]) == 24:
                    parent = mother[parent]
                if parent == top:
                    quarks.append(i)
            assert len(quarks) == 3
            for number, jet in enumerate(some):
                distances = []
                for i in quarks:
                    y = np.arctanh(p.pz[i] / p.e[i])
                    turn = np.angle(np.exp(1j * (np.arctan2(p.py[i], p.px[i]) - jet.phi)))
                    distances.append(np.hypot(y - jet.rapidity, turn))
                marks[number] |= max(distances) < 0.8
        expected.append(marks)
    assert ak.to_list(found) == expected
    assert ak.any(found) and not ak.all(found)


def test_rows_are_jets_of_the_window(made):
    for label, table in made.items():
        assert set(table["class"].to_pylist()) == {label} and len(table) == 40
        pt, eta = np.asarray(table["jet_pt"]), np.asarray(table["jet_eta"])
        assert np.all((pt > 549.9) & (pt < 650.1)) and np.all(np.abs(eta) < 2.001)
    mass = [np.median(np.asarray(made[label]["jet_mass"])) for label in (QCD, TOP)]
    assert mass[QCD] < 130 < mass[TOP] < 220


def test_the_jets_axis_is_the_middle_and_its_momentum_is_in_the_picture(made):
    for table in made.values():
        found = points(table)
        total = np.bincount(found["jet"], found["pt"])
        # Scalar sums lie above the vector sum, by the jet's width.
        assert np.all((total > 0.995) & (total < 1.2))
        for side in ("row", "column"):
            centre = np.bincount(found["jet"], found["pt"] * found[side]) / total
            assert np.abs(centre).max() < 0.08
        assert np.all(np.diff(found["pt"])[np.diff(found["jet"]) == 0] <= 1e-6)


def test_two_prongs_lie_one_above_the_other(made):
    found = points(made[TOP])
    vertical = np.bincount(found["jet"], found["pt"] * found["row"] ** 2)
    horizontal = np.bincount(found["jet"], found["pt"] * found["column"] ** 2)
    assert np.median(vertical / horizontal) > 1.3
    right = np.bincount(found["jet"], found["pt"] * np.sign(found["column"]))
    assert right.min() > -0.05


def test_unturned_pictures_are_the_same_jets(made):
    plain = few(QCD, rotated=False)
    assert plain["jet_pt"].equals(made[QCD]["jet_pt"])
    a, b = points(plain), points(made[QCD])
    assert np.array_equal(a["pt"], b["pt"]) and not np.array_equal(a["row"], b["row"])
    distance = [np.hypot(one["row"], one["column"]) for one in (a, b)]
    assert np.allclose(*distance, atol=2 / 256)


def test_particles_without_a_detector_are_more_and_carry_all(hep):
    found = points(few(QCD, events=15, detector=False))
    total = np.bincount(found["jet"], found["pt"])
    assert np.all(total > 0.998)
    assert len(found["pt"]) > len(points(few(QCD, events=15))["pt"])


def test_the_same_arguments_give_the_same_rows(made):
    assert few(TOP).equals(made[TOP])
    assert not few(TOP, seed=6).equals(made[TOP])


# The committed sample


@pytest.fixture(scope="module")
def sample():
    """Read the committed jets."""
    return pq.read_table(COMMITTED / "sample.parquet")


def test_the_sample_is_whole(sample):
    assert (
        np.bincount(np.asarray(sample["class"])).tolist() == [jet_images.Settings().per_class] * 2
    )
    found = points(sample)
    assert all(np.isfinite(values).all() for values in found.values())
    assert set(np.unique(found["charge"])) == {-1, 0, 1}
    assert (COMMITTED / "sample.parquet").stat().st_size < 3e6


def test_the_card_fills_the_pictures_that_histograms_give(hep, sample):
    from hepnn.data import dataset, reading

    images = reading.read(dataset.open_dataset("jet-images")).x[:25]
    assert images.shape[1:] == (32, 32, 3)
    found = points(sample.slice(0, 25))
    edges = np.linspace(-0.8, 0.8, 33)
    for jet in range(25):
        here = found["jet"] == jet
        row, column, pt, charge = (found[n][here] for n in ("row", "column", "pt", "charge"))
        for channel, weight in enumerate((pt * (charge != 0), pt * (charge == 0), abs(charge))):
            expected, *_ = np.histogram2d(row, column, bins=(edges, edges), weights=weight)
            assert np.allclose(images[jet, ..., channel], expected, atol=1e-6)
