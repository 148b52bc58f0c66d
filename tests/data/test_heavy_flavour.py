"""Heavy flavour: impact parameters of helices, labels by hadrons, and b above c above light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score

from hepnn import declarations
from hepnn.data.generate import heavy_flavour
from hepnn.data.generate.chunk import Chunk
from hepnn.data.physics.perigee import lifetime_sign, perigee, spreads
from hepnn.errors import DataError

COMMITTED = declarations.root("datasets") / "heavy-flavour"
LIGHT, CHARM, BOTTOM = 0, 1, 2


@pytest.fixture(scope="module")
def hep():
    """Skip where the generators are not installed."""
    for package in heavy_flavour.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'hep')")


@pytest.fixture(scope="module")
def generator(hep):
    """Start Pythia with the dataset's card."""
    from hepnn.data.physics.events import Generator

    return Generator([COMMITTED / "top.cmnd"], 3)


@pytest.fixture(scope="module")
def record(generator):
    """Generate some whole events."""
    return next(generator.records(30))


@pytest.fixture(scope="module")
def made(hep):
    """Generate a few jets of each class."""
    return {label: few(label) for label in (LIGHT, CHARM, BOTTOM)}


def few(label: int, events: int = 60, seed: int = 5, folder: Path = COMMITTED) -> pa.Table:
    name = heavy_flavour.CLASSES[label]
    chunk = Chunk(f"{name}-0000", 0, label, events)
    return heavy_flavour.generate(heavy_flavour.Settings(), chunk, seed, folder)[""]


def lists(table: pa.Table, name: str) -> list[np.ndarray]:
    column = table[name].combine_chunks()
    return np.split(np.asarray(column.values), np.asarray(column.offsets)[1:-1])


def largest_significance(table: pa.Table) -> np.ndarray:
    d0, sigma = lists(table, "track_d0"), lists(table, "track_sigma_d0")
    return np.array([(a / b).max(initial=-10.0) for a, b in zip(d0, sigma, strict=True)])


# Impact parameters


def helix(path, vertex, pt, azimuth, cot_theta, charge):
    """Return a point of a helix, by the equation of motion's solution, after a path in mm."""
    turn = -0.299792458e-3 * 3.8 * charge / pt
    x = vertex[0] + (np.sin(azimuth + turn * path) - np.sin(azimuth)) / turn
    y = vertex[1] - (np.cos(azimuth + turn * path) - np.cos(azimuth)) / turn
    return np.array([x, y, vertex[2] + path * cot_theta])


def test_the_perigee_is_the_helix_point_nearest_to_the_beam():
    rng = np.random.default_rng(1)
    for _ in range(200):
        vertex = tuple(rng.normal(0, 5, 3))
        pt, azimuth, cot = rng.uniform(0.4, 30), rng.uniform(-np.pi, np.pi), rng.normal(0, 2)
        charge = rng.choice([-1.0, 1.0])
        one = tuple(np.array([x]) for x in vertex)
        found = perigee(one, *(np.array([x]) for x in (pt, azimuth, cot, charge)))

        def squared(path, at=(vertex, pt, azimuth, cot, charge)):
            return np.sum(helix(path, *at)[:2] ** 2)

        nearest = minimize_scalar(
            squared, bounds=(-60, 60), method="bounded", options={"xatol": 1e-10}
        ).x
        point = helix(nearest, vertex, pt, azimuth, cot, charge)
        direction = helix(nearest + 1e-3, vertex, pt, azimuth, cot, charge) - point
        assert abs(found.d0[0]) == pytest.approx(np.hypot(*point[:2]), abs=1e-6)
        # Positive where the beam line lies on the right of the track.
        side = np.sign(direction[0] * point[1] - direction[1] * point[0])
        assert np.sign(found.d0[0]) == side
        assert found.z0[0] == pytest.approx(point[2], abs=1e-4)
        expected = np.arctan2(direction[1], direction[0])
        assert np.cos(found.azimuth[0] - expected) == pytest.approx(1.0, abs=1e-9)


