"""The jets: features as fastjet has them, the same from any number of processes, as promised."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from hepnn import declarations, files
from hepnn.data.card import Card, load
from hepnn.data.generate import jets, job
from hepnn.data.generate import settings as settings_of
from hepnn.data.generate.chunk import chunk_seed
from hepnn.data.generate.jets.columns import (
    CLASSES,
    CONSTITUENTS,
    FEATURES,
    GIVEN,
    LENGTH,
    OBSERVERS,
    TURNED,
)
from hepnn.errors import DataError, RecipeError

COMMITTED = declarations.root("datasets") / "jets"
PER_CLASS, SEED = 12, 5
FEW = {"per_class": PER_CLASS}
DATA = ("sample.parquet", "constituents/sample.parquet")
LISTS = [c.name for c in CONSTITUENTS]


@pytest.fixture(scope="module")
def hep():
    """Skip where the generators are not installed."""
    for package in jets.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'hep')")


@pytest.fixture(scope="module")
def made(hep, tmp_path_factory):
    """Make a small dataset in one process."""
    out = tmp_path_factory.mktemp("jets")
    assert job.make("jets", out, SEED, FEW, processes=1) == out
    return out


@pytest.fixture(scope="module", params=["gluon", "top"])
def selected(hep, request):
    """Generate jets of a class, with their constituents, for comparison with fastjet."""
    from hepnn.data.generate.jets.chunk import selected
    from hepnn.data.physics.events import Generator

    label = CLASSES.index(request.param)
    cards = [COMMITTED / "common.cmnd", COMMITTED / f"{request.param}.cmnd"]
    jets, inside = selected(next(Generator(cards, seed=11).batches(30)), label)
    return jets[:25], inside[:25]


@pytest.fixture(scope="module")
def sample():
    """Read the committed jets."""
    return pq.read_table(COMMITTED / "sample.parquet")


@pytest.fixture(scope="module")
def card():
    """Read the committed declaration as plain data."""
    return yaml.safe_load((COMMITTED / "dataset.yaml").read_text(encoding="utf-8"))


def flat(column: pa.ChunkedArray) -> np.ndarray:
    """Return all numbers of a column, those of lists one list after the other."""
    whole = column.combine_chunks()
    return (whole.flatten() if pa.types.is_list(whole.type) else whole).to_numpy()


# Features


def test_features_equal_fastjet_correlators(selected):
    import awkward as ak
    import fastjet

    from hepnn.data.physics.clustering import WHOLE_JET, groom
    from hepnn.data.physics.features import groomed_features

    _, inside = selected
    features = groomed_features(*groom(inside).particles)
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, WHOLE_JET)
    left = fastjet.ClusterSequence(inside, definition).exclusive_jets_softdrop_grooming(
        njets=1, beta=0.0, symmetry_cut=0.1, R0=0.8
    )
    groomed = ak.with_name(left.constituents, "Momentum4D")
    sequence = fastjet.ClusterSequence(groomed, definition)

    def reference(**options):
        return np.asarray(sequence.exclusive_jets_energy_correlator(njets=1, **options))

    expected = {"c1_b0_mmdt": reference(beta=0, npoint=1, func="cseries")}
    for beta in (1, 2):
        expected[f"c1_b{beta}_mmdt"] = reference(beta=beta, npoint=1, func="cseries")
        for letter in "cmn":
            series = reference(beta=beta, npoint=2, func=f"{letter}series")
            expected[f"{letter}2_b{beta}_mmdt"] = series
        e2 = reference(beta=beta, npoint=2, angles=1, func="generalized")
        e3 = reference(beta=beta, npoint=3, angles=3, func="generalized")
        expected[f"d2_b{beta}_mmdt"] = e3 / e2**3
        d2 = reference(alpha=1, beta=beta, npoint=3, func="generalizedd2")
        expected[f"d2_a1_b{beta}_mmdt"] = d2
    assert set(expected) == set(features)
    assert ak.mean(ak.num(groomed) > 3) > 0.8
    for name, values in expected.items():
        enough = np.isfinite(values)
        np.testing.assert_allclose(features[name][enough], values[enough], rtol=1e-10, err_msg=name)


def test_grooming_is_the_modified_mass_drop_tagger(selected):
    """Unwind each jet by hand: follow the harder branch until the softer has a tenth."""
    import fastjet

    from hepnn.data.physics.clustering import groom

    _, inside = selected
    jets = inside[:8]
    masses = groom(jets).mass
    definition = fastjet.JetDefinition(fastjet.cambridge_algorithm, 10.0)
    for jet, mass in zip(jets, masses, strict=True):
        particles = [fastjet.PseudoJet(p.px, p.py, p.pz, p.E) for p in jet]
        sequence = fastjet._swig.ClusterSequence(particles, definition)
        branch = sequence.exclusive_jets(1)[0]
        first, second = fastjet.PseudoJet(), fastjet.PseudoJet()
        while branch.has_parents(first, second):
            pts = sorted([first.pt(), second.pt()])
            if pts[0] > 0.1 * sum(pts):
                break
            branch = fastjet.PseudoJet(first if first.pt() > second.pt() else second)
        assert mass == pytest.approx(branch.m(), rel=1e-9, abs=1e-5)


def test_two_particles_have_the_correlators_of_the_definition(hep):
    from hepnn.data.physics.features import groomed_features, zlogz

    pt, ends = np.array([3.0, 1.0]), np.array([0, 2])
    features = groomed_features(pt, np.zeros(2), np.array([-np.pi + 0.1, np.pi - 0.1]), ends)
    assert features["c1_b0_mmdt"][0] == pytest.approx(0.75 * 0.25)
    assert features["c1_b1_mmdt"][0] == pytest.approx(0.75 * 0.25 * 0.2)
    assert features["c1_b2_mmdt"][0] == pytest.approx(0.75 * 0.25 * 0.04)
    assert features["d2_b1_mmdt"][0] == features["n2_b2_mmdt"][0] == 0
    assert zlogz(pt, ends)[0] == pytest.approx(0.75 * np.log(0.75) + 0.25 * np.log(0.25))


def test_one_particle_gives_zeros_and_no_nan(hep):
    from hepnn.data.physics.features import groomed_features

    features = groomed_features(np.ones(1), np.zeros(1), np.zeros(1), np.array([0, 1]))
    assert all(values[0] == 0 for values in features.values())


def test_jets_are_the_sums_of_their_constituents(selected):
    import awkward as ak

    jets, inside = selected
    for name in ("px", "py", "pz", "E"):
        np.testing.assert_allclose(jets[name], ak.sum(inside[name], axis=1), rtol=1e-9, atol=1e-9)


def test_leading_constituents_fall_and_are_padded(selected):
    import awkward as ak

    from hepnn.data.generate.jets.constituents import leading
    from hepnn.data.physics.clustering import flat

    jets, inside = selected
    axis = [np.asarray(values) for values in (jets.pt, jets.rapidity, jets.phi)]
    particles = flat(inside)
    out = leading(particles, np.ones(len(particles.pt)), *axis)
    assert out.shape == (len(jets), LENGTH, len(CONSTITUENTS))
    assert (np.diff(out[:, :, 0], axis=1) <= 0).all()
    for row, jet, pt in zip(out, inside, axis[0], strict=True):
        expected = np.sort(np.asarray(jet.pt))[::-1][:LENGTH] / pt
        np.testing.assert_allclose(row[: len(expected), 0], expected, rtol=1e-12)
        assert (row[len(expected) :] == 0).all()
    # More than half the anti-kt radius from the axis is rare, half of the circle impossible.
    assert np.abs(out[:, :, 1:3]).max() < 1.6
    assert ak.count(inside.px) == particles.offsets[-1]


# Making


def test_two_processes_make_the_same_files_as_one(made, tmp_path):
    job.make("jets", tmp_path, SEED, FEW, processes=2)
    for name in (*DATA, "dataset.yaml", "constituents/dataset.yaml"):
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes(), name
    names = {"constituents", "dataset.yaml", "sample.parquet", *jets.CARDS}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_made_folders_are_datasets(made):
    for key, names in (
        ("", [c.name for c in FEATURES]),
        ("constituents", [g["name"] for g in GIVEN]),
    ):
        path = made / key / "dataset.yaml"
        card = declarations.parse(Card, declarations.read_yaml(path), path)
        [group] = card.inputs.values()
        assert [feature.name for feature in group.features] == names
        assert card.labels.names == list(CLASSES)
        label = pq.read_table(made / key / "sample.parquet")["class"].to_numpy()
        expected = PER_CLASS // 5 if key else PER_CLASS
        assert np.bincount(label).tolist() == [expected] * len(CLASSES)
        assert card.made_by["command"] == (
            f"hepnn data make jets --seed {SEED} --set per_class={PER_CLASS} --out DIR"
        )
    read = yaml.safe_load((made / "dataset.yaml").read_text())["checksums"]
    assert set(read) == {"sample.parquet", *jets.CARDS}


def test_committed_jets_are_those_that_the_command_makes(hep, card, sample):
    """Make the first tops anew and find them in the committed, shuffled rows."""
    for package, wanted in card["made_by"]["versions"].items():
        if version(package) != wanted:
            pytest.skip(f"the committed jets were made with {package} {wanted}")
    settings = jets.Settings(**card["made_by"]["settings"])
    seed = card["made_by"]["seed"]
    chunk = next(c for c in jets.chunks(settings) if c.name == "top-0000")
    first = chunk._replace(events=100)
    again = jets.generate(settings, first, chunk_seed(seed, chunk), COMMITTED)
    before = CLASSES.index("top") * settings.per_class
    for table, key, first_row in (
        (again[""], "", before),
        (again["constituents"], "constituents", before // 5),
    ):
        committed = pq.read_table(COMMITTED / key / "sample.parquet")
        order = np.random.default_rng(seed).permutation(len(committed))
        rows = committed.take(np.argsort(order)[first_row : first_row + 100])
        assert rows.schema.equals(table.schema)
        for name in table.column_names:
            ours, theirs = (flat(column[name]) for column in (table, rows))
            np.testing.assert_allclose(ours, theirs, rtol=2**-11, atol=1e-7, err_msg=name)


def test_constituents_are_of_the_first_jets_of_each_class():
    settings = jets.Settings(per_class=2500, constituents=1300)
    assert [(c.name, c.events) for c in jets.chunks(settings)[:4]] == [
        ("gluon-0000", 625), ("gluon-0001", 625), ("gluon-0002", 625), ("gluon-0003", 625),
    ]  # fmt: skip
    assert jets.size(jets.Settings()) == 1000
    with pytest.raises(RecipeError, match="--set: constituents must be at most per_class, 8"):
        read({"per_class": 8, "constituents": 9})
    with pytest.raises(RecipeError, match="--set: constituents: Input should be greater"):
        read({"constituents": -1})


def read(overrides: dict) -> jets.Settings:
    return settings_of.read(jets, overrides)


def test_constituents_kept_are_the_number_asked_for(hep, monkeypatch):
    monkeypatch.setattr(jets, "LEAST_A_CHUNK", 4)
    settings = jets.Settings(per_class=12, constituents=6, mpi=False)
    kept = [
        jets.generate(settings, chunk, chunk_seed(1, chunk), COMMITTED)["constituents"].num_rows
        for chunk in jets.chunks(settings)
        if chunk.label == 0
    ]
    assert kept == [4, 2, 0]
    none = jets.Settings(per_class=4)
    [chunk, *_] = jets.chunks(none)
    made = jets.generate(none, chunk, 1, COMMITTED)
    assert set(made) == set(jets.cards(none)) == {""}


def test_multiparton_interactions_add_particles(hep):
    counts = {}
    for mpi in (True, False):
        settings = jets.Settings(per_class=60, mpi=mpi)
        chunk = jets.chunks(settings)[0]
        made = jets.generate(settings, chunk, 7, COMMITTED)[""]
        counts[mpi] = made["multiplicity"].to_numpy().mean()
    assert counts[True] > counts[False] + 5
    assert any("multiparton" in text for text in jets.cards(settings)[""]["limits"])


def test_substructure_adds_its_features_and_changes_no_other(hep):
    from hepnn import declarations
    from hepnn.data.generate import jets
    from hepnn.data.generate.chunk import Chunk
    from hepnn.data.generate.jets.columns import FURTHER

    folder = declarations.root("datasets") / "jets"
    chunk = Chunk("top-0000", 0, 4, 6)
    plain, more = (
        jets.generate(jets.Settings(per_class=6, substructure=wanted), chunk, 7, folder)[""]
        for wanted in (False, True)
    )
    names = [column.name for column in FURTHER]
    assert set(more.column_names) - set(plain.column_names) == set(names)
    for name in plain.column_names:
        assert more[name].equals(plain[name])
    tau = [more[name].to_numpy() for name in ("tau_1", "tau_2", "tau_21")]
    np.testing.assert_allclose(tau[2], tau[1] / tau[0], rtol=3 * 2.0**-13)
    card = jets.cards(jets.Settings(substructure=True))[""]
    assert [f["name"] for f in card["inputs"]["features"]["features"]][-8:] == names


def test_a_detector_measures_tracks_and_towers(hep):
    pytest.importorskip("hepnn.data.physics.detector")
    settings = jets.Settings(per_class=30, mpi=False, detector=True)
    chunk = jets.chunks(settings)[0]
    made, again = (jets.generate(settings, chunk, 7, COMMITTED) for _ in range(2))
    assert made[""].equals(again[""])
    charge = made["constituents"]["charge"].combine_chunks().flatten().to_numpy()
    pt = made["constituents"]["pt"].combine_chunks().flatten().to_numpy()
    assert set(np.unique(charge)) == {-1, 0, 1}
    assert (pt > 0).all()
    assert any("detector" in text for text in jets.cards(settings)[""]["limits"])


def test_a_card_that_pythia_refuses_is_named(hep, tmp_path):
    from hepnn.data.physics.events import Generator

    wrong = tmp_path / "wrong.cmnd"
    wrong.write_text("HardQCD:nosuchprocess = on\n")
    with pytest.raises(DataError, match=r"wrong\.cmnd"):
        Generator([wrong], seed=1)
    wrong.write_text("HardQCD:gg2gg = on\n")
    with pytest.raises(DataError, match="refuses 'PartonLevel:nosuch = off'"):
        Generator([wrong], 1, ["PartonLevel:nosuch = off"])


def test_a_refused_card_stops_the_job_in_one_line(hep, tmp_path):
    (tmp_path / "common.cmnd").write_text("HardQCD:nosuchprocess = on\n")
    with pytest.raises(DataError, match=r"common\.cmnd: Pythia refuses"):
        job.make("jets", tmp_path, SEED, FEW, processes=1)


def test_importing_the_generator_imports_nothing_heavy():
    heavy = {"tensorflow", "awkward", "numba", "fastjet"}
    code = f"import sys, hepnn.data.generate.jets; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The committed files


def test_committed_files_are_those_of_the_card(card):
    inside = yaml.safe_load((COMMITTED / "constituents" / "dataset.yaml").read_text())
    assert set(card["checksums"]) == {"sample.parquet", *jets.CARDS}
    for folder, content in ((COMMITTED, card), (COMMITTED / "constituents", inside)):
        for name, promised in content["checksums"].items():
            assert files.sha256(folder / name) == promised, name
    assert sum((COMMITTED / name).stat().st_size for name in DATA) <= 14_000_000


def test_committed_cards_are_found_by_short_name_and_describe_the_columns(card, sample):
    assert {"jets", "jets/constituents"} <= set(declarations.names("datasets"))
    listed = card["inputs"]["features"]["features"]
    assert [f["name"] for f in listed] == [c.name for c in FEATURES]
    assert all(f["unit"] and f["description"] for f in listed)
    observers = [c.name for c in OBSERVERS]
    assert sample.column_names == [c.name for c in FEATURES] + ["class"] + observers
    inside, folder = load("jets/constituents")
    stored = pq.read_schema(folder / inside.source.files[0])
    assert stored.names == [*LISTS, "class", *observers]
    assert inside.inputs["constituents"].length == LENGTH


def test_committed_jets_are_balanced_finite_and_shuffled(sample):
    label = sample["class"].to_numpy()
    assert np.bincount(label).tolist() == [20_000] * len(CLASSES)
    for name in sample.column_names:
        assert np.isfinite(sample[name].to_numpy()).all(), name
    assert (np.bincount(label[:10_000]) > 1800).all()
    rows = np.stack([sample[name].to_numpy() for name in ("zlogz", "jet_pt", "jet_eta")], axis=1)
    assert len(np.unique(rows, axis=0)) > 0.9999 * len(rows)


def test_committed_jets_are_inside_the_cuts(sample):
    pt, eta = sample["jet_pt"].to_numpy(), sample["jet_eta"].to_numpy()
    assert pt.min() >= 800
    assert pt.max() <= 1600
    assert np.abs(eta).max() <= 2.2


@pytest.mark.parametrize(
    ("kind", "mass", "width"), [("w", 80.4, 2), ("z", 91.2, 2), ("top", 173, 6)]
)
def test_committed_groomed_masses_peak_at_the_particle(sample, kind, mass, width):
    masses = sample["mass_mmdt"].to_numpy()[sample["class"].to_numpy() == CLASSES.index(kind)]
    counts, edges = np.histogram(masses, bins=np.arange(40, 240, 2.0))
    peak = edges[counts.argmax()] + 1
    assert peak == pytest.approx(mass, abs=width)


def test_committed_gluons_radiate_more_than_quarks(sample):
    label = sample["class"].to_numpy()
    for name in ("multiplicity", "mass_mmdt", "jet_mass"):
        values = sample[name].to_numpy()
        assert np.median(values[label == 0]) > 1.2 * np.median(values[label == 1]), name


def test_committed_constituents_are_those_of_jets(sample):
    table = pq.read_table(COMMITTED / "constituents" / "sample.parquet")
    label = table["class"].to_numpy()
    assert np.bincount(label).tolist() == [4000] * len(CLASSES)

    # pt, eta and mass tell a jet from all others; so each list finds its jet's features.
    def key(jets: pa.Table) -> list[tuple[float, ...]]:
        return list(zip(*(jets[c.name].to_numpy() for c in OBSERVERS), strict=True))

    place = {jet: row for row, jet in enumerate(key(sample))}
    row = np.array([place[jet] for jet in key(table)])
    assert (sample["class"].to_numpy()[row] == label).all()
    counts = table["pt"].combine_chunks().value_lengths().to_numpy()
    multiplicity = sample["multiplicity"].to_numpy()[row]
    assert (counts == np.minimum(multiplicity, LENGTH)).all()
    pt = flat(table["pt"])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rising = np.diff(pt) > 0
    assert set(np.flatnonzero(rising) + 1) <= set(starts)
    assert pt.min() > 0
    assert set(np.unique(flat(table["charge"]))) == {-1, 0, 1}
    assert 0.6 < np.median(np.add.reduceat(pt, starts)) < 1.05


def turned(pt, rapidity, azimuth):
    """Evaluate the card's variables."""
    from hepnn.data.expressions import Expression

    columns = {"pt": pt, "rapidity": rapidity, "azimuth": azimuth}
    for name, text in TURNED.items():
        columns[name] = Expression(text)(columns)
    return columns


