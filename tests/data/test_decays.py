"""Decay chains: conserved quantities, Pythia's branching fractions, and one way to write each."""

from __future__ import annotations

import re
import shutil
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from hepnn import declarations, files
from hepnn.data.card import Card, load
from hepnn.data.generate import decays
from hepnn.data.generate.chunk import Chunk
from hepnn.data.generate.decays.chains import (
    BEGIN,
    CLOSE,
    END,
    OPEN,
    SPECIAL,
    UNKNOWN,
    Chain,
    read_names,
    tokens,
)
from hepnn.errors import DataError

COMMITTED = declarations.root("datasets") / "decays"
NAMES = read_names(COMMITTED)

LEPTONS = [("e-", "nu_e"), ("mu-", "nu_mu"), ("tau-", "nu_tau")]


@pytest.fixture(scope="module")
def pythia():
    """Skip where Pythia is not installed."""
    return pytest.importorskip("pythia8mc", reason="pythia8mc is not installed (extra 'hep')")


@pytest.fixture(scope="module")
def sample():
    return pq.read_table(COMMITTED / "sample.parquet")


def parse(sequence):
    """Read a sequence back: (token, [daughters]), by a stack and not by recursion."""
    assert sequence[0] == BEGIN and sequence[-1] == END
    stack = [(None, [])]
    for token in sequence[1:-1]:
        if token == OPEN:
            stack.append(stack[-1][1][-1])
        elif token == CLOSE:
            assert stack.pop()[1], "empty brackets"
        else:
            stack[-1][1].append((token, []))
    assert len(stack) == 1 and len(stack[0][1]) == 1
    return stack[0][1][0]


def vertices(tree):
    """Yield every decay: a token and those of its daughters."""
    pending = [tree]
    while pending:
        token, daughters = pending.pop()
        if daughters:
            yield token, [daughter for daughter, _ in daughters]
        pending += daughters


def charge(token):
    """Read the charge off a name: Pythia writes it last, one sign a unit."""
    signs = re.search(r"[+-]*$", NAMES[token]).group()
    return signs.count("+") - signs.count("-")


def lepton_number(token, flavour):
    lepton, neutrino = LEPTONS[flavour]
    anti = (lepton.replace("-", "+"), f"{neutrino}bar")
    return (NAMES[token] in (lepton, neutrino)) - (NAMES[token] in anti)


def make(heads, events, seed=3, **settings):
    chosen = decays.Settings(events=events, heads=heads, **settings)
    return decays.generate(chosen, Chunk("decays-0000", 0, 0, events), seed, COMMITTED)[""]


# What every chain obeys


def test_charge_and_lepton_numbers_are_conserved_at_every_vertex(sample):
    checked = Counter(
        (token, *daughters)
        for sequence in sample["tokens"].to_pylist()
        for token, daughters in vertices(parse(sequence))
    )
    assert len(checked) > 1000
    for token, *daughters in checked:
        if UNKNOWN in (token, *daughters):
            continue
        shown = f"{NAMES[token]} -> {' '.join(NAMES[d] for d in daughters)}"
        assert charge(token) == sum(map(charge, daughters)), shown
        for flavour in range(3):
            total = sum(lepton_number(daughter, flavour) for daughter in daughters)
            assert lepton_number(token, flavour) == total, shown


def test_charges_in_names_are_those_of_pythia(pythia):
    engine = pythia.Pythia("", False)
    particles = engine.particleData
    numbers = {particles.name(number): number for number in _numbers(particles)}
    for token, name in enumerate(NAMES[len(SPECIAL) :], len(SPECIAL)):
        assert particles.charge(numbers[name]) == charge(token), name


def _numbers(particles):
    number = 1
    while number:
        yield number
        if particles.hasAnti(number):
            yield -number
        number = particles.nextId(number)


def test_sequences_fit_and_begin_with_their_head(sample):
    lengths = sample["tokens"].combine_chunks().value_lengths().to_numpy()
    assert lengths.max() <= 64
    by_head = {}
    for head, sequence in zip(
        sample["head"].to_pylist(), sample["tokens"].to_pylist(), strict=True
    ):
        by_head.setdefault(head, set()).add(sequence[1])
    assert {abs(head) for head in by_head} == set(decays.HEADS)
    assert all(len(first) == 1 for first in by_head.values())


def test_decays_are_counted(sample):
    rows = zip(sample["tokens"].to_pylist()[:2000], sample["decays"].to_pylist(), strict=False)
    assert all(len(list(vertices(parse(sequence)))) == number for sequence, number in rows)


def test_hardly_a_particle_is_unknown(sample):
    flat = sample["tokens"].combine_chunks().flatten().to_numpy()
    assert (flat == UNKNOWN).mean() < 1e-3
    assert flat.min() >= BEGIN and flat.max() < len(NAMES)


# Branching fractions