def test_a_fast_track_is_a_straight_line():
    x, y, z, phi, cot = (np.array([v]) for v in (3.0, -1.0, 20.0, 0.7, 1.5))
    found = perigee((x, y, z), np.array([1e7]), phi, cot, np.array([-1.0]))
    assert found.d0[0] == pytest.approx((y * np.cos(phi) - x * np.sin(phi))[0], abs=1e-5)
    along = x * np.cos(phi) + y * np.sin(phi)
    assert found.z0[0] == pytest.approx((z - along * cot)[0], abs=1e-4)


def test_a_track_from_the_vertex_has_no_impact_parameter():
    none = np.zeros(4)
    charge = np.array([1.0, -1.0, 1.0, -1.0])
    found = perigee((none, none, none), np.array([0.5, 1, 5, 50]), none + 1, none + 2, charge)
    assert np.allclose(found.d0, 0, atol=1e-9) and np.allclose(found.z0, 0, atol=1e-9)


def test_decays_in_front_of_the_vertex_have_positive_signs():
    rng = np.random.default_rng(2)
    axis = rng.uniform(-np.pi, np.pi, 500)
    flight = rng.uniform(0.1, 5, 500) * np.where(np.arange(500) % 2, 1, -1)
    azimuth = axis + rng.normal(0, 0.2, 500)
    place = (flight * np.cos(axis), flight * np.sin(axis), np.zeros(500))
    track = perigee(place, np.full(500, 1e6), azimuth, np.zeros(500), np.ones(500))
    assert np.array_equal(lifetime_sign(track.d0, track.azimuth, axis), np.sign(flight))


@pytest.mark.parametrize(
    ("pt", "eta", "d0", "z0"),
    # arXiv:1405.6569: the abstract's 100 GeV, and points of figure 15, in micrometres.
    [(100, 0.5, 10, 30), (1, 0.45, 75, 111), (10, 0.45, 19, 38), (1, 1.95, 156, 670)],
)
def test_errors_are_those_of_cms_within_a_third(pt, eta, d0, z0):
    found = spreads(np.array([pt]), np.array([np.sinh(eta)]))
    for value, published in zip(found, (d0, z0), strict=True):
        assert 0.67 < value[0] * 1e3 / published < 1.34


# Labels


def test_hadrons_of_a_flavour_are_those_of_pythias_table(generator):
    from hepnn.data.physics.flavour import carries

    data = generator.pythia.particleData
    known = [i for i in [*range(1, 6_000), 10411, 20513, 10443, 100553] if data.isParticle(i)]
    for quark in (4, 5):
        count = {i: data.nQuarksInCode(i, quark) if data.isHadron(i) else 0 for i in known}
        # A meson that counts two is a quarkonium.
        expected = [count[i] > 0 and not (data.isMeson(i) and count[i] == 2) for i in known]
        assert carries(np.array(known), quark).tolist() == expected
        assert carries(-np.array(known), quark).tolist() == expected
        assert sum(expected) > 20


def test_weakly_decaying_hadrons_have_no_daughter_of_their_flavour(record):
    import awkward as ak

    from hepnn.data.physics.flavour import carries, heavy_hadrons

    for quark in (4, 5):
        found = heavy_hadrons(record, quark)
        for event, hadrons in zip(record, found, strict=True):
            identity = ak.to_numpy(event.id)
            heavy = carries(identity, quark)
            first, last = ak.to_numpy(event.daughter1), ak.to_numpy(event.daughter2)
            expected = [
                i
                for i in np.flatnonzero(heavy)
                if not heavy[first[i] : max(first[i], last[i]) + 1].any()
            ]
            assert ak.to_list(hadrons.id) == identity[expected].tolist()
    assert ak.sum(ak.num(heavy_hadrons(record, 5))) >= 2 * len(record)