def test_jets_are_turned_along_the_axis_of_their_larger_moment():
    ak = pytest.importorskip("awkward")
    table = pq.read_table(COMMITTED / "constituents" / "sample.parquet")
    pt, *place = (ak.from_arrow(table[name])[:300] for name in ("pt", "rapidity", "azimuth"))
    known = turned(pt, *place)
    for jet in range(300):
        weight, x, y = (np.asarray(part[jet]) for part in (pt, *place))
        moments = np.einsum("c,ci,cj->ij", weight, np.stack([x, y], 1), np.stack([x, y], 1))
        _, axes = np.linalg.eigh(moments)
        for name, axis in (("along", axes[:, 1]), ("across", axes[:, 0])):
            found, wanted = np.asarray(known[name][jet]), x * axis[0] + y * axis[1]
            sign = 1 if weight @ (wanted * np.abs(wanted)) >= 0 else -1
            np.testing.assert_allclose(found, sign * wanted, atol=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_or_mirrored_jet_is_the_same_to_a_network(mirrored):
    ak = pytest.importorskip("awkward")
    table = pq.read_table(COMMITTED / "constituents" / "sample.parquet")
    pt, x, y = (ak.from_arrow(table[name])[:300] for name in ("pt", "rapidity", "azimuth"))
    angle = np.random.default_rng(1).uniform(-np.pi, np.pi, 300)
    cosine, sine = np.cos(angle), np.sin(angle)
    flipped = -y if mirrored else y
    moved = turned(pt, cosine * x + sine * flipped, cosine * flipped - sine * x)
    still = turned(pt, x, y)
    for name in ("along", "across"):
        np.testing.assert_allclose(
            ak.to_numpy(ak.flatten(moved[name])), ak.to_numpy(ak.flatten(still[name])), atol=1e-6
        )


def test_the_substructure_is_of_the_same_jets(sample):
    inside, folder = load("jets/substructure")
    [(name, promised)] = inside.checksums.items()
    assert files.sha256(folder / name) == promised
    stored = pq.read_table(folder / name)
    shared = set(stored.column_names) & set(sample.column_names)
    assert shared >= {"jet_mass", "mass_mmdt", "multiplicity", "class", "jet_pt"}
    for column in shared:
        assert stored[column].equals(sample[column]), column
    leading, dispersion = (stored[key].to_numpy() for key in ("leading_share", "pt_dispersion"))
    assert (leading <= dispersion * (1 + 2.0**-11)).all()
    assert (dispersion**2 <= leading * (1 + 2.0**-10)).all()  # sum z**2 <= max z