@pytest.mark.parametrize(("head", "events"), [(421, 8000), (15, 4000), (431, 6000)])
def test_branching_fractions_are_those_of_the_decay_table(pythia, head, events):
    engine = pythia.Pythia("", False)
    entry = engine.particleData.particleDataEntryPtr(head)
    table = Counter()
    for index in range(entry.sizeChannels()):
        channel = entry.channel(index)
        products = [channel.product(i) for i in range(channel.multiplicity())]
        names = sorted(engine.particleData.name(product) for product in products)
        table[tuple(names)] += channel.bRatio()
    total = sum(table.values())
    made = make([head], events)
    found = Counter()
    for number, sequence in zip(made["head"].to_pylist(), made["tokens"].to_pylist(), strict=True):
        if number == head:
            (_, first), *_ = vertices(parse(sequence))
            found[tuple(sorted(NAMES[token] for token in first))] += 1
    number = sum(found.values())
    assert 0.4 * events < number < 0.6 * events
    compared = 0
    for channel, ratio in table.items():
        expected = ratio / total
        if expected * number < 10:
            continue
        error = np.sqrt(number * expected * (1 - expected))
        assert found[channel] == pytest.approx(number * expected, abs=4.5 * error), channel
        compared += 1
    assert compared >= 10


# Writing


def test_a_chain_is_written_as_its_docstring_says():
    vocabulary = {421: 9, -321: 8, 211: 6, -413: 10, -211: 7}
    whole = Chain(-413, (Chain(421, (Chain(-321), Chain(211))), Chain(-211)))
    assert tokens(whole, vocabulary) == [1, 10, 4, 9, 4, 8, 6, 5, 7, 5, 2]
    assert whole.decays == 2 and not whole.partonic


def test_what_the_vocabulary_lacks_is_unknown():
    assert tokens(Chain(421, (Chain(999),)), {421: 9}) == [1, 9, 4, 3, 5, 2]


def test_daughters_stand_in_one_order(pythia):
    rank = {}
    engine = pythia.Pythia("", False)
    for number in _numbers(engine.particleData):
        rank[engine.particleData.name(number)] = (-abs(number), -number)
    for sequence in make([511, 521], 300)["tokens"].to_pylist():
        for _, daughters in vertices(parse(sequence)):
            known = [rank[NAMES[token]] for token in daughters if token != UNKNOWN]
            assert known == sorted(known)


def test_no_quark_or_gluon_is_in_a_chain():
    with_gluons = Chain(443, (Chain(21), Chain(21), Chain(21)))
    assert Chain(521, (Chain(321), with_gluons)).partonic


def test_same_seed_gives_same_chains_and_another_others(pythia):
    one, same, other = (make([421], 100, seed) for seed in (5, 5, 6))
    assert one.equals(same) and not one.equals(other)


def test_longer_chains_are_left_out(pythia):
    made = make([511], 100, longest=20)
    assert made["tokens"].combine_chunks().value_lengths().to_numpy().max() <= 20


# Errors


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ([421, 999_999], "heads: Pythia knows no particle 999999"),
        ([2212], r"heads: p\+ \(2212\) does not decay"),
        ([111], r"heads: pi0 \(111\) does not decay"),
    ],
)
def test_heads_that_do_not_decay_are_refused(pythia, heads, message):
    with pytest.raises(DataError, match=message):
        make(heads, 5)


def test_settings_that_keep_no_chain_are_refused(pythia):
    with pytest.raises(DataError, match=r"no chain of \[551\] without quarks.* in 1000 tries"):
        make([551], 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pi+\n", "must begin with the lines <padding> <begin>"),
        ("\n".join([*SPECIAL, "pi+", "pi+"]) + "\n", "line 8: 'pi\\+' stands there twice"),
        ("\n".join([*SPECIAL, "pion"]) + "\n", "line 7: no particle 'pion'"),
    ],
)
def test_a_wrong_vocabulary_is_refused(pythia, tmp_path, text, message):
    shutil.copyfile(COMMITTED / "decays.cmnd", tmp_path / "decays.cmnd")
    (tmp_path / "vocabulary.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        decays.generate(decays.Settings(), Chunk("decays-0000", 0, 0, 2), 1, tmp_path)


# Cards


def test_committed_sample_is_what_its_card_says(sample):
    card, folder = load("decays")
    assert all(files.sha256(folder / name) == mark for name, mark in card.checksums.items())
    assert set(card.checksums) == {"sample.parquet", *decays.CARDS}
    assert len(sample) == card.made_by["settings"]["events"]
    group = card.inputs["chain"]
    assert (group.vocabulary, group.names) == (len(NAMES), "vocabulary.txt")
    assert {feature.source for feature in card.observers} < set(sample.column_names)


def test_cards_follow_the_settings():
    whole = {"name": "decays", "source": {"format": "parquet"}}
    whole |= decays.cards(decays.Settings(longest=32))[""]
    assert declarations.parse(Card, whole, "card").inputs["chain"].length == 32