def test_flavours_are_those_of_the_nearest_hadrons(generator, record):
    import awkward as ak

    from hepnn.data.physics.clustering import cluster
    from hepnn.data.physics.flavour import flavour, heavy_hadrons

    jets, _ = cluster(generator.particles(record), 20.0, 0.4)
    found = flavour(jets, record)
    hadrons = {label: heavy_hadrons(record, quark) for label, quark in ((1, 4), (2, 5))}
    for event, some in enumerate(jets):
        expected = np.zeros(len(some), int)
        for label in (CHARM, BOTTOM):
            for hadron in hadrons[label][event]:
                if hadron.pt <= 5:
                    continue
                distance = [hadron.deltaR(jet) for jet in some]
                if min(distance) < 0.3:
                    expected[int(np.argmin(distance))] = label
        assert ak.to_list(found[event]) == expected.tolist()
    assert {0, 1, 2} <= set(ak.to_list(ak.flatten(found)))


def test_an_event_without_hadrons_or_jets_is_no_error(hep):
    import awkward as ak

    from hepnn.data.physics.flavour import holds

    def some(*counts):
        n = sum(counts)
        columns = {"px": np.arange(1.0, n + 1), "py": np.zeros(n), "pz": np.zeros(n)}
        flat = ak.zip(columns | {"E": np.full(n, 99.0)}, with_name="Momentum4D")
        return ak.unflatten(flat, counts)

    marked = holds(some(2, 0, 1), some(0, 1, 1))
    assert ak.to_list(marked) == [[False, False], [], [True]]


# Rows


def test_a_track_has_the_impact_parameters_of_its_own_particle(hep, monkeypatch):
    import awkward as ak

    from hepnn.data.generate.heavy_flavour import jets as module
    from hepnn.data.physics import perigee as physics

    rng = np.random.default_rng(3)
    particles, inside, jets = [6, 4], [[[0, 2], [5]], [[3, 1, 0]]], [[0.1, 2.0], [-1.0]]
    place = [ak.unflatten(rng.normal(0, 1, 10), particles) for _ in range(3)]
    source = ak.Array(inside)
    shape = ak.num(source, axis=2)
    n = int(ak.sum(shape))

    def laid_out(values):
        return ak.unflatten(ak.unflatten(values, ak.flatten(shape)), ak.num(shape))

    px, py, pz = rng.normal(0, 5, (3, n))
    charge = rng.choice([-1.0, 1.0], n)
    columns = {"px": px, "py": py, "pz": pz, "E": np.sqrt(px**2 + py**2 + pz**2)}
    fields = {name: laid_out(v) for name, v in (columns | {"charge": charge}).items()}
    objects = ak.zip(fields | {"source": source}, with_name="Momentum4D")
    axes = ak.Array(jets)
    axis = ak.zip(
        {"px": np.cos(axes), "py": np.sin(axes), "pz": 0 * axes, "E": 1 + 0 * axes},
        with_name="Momentum4D",
    )
    monkeypatch.setattr(physics, "spreads", lambda pt, cot: (0 * pt + 1e-9, 0 * pt + 1e-9))
    settings = heavy_flavour.Settings(track_pt=0.01)
    found = module.table(axis, objects, tuple(place), BOTTOM, settings, rng)

    flat_source = [(e, s) for e, event in enumerate(inside) for jet in event for s in jet]
    expected = []
    for i, (event, number) in enumerate(flat_source):
        vertex = tuple(np.array([float(one[event][number])]) for one in place)
        pt, phi = np.hypot(px[i], py[i]), np.arctan2(py[i], px[i])
        one = (np.array([v]) for v in (pt, phi, pz[i] / pt, charge[i]))
        expected.append(abs(perigee(vertex, *one).d0[0]))
    jet_of = np.repeat(np.arange(3), ak.to_numpy(ak.flatten(shape)))
    for jet in range(3):
        mine = sorted(np.array(expected)[jet_of == jet])
        stored = np.sort(np.abs(lists(found, "track_d0")[jet]))
        assert np.allclose(stored, mine, rtol=1e-3, atol=1e-6)


