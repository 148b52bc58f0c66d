"""The jets: features as fastjet has them, the same from any number of processes, as promised."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from hepnn import declarations, files
from hepnn.data.card import Card
from hepnn.data.generate.jets import make as making
from hepnn.data.generate.jets.columns import CLASSES, CONSTITUENTS, FEATURES, LENGTH, OBSERVERS
from hepnn.data.generate.jets.declaration import AUTHORED, write_declaration
from hepnn.data.generate.jets.shards import JETS_A_CHUNK, Plan
from hepnn.data.generate.jets.store import rounded, stacked_constituents
from hepnn.errors import DataError, MissingDependency

COMMITTED = declarations.root("datasets") / "jets"
PER_CLASS, SEED = 12, 5
DATA = ("sample.parquet", "constituents.parquet")


@pytest.fixture(scope="module")
def hep():
    """Skip where the generators are not installed."""
    for package in ("pythia8mc", "fastjet", "numba", "awkward", "vector"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'hep')")


@pytest.fixture(scope="module")
def made(hep, tmp_path_factory):
    """Make a small dataset in one process, as if killed just before the shards' removal."""
    out = tmp_path_factory.mktemp("jets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "remove", lambda folder: None)
        assert making.make(PER_CLASS, SEED, out, processes=1) == out
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


def contents(folder: Path) -> list[str]:
    return [files.sha256(folder / name) for name in DATA]


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
    making.make(PER_CLASS, SEED, tmp_path, processes=2)
    assert contents(tmp_path) == contents(made)
    assert (tmp_path / "dataset.yaml").read_text() == (made / "dataset.yaml").read_text()
    assert not (tmp_path / "shards").exists()


def test_a_killed_job_goes_on_and_makes_the_same_files(made, tmp_path, monkeypatch):
    out = tmp_path / "resumed"
    shutil.copytree(made, out)
    for name in (*DATA, "dataset.yaml", "shards/w-0000.parquet"):
        (out / name).unlink()
    (out / "shards" / ".w-0000.killed.parquet").write_bytes(b"PAR1")
    finished = (out / "shards" / "top-0000.parquet").stat().st_mtime_ns
    monkeypatch.setattr(making, "remove", lambda folder: None)
    making.make(PER_CLASS, SEED, out, processes=1)
    assert contents(out) == contents(made)
    assert (out / "shards" / "top-0000.parquet").stat().st_mtime_ns == finished


def test_an_unfinished_job_of_other_settings_is_refused(made, tmp_path):
    out = tmp_path / "other"
    shutil.copytree(made, out)
    with pytest.raises(DataError, match="seed 5, wanted 6"):
        making.make(PER_CLASS, SEED + 1, out, processes=1)


def test_made_folder_is_a_dataset(made):
    content = declarations.read_yaml(made / "dataset.yaml")
    parsed = declarations.parse(Card, content, made / "dataset.yaml")
    assert [f.name for f in parsed.inputs.features] == [c.name for c in FEATURES]
    table = pq.read_table(made / "sample.parquet")
    assert np.bincount(table["class"].to_numpy()).tolist() == [PER_CLASS] * len(CLASSES)
    inside = pq.read_table(made / "constituents.parquet")
    assert np.bincount(inside["class"].to_numpy()).tolist() == [PER_CLASS // 5] * len(CLASSES)


def test_author_words_survive_making_anew(made, tmp_path):
    shutil.copytree(made, tmp_path / "jets")
    path = tmp_path / "jets" / "dataset.yaml"
    document = yaml.safe_load(path.read_text())
    document |= {"title": "Mine", "limits": ["None."], "checksums": {}}
    path.write_text(yaml.safe_dump(document))
    made_by = document["made_by"]
    cards = {name: document["checksums"].get(name, "") for name in made_by["card"]}
    plan = Plan(PER_CLASS, PER_CLASS // 5, SEED, made_by["versions"], cards)
    renewed = yaml.safe_load(write_declaration(plan, tmp_path / "jets").read_text())
    assert (renewed["title"], renewed["limits"]) == ("Mine", ["None."])
    assert renewed["checksums"]["sample.parquet"] == contents(made)[0]
    assert set(AUTHORED) <= set(renewed)


def test_chunks_cover_the_request_once():
    plan = Plan(2 * JETS_A_CHUNK + 1, JETS_A_CHUNK + 1, 1, {}, {})
    chunks = plan.chunks()
    for label in range(len(CLASSES)):
        own = [c for c in chunks if c.label == label]
        assert [c.jets for c in own] == [JETS_A_CHUNK, JETS_A_CHUNK, 1]
        assert [c.constituents for c in own] == [JETS_A_CHUNK, 1, 0]
    assert len({c.name for c in chunks}) == len(chunks)


def test_a_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setattr(making, "PACKAGES", ("no_such_generator",))
    with pytest.raises(MissingDependency, match=r"pip install 'hepnn\[hep\]'"):
        making.make(1, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [{"per_class": 0}, {"processes": 0}, {"seed": -1}, {"constituents": 9}, {"constituents": -1}],
)
def test_numbers_that_make_no_sense_are_refused(hep, tmp_path, wrong):
    with pytest.raises(DataError):
        making.make(**({"per_class": 8, "seed": 1, "out": tmp_path} | wrong))
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_pythia_refuses_is_named(hep, tmp_path):
    from hepnn.data.physics.events import Generator

    wrong = tmp_path / "wrong.cmnd"
    wrong.write_text("HardQCD:nosuchprocess = on\n")
    with pytest.raises(DataError, match=r"wrong\.cmnd"):
        Generator([wrong], seed=1)


def test_importing_the_generator_imports_no_tensorflow():
    code = "import sys, hepnn.data.generate.jets.make; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rounding_keeps_whole_numbers_and_twelve_bits():
    whole = np.arange(8193.0)
    assert (rounded(whole) == whole).all()
    values = np.random.default_rng(1).lognormal(0, 5, 10_000)
    assert np.abs(rounded(values) / values - 1).max() <= 2**-13 * (1 + 2**-10)
    assert (rounded(values).view(np.uint32) & 0x7FF == 0).all()


# The committed files


def test_committed_files_are_those_of_the_card(card):
    for name, promised in card["checksums"].items():
        assert files.sha256(COMMITTED / name) == promised, name
    assert {*DATA, *card["made_by"]["card"]} == set(card["checksums"])
    assert sum((COMMITTED / name).stat().st_size for name in DATA) <= 14_000_000


def test_committed_card_describes_the_columns(card, sample):
    assert [f["name"] for f in card["inputs"]["features"]] == [c.name for c in FEATURES]
    expected = [c.name for c in FEATURES] + ["class"] + [c.name for c in OBSERVERS]
    assert sample.column_names == expected
    assert all(f["unit"] and f["description"] for f in card["inputs"]["features"])


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


def test_committed_constituents_belong_to_their_jets(sample, card):
    table = pq.read_table(COMMITTED / card["constituents"]["file"])
    assert np.bincount(table["class"].to_numpy()).tolist() == [4000] * len(CLASSES)
    row = table["row"].to_numpy()
    assert (np.diff(row) > 0).all()
    assert (sample["class"].to_numpy()[row] == table["class"].to_numpy()).all()
    inside = stacked_constituents(table)
    assert inside.shape == (20_000, LENGTH, len(CONSTITUENTS))
    present = inside[:, :, 0] > 0
    multiplicity = sample["multiplicity"].to_numpy()[row]
    assert (present.sum(axis=1) == np.minimum(multiplicity, LENGTH)).all()
    assert (inside[~present] == 0).all()
    assert set(np.unique(inside[:, :, 3])) == {-1.0, 0.0, 1.0}
    assert 0.6 < np.median(inside[:, :, 0].sum(axis=1)) < 1.05
