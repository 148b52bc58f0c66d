"""Events as a trigger sees them: objects selected as fastjet and plain loops select them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from hepnn import declarations, files
from hepnn.data.card import Card, load
from hepnn.data.generate import anomaly
from hepnn.data.generate.anomaly.columns import ELECTRONS, JETS, KINDS, MUONS, features
from hepnn.data.generate.chunk import Chunk, chunk_seed
from hepnn.errors import DataError, RecipeError

COMMITTED = declarations.root("datasets") / "anomaly"
NAMES = [row["name"] for row in features()]


@pytest.fixture(scope="module")
def hep():
    """Skip where the generators are not installed."""
    for package in anomaly.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed (extra 'hep')")


@pytest.fixture(scope="module")
def sample():
    return pq.read_table(COMMITTED / "sample.parquet")


def event(rows):
    """Make one event of (pt, eta, phi, PDG number), massless."""
    import awkward as ak

    columns = {"px": [], "py": [], "pz": [], "E": [], "id": []}
    for pt, eta, phi, number in rows:
        columns["px"].append(pt * math.cos(phi))
        columns["py"].append(pt * math.sin(phi))
        columns["pz"].append(pt * math.sinh(eta))
        columns["E"].append(pt * math.cosh(eta))
        columns["id"].append(number)
    return ak.zip({name: [values] for name, values in columns.items()}, with_name="Momentum4D")


def select(rows):
    from hepnn.data.generate.anomaly.objects import flat_events

    values, counts = flat_events(event(rows))
    return dict(zip(NAMES, values[0], strict=True)), counts[0].tolist()


def make(name, label, events, seed=4, **settings):
    chosen = anomaly.Settings(**settings)
    return anomaly.generate(chosen, Chunk(f"{name}-0000", 0, label, events), seed, COMMITTED)[""]


# Objects


def test_layout_is_that_of_the_public_set_without_its_constant():
    # arXiv:2107.02157: missing momentum, 4 electrons, 4 muons, 10 jets, three numbers each.
    assert len(NAMES) == 3 * (1 + 4 + 4 + 10) - 1 and len(set(NAMES)) == len(NAMES)
    assert NAMES[:2] == ["met_pt", "met_phi"]
    assert [kind.number for kind in KINDS] == [4, 4, 10]


def test_missing_momentum_balances_all_that_is_seen(hep):
    rows = [(30.0, 0.3, 0.1, 211), (20.0, -2.0, 2.0, 22), (5.0, 4.5, -1.0, 130)]
    found, _ = select(rows)
    px = -sum(pt * math.cos(phi) for pt, _, phi, _ in rows)
    py = -sum(pt * math.sin(phi) for pt, _, phi, _ in rows)
    assert found["met_pt"] == pytest.approx(math.hypot(px, py))
    assert found["met_phi"] == pytest.approx(math.atan2(py, px))


def test_leading_objects_come_first_and_the_rest_is_padding(hep):
    rows = [(10.0 + i, 0.1 * i, i - 3.0, -11 if i % 2 else 11) for i in range(6)]
    rows += [(8.0, -1.0, 3.0, 13)]
    found, counts = select(rows)
    assert counts == [6, 1, 0]
    assert [found[f"electron_{i}_pt"] for i in (1, 2, 3, 4)] == pytest.approx([15, 14, 13, 12])
    assert found["electron_2_eta"] == pytest.approx(0.4)
    assert found["muon_1_phi"] == pytest.approx(3.0)
    empty = [name for name in NAMES if name.startswith(("muon_2", "muon_4", "jet_"))]
    assert all(found[name] == 0 for name in empty)


@pytest.mark.parametrize(
    ("lepton", "seen"),
    [
        ((3.5, 2.4, 0.0, 11), True),
        ((3.5, 2.6, 0.0, 11), False),
        ((2.9, 0.0, 0.0, -11), False),
        ((3.5, -2.3, 0.0, 13), True),
        ((3.5, 2.45, 0.0, -13), False),
    ],
)
def test_leptons_outside_the_acceptance_are_not_seen(hep, lepton, seen):
    _, counts = select([lepton, (50.0, 0.0, 2.0, 211)])
    assert counts[:2] == [seen and abs(lepton[3]) == 11, seen and abs(lepton[3]) == 13]


@pytest.mark.parametrize(
    ("neighbour", "isolated"),
    [((3.9, 0.25, 0.0), True), ((4.1, 0.25, 0.0), False), ((20.0, 0.31, 0.0), True),
     ((4.1, 0.0, 0.29), False)],
)  # fmt: skip
def test_leptons_with_a_fifth_of_their_momentum_around_are_not_isolated(hep, neighbour, isolated):
    pt, deta, dphi = neighbour
    _, counts = select([(20.0, 1.0, 3.1, 13), (pt, 1.0 + deta, 3.1 + dphi, 22)])
    assert counts[1] == isolated


def test_a_lepton_is_counted_once_as_itself_or_in_a_jet(hep):
    isolated, alone = select([(40.0, 0.0, 0.0, 11), (30.0, 0.0, 2.0, 211)])
    assert alone == [1, 0, 1] and isolated["jet_1_pt"] == pytest.approx(30.0)
    inside, counts = select([(40.0, 0.0, 0.0, 11), (30.0, 0.1, 0.0, 211)])
    assert counts == [0, 0, 1] and inside["jet_1_pt"] == pytest.approx(70.0, rel=1e-3)


def test_jets_are_those_of_fastjet_in_the_acceptance(hep):
    import fastjet

    rng = np.random.default_rng(2)
    rows = [
        (float(pt), float(eta), float(phi), 211)
        for pt, eta, phi in zip(
            rng.exponential(8.0, 120), rng.normal(0, 2, 120), rng.uniform(-3, 3, 120), strict=True
        )
    ]
    particles = [
        fastjet.PseudoJet(
            pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta), pt * math.cosh(eta)
        )
        for pt, eta, phi, _ in rows
    ]
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
    sequence = fastjet.ClusterSequence(particles, definition)
    expected = sorted(
        (jet.pt() for jet in sequence.inclusive_jets(JETS.min_pt) if abs(jet.eta()) < JETS.max_eta),
        reverse=True,
    )
    found, counts = select(rows)
    assert counts[2] == len(expected) > 10
    assert [found[f"jet_{i}_pt"] for i in range(1, 11)] == pytest.approx(expected[:10])


def test_an_event_of_nothing_has_no_objects(hep):
    found, counts = select([(1.0, 0.0, 0.0, 211)])
    assert counts == [0, 0, 0] and found["met_pt"] == pytest.approx(1.0)


# The kind


def test_four_leptons_have_the_mass_of_the_scalar(hep):
    table = make("a-4l", 1, 60, detector=False)
    pt, eta, phi = (
        np.stack(
            [
                table[f"{kind.name}_{i}_{q}"].to_numpy()
                for kind in (ELECTRONS, MUONS)
                for i in (1, 2, 3, 4)
            ]
        ).astype(np.float64)
        for q in ("pt", "eta", "phi")
    )
    four = (pt > 0).sum(axis=0) == 4
    energy, px, py, pz = (
        (pt * f).sum(axis=0) for f in (np.cosh(eta), np.cos(phi), np.sin(phi), np.sinh(eta))
    )
    mass = np.sqrt((energy**2 - px**2 - py**2 - pz**2)[four])
    assert four.sum() > 5
    assert np.median(mass) == pytest.approx(50.0, abs=0.5)
    assert mass.max() < 51.5


@pytest.mark.parametrize("detector", [True, False])
def test_same_seed_gives_same_events_and_another_others(hep, detector):
    one, same, other = (make("w", 0, 15, seed, detector=detector) for seed in (5, 5, 6))
    assert one.equals(same) and not one.equals(other)
    assert len(one) == 15


def test_signals_are_test_events_and_of_the_background_a_share(hep):
    assert make("z", 0, 10, test=0.3)["test"].to_pylist().count(True) == 3
    signal = make("leptoquark", 3, 4)
    assert signal["test"].to_pylist() == [True] * 4
    assert signal["class"].to_pylist() == [3] * 4
    assert signal["process"].to_pylist() == [6] * 4


def test_chunks_have_seeds_of_their_own_and_all_the_events():
    settings = anomaly.Settings(background=5000, signal=700, w=0.25, z=0.05, soft=0.2)
    chunks = anomaly.chunks(settings)
    assert len({chunk_seed(1, chunk) for chunk in chunks}) == len(chunks)
    assert len({chunk.name for chunk in chunks}) == len(chunks)
    events = {name: 0 for name in anomaly.PROCESSES}
    for chunk in chunks:
        events[chunk.name.rsplit("-", 1)[0]] += chunk.events
    assert list(events.values()) == [2500, 1250, 250, 1000, 700, 700, 700]


def test_shares_beyond_one_are_refused():
    with pytest.raises(RecipeError, match="shares of 0.7, 0.4, 0.1 sum to more than 1"):
        declarations.parse(anomaly.Settings, {"w": 0.7, "z": 0.4}, "--set")


def test_a_card_that_makes_no_objects_is_refused_in_one_line(hep, tmp_path):
    (tmp_path / "common.cmnd").write_text("Beams:eCM = 13000.\nPartonLevel:all = off\n")
    (tmp_path / "w.cmnd").write_text(
        "WeakSingleBoson:ffbar2W = on\n24:onMode = off\n24:onIfAny = 16\n"
    )
    with pytest.raises(DataError, match=r"w\.cmnd: makes no events with objects"):
        anomaly.generate(anomaly.Settings(), Chunk("w-0000", 0, 0, 3), 1, Path(tmp_path))


# Cards


def test_cards_name_the_columns_that_are_made(hep):
    table = make("w", 0, 3)
    whole = {"name": "anomaly", "source": {"format": "parquet"}}
    card = declarations.parse(Card, whole | anomaly.cards(anomaly.Settings())[""], "card")
    named = [feature.source for feature in card.inputs["objects"].features]
    named += [feature.source for feature in card.observers]
    assert [*named, "class", "test"] == sorted(
        table.column_names, key=[*named, "class", "test"].index
    )


def test_committed_sample_is_what_its_card_says(sample):
    card, folder = load("anomaly")
    assert all(files.sha256(folder / name) == mark for name, mark in card.checksums.items())
    assert set(card.checksums) == {"sample.parquet", *anomaly.CARDS}
    settings = card.made_by["settings"]
    counts = np.bincount(sample["class"].to_numpy()).tolist()
    assert counts == [settings["background"]] + [settings["signal"]] * 3


def test_committed_training_events_are_background_alone(sample):
    card, _ = load("anomaly")
    assert (card.splits.by, card.splits.test) == ("column", "test")
    test, label = sample["test"].to_numpy(), sample["class"].to_numpy()
    assert (label[~test] == 0).all()
    assert test[label == 0].mean() == pytest.approx(card.made_by["settings"]["test"], abs=1e-3)


def test_committed_momenta_fall_and_padding_is_zero(sample):
    for kind, number in zip(KINDS, ("electrons", "muons", "jets"), strict=True):
        pt = np.stack([sample[f"{kind.name}_{i}_pt"].to_numpy() for i in range(1, kind.number + 1)])
        assert (np.diff(pt, axis=0) <= 0).all()
        stored = np.minimum(sample[number].to_numpy(), kind.number)
        assert ((pt > 0).sum(axis=0) == stored).all()
        for quantity, largest in (("eta", kind.max_eta), ("phi", np.pi)):
            values = np.stack(
                [
                    sample[f"{kind.name}_{i}_{quantity}"].to_numpy()
                    for i in range(1, kind.number + 1)
                ]
            )
            assert (values[pt == 0] == 0).all()
            assert np.abs(values).max() <= largest * (1 + 2**-12)