def test_lists_are_cut_and_sorted_by_significance(made):
    for label, table in made.items():
        assert len(table) == 60 and set(table["class"].to_pylist()) == {label}
        for d0, sigma, pt in zip(
            *(lists(table, f"track_{name}") for name in ("d0", "sigma_d0", "pt")), strict=True
        ):
            assert len(d0) <= 20 and (pt >= 0.999).all()
            assert (np.diff(np.abs(d0 / sigma)) <= 1e-3 * np.abs(d0 / sigma)[1:] + 1e-3).all()
        assert np.all((np.asarray(table["jet_pt"]) >= 30) & (np.asarray(table["jet_pt"]) <= 200))


def test_the_same_arguments_give_the_same_rows(made):
    assert few(CHARM).equals(made[CHARM])
    assert not few(CHARM, seed=6).equals(made[CHARM])


def test_b_jets_are_more_displaced_than_c_and_light_jets(made):
    light, charm, bottom = (largest_significance(made[label]) for label in range(3))
    assert np.median(bottom) > np.median(charm) > np.median(light)
    assert np.median(light) < 3 < np.median(bottom)


def test_chunks_hold_the_jets_of_every_class():
    some = heavy_flavour.chunks(heavy_flavour.Settings(per_class=700))
    assert [sum(c.events for c in some if c.label == label) for label in range(3)] == [700] * 3
    assert len({c.name for c in some}) == len(some)


def test_a_card_without_such_jets_is_refused(hep, tmp_path, monkeypatch):
    from hepnn.data.generate import fill

    monkeypatch.setattr(fill, "BATCHES_WITHOUT_A_ROW", 2)
    text = "Beams:eCM = 13000.\nWeakSingleBoson:ffbar2gmZ = on\n23:onMode = off\n23:onIfAny = 13\n"
    (tmp_path / "top.cmnd").write_text(text + "PartonLevel:MPI = off\nPartonLevel:ISR = off\n")
    with pytest.raises(DataError, match=r"top\.cmnd: b jets: none in 2 batches"):
        few(BOTTOM, folder=tmp_path)


# The committed sample


@pytest.fixture(scope="module")
def sample():
    """Read the committed jets."""
    return pq.read_table(COMMITTED / "sample.parquet")


def test_the_sample_is_whole(sample):
    label = np.asarray(sample["class"])
    assert np.bincount(label).tolist() == [heavy_flavour.Settings().per_class] * 3
    for name in sample.column_names:
        column = sample[name].combine_chunks()
        values = np.asarray(column.values if name.startswith("track_") else column)
        assert np.isfinite(values).all(), name
    assert (COMMITTED / "sample.parquet").stat().st_size < 3e6


def test_the_samples_one_cut_roc_is_the_cards(sample):
    label, score = np.asarray(sample["class"]), largest_significance(sample)
    printed = (COMMITTED / "card.md").read_text(encoding="utf-8")
    for signal, background in ((BOTTOM, LIGHT), (BOTTOM, CHARM), (CHARM, LIGHT)):
        two = (label == signal) | (label == background)
        area = roc_auc_score(label[two] == signal, score[two])
        names = heavy_flavour.CLASSES[signal], heavy_flavour.CLASSES[background]
        assert f"{names[0]} against {names[1]}: {area:.3f}" in printed


def test_the_card_gives_the_tracks_as_stored(hep, sample):
    from hepnn.data import dataset, reading

    data = dataset.open_dataset("heavy-flavour")
    x = reading.read(data).x[:50]
    names = [feature.name for feature in data.features]
    first = sample.slice(0, 50)
    for jet, (d0, sigma, pt) in enumerate(
        zip(*(lists(first, f"track_{name}") for name in ("d0", "sigma_d0", "pt")), strict=True)
    ):
        n = len(d0)
        assert np.allclose(x[jet, :n, names.index("significance_d0")], np.arcsinh(d0 / sigma))
        assert np.allclose(x[jet, :n, names.index("pt")], np.log(pt), rtol=1e-5, atol=1e-6)
        assert x[jet, :, names.index("mask")].sum() == n
        assert not x[jet, n:].any()
