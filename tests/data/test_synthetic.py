"""The made-up sets: the curves, rules and baselines that their sources state."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import datasets as sklearn_sets
from sklearn.linear_model import Perceptron

from hepnn.data import card as cards
from hepnn.data import synthetic
from hepnn.data.card import Source
from hepnn.data.dataset import open_dataset
from hepnn.data.formats.synthetic import open_set
from hepnn.data.synthetic import adding, copying
from hepnn.data.synthetic.functions import FUNCTIONS
from hepnn.errors import DataError, RecipeError

CARDS = ("and", "or", "xor", "two-moons", "spirals", "function", "adding", "copy", "sine")


def points(made, *names):
    return np.stack([made[name] for name in names], axis=1).astype(np.float64)


def near(mean, values, expected):
    """Whether a sample's mean is within four standard errors of what is expected."""
    return abs(mean - expected) < 4 * values.std() / np.sqrt(len(values))


# Logic


@pytest.mark.parametrize(
    ("gate", "truth"), [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("xor", [0, 1, 1, 0])]
)
def test_gates_have_their_truth_tables(gate, truth):
    made = synthetic.make("logic", {"gate": gate, "repeats": 3})
    table = {(0, 0): truth[0], (0, 1): truth[1], (1, 0): truth[2], (1, 1): truth[3]}
    assert len(made["class"]) == 12
    for a, b, label in zip(made["a"], made["b"], made["class"], strict=True):
        assert table[int(a), int(b)] == label


@pytest.mark.parametrize(("gate", "learned"), [("and", True), ("or", True), ("xor", False)])
def test_one_neuron_learns_all_but_xor(gate, learned):
    made = synthetic.make("logic", {"gate": gate, "repeats": 20})
    x = points(made, "a", "b")
    neuron = Perceptron(random_state=1).fit(x, made["class"])
    assert (neuron.score(x, made["class"]) == 1.0) == learned


def test_noise_on_corners_is_gaussian_of_its_spread():
    quiet = synthetic.make("logic", {"repeats": 500})
    noisy = synthetic.make("logic", {"repeats": 500, "noise": 0.2})
    shift = (points(noisy, "a", "b") - points(quiet, "a", "b")).ravel()
    assert stats.kstest(shift / 0.2, "norm").pvalue > 1e-3


# Curves in the plane


def test_two_moons_without_noise_are_those_of_scikit_learn():
    made = synthetic.make("two-moons", {"points": 50, "noise": 0.0})
    x, y = sklearn_sets.make_moons(100, shuffle=False, noise=None)
    np.testing.assert_allclose(points(made, "x", "y"), x, atol=1e-6)
    assert (made["class"] == y).all()


def test_two_moons_with_noise_are_distributed_as_those_of_scikit_learn():
    made = synthetic.make("two-moons", {"points": 2000, "noise": 0.1})
    x, y = sklearn_sets.make_moons(4000, noise=0.1, random_state=7)
    for label in (0, 1):
        for axis, name in enumerate("xy"):
            mine, theirs = made[name][made["class"] == label], x[y == label, axis]
            assert stats.ks_2samp(mine, theirs).pvalue > 1e-3


def test_spirals_are_those_of_lang_and_witbrock():
    made = synthetic.make("spirals", {})
    i = np.arange(97)
    angle, radius = i * np.pi / 16, 6.5 * (104 - i) / 104
    arm = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    np.testing.assert_allclose(6.5 * points(made, "x", "y"), np.concatenate([arm, -arm]), atol=1e-5)
    assert made["class"].tolist() == [0] * 97 + [1] * 97


def test_arms_of_a_spiral_are_rotations_of_the_first():
    made = synthetic.make("spirals", {"arms": 5, "points": 40})
    complex_points = (made["y"] + 1j * made["x"]).reshape(5, 40)
    turned = complex_points[0] * np.exp(2j * np.pi * np.arange(5) / 5)[:, np.newaxis]
    np.testing.assert_allclose(complex_points, turned, atol=1e-6)


# Regression


def test_functions_equal_their_formulas():
    x = np.linspace(-1, 1, 401)
    chebyshev = np.polynomial.chebyshev.chebval(x, [0, 0, 0, 1])
    np.testing.assert_allclose(FUNCTIONS["polynomial"](x), chebyshev, atol=1e-12)
    bump = stats.norm.pdf(x, scale=0.2) * 0.2 * np.sqrt(2 * np.pi)
    np.testing.assert_allclose(FUNCTIONS["bump"](x), bump, atol=1e-12)
    np.testing.assert_allclose(FUNCTIONS["sine"](x), np.imag(np.exp(2j * np.pi * x)), atol=1e-12)
    np.testing.assert_allclose(FUNCTIONS["absolute"](x), np.sqrt(x * x))
    np.testing.assert_allclose(FUNCTIONS["runge"](x), 1 / (1 + (5 * x) ** 2))
    assert FUNCTIONS["step"](x)[[0, 199, 200, 400]].tolist() == [-1, -1, 1, 1]
    assert FUNCTIONS["chirp"](np.array([0.25])) == pytest.approx(1.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_regression_values_are_the_function_and_gaussian_noise(name):
    made = synthetic.make("function", {"function": name, "points": 2000, "noise": 0.3})
    np.testing.assert_allclose(made["truth"], FUNCTIONS[name](made["x"]), atol=1e-4)
    assert stats.kstest((made["y"] - made["truth"]) / 0.3, "norm").pvalue > 1e-3
    assert stats.kstest(made["x"], stats.uniform(-1, 2).cdf).pvalue > 1e-3


# Sequences


@pytest.mark.parametrize("length", [2, 7, 50])
def test_adding_target_is_the_sum_of_what_is_marked(length):
    made = synthetic.make("adding", {"sequences": 200, "length": length})
    for value, marker, total in zip(made["value"], made["marker"], made["sum"], strict=True):
        marked = [i for i in range(length) if marker[i] == 1]
        assert len(marked) == 2 and np.count_nonzero(marker) == 2
        assert marked[0] < length // 2 <= marked[1]
        assert total == value[marked[0]] + value[marked[1]]


def test_answering_one_to_the_adding_problem_errs_by_a_sixth():
    error = (synthetic.make("adding", {"sequences": 20_000})["sum"] - 1.0) ** 2
    assert near(error.mean(), error, adding.BASELINE)
    assert pytest.approx(0.167, abs=5e-4) == adding.BASELINE


def test_copy_repeats_its_symbols_after_the_delay():
    made = synthetic.make(
        "copy", {"sequences": 50, "symbols": 4, "length": 3, "delay": 6, "seed": 3}
    )
    blank, sign = 5, 6
    for given, wanted in zip(made["input"].tolist(), made["output"].tolist(), strict=True):
        assert given == given[:3] + [blank] * 5 + [sign] + [blank] * 3
        assert wanted == [blank] * 9 + given[:3]
        assert set(given[:3]) <= {1, 2, 3, 4}


def test_cross_entropy_without_memory_is_the_papers():
    options = copying.Options(sequences=100)
    wanted = copying.make(options)["output"]
    total = 0.0
    for sequence in wanted:
        for position, token in enumerate(sequence):
            guess = np.zeros(11)
            if position < options.delay + options.length:
                guess[9] = 1.0
            else:
                guess[1:9] = 1 / 8
            total -= np.log(guess[token])
    assert total / wanted.size == pytest.approx(copying.baseline(options))
    assert copying.baseline(options) == pytest.approx(10 * np.log(8) / (20 + 20))


def test_copied_symbols_are_equally_frequent():
    symbols = synthetic.make("copy", {"sequences": 2000})["input"][:, :10].ravel()
    assert stats.chisquare(np.bincount(symbols)[1:]).pvalue > 1e-3


def test_sines_without_noise_obey_their_recurrence():
    made = synthetic.make("sine", {"sequences": 100, "noise": 0.0})
    value, period = made["value"].astype(np.float64), made["period"]
    predicted = 2 * np.cos(2 * np.pi / period) * value[:, -1] - value[:, -2]
    np.testing.assert_allclose(made["next"], predicted, atol=1e-5)
    assert (made["next"] == made["truth"]).all()
    assert period.min() >= 8 and period.max() <= 32


def test_knowing_the_sine_leaves_the_noise():
    made = synthetic.make("sine", {"noise": 0.2})
    error = (made["next"] - made["truth"]) ** 2
    assert near(error.mean(), error, 0.04)


# Seeds, the reader and the cards


@pytest.mark.parametrize("name", synthetic.SETS)
def test_equal_options_make_equal_sets_and_other_seeds_others(name):
    options = {} if name in ("function", "adding", "copy", "sine") else {"noise": 0.1}
    one, same, other = (synthetic.make(name, {**options, "seed": seed}) for seed in (1, 1, 2))
    assert all((one[column] == same[column]).all() for column in one)
    assert any((one[column] != other[column]).any() for column in one)


@pytest.mark.parametrize("name", synthetic.SETS)
def test_reader_gives_any_range_of_the_columns(name):
    made = synthetic.make(name, {})
    with open_set(Source(format="synthetic", set=name)) as reader:
        assert reader.entries == len(next(iter(made.values())))
        found = reader.read(list(made), 5, 17)
    for column, values in made.items():
        known = reader.columns[column]
        assert (found[column] == values[5:17]).all()
        assert (known.kind, known.shape) == (
            ("flat", ()) if values.ndim == 1 else ("fixed", values.shape[1:])
        )
        assert known.dtype == values.dtype.name


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"set": "two-moon"}, "unknown synthetic set 'two-moon'; did you mean 'two-moons'?"),
        ({}, "source.set is missing; known: adding"),
        ({"set": "logic", "options": {"gates": "or"}}, "'gates'; did you mean 'gate'?"),
        ({"set": "logic", "options": {"gate": "nand"}}, "gate: Input should be 'and'"),
        ({"set": "adding", "options": {"length": 1}}, "length: Input should be greater"),
        ({"set": "sine", "options": {"shortest": 40}}, "shortest: 40 is above longest"),
        ({"set": "sine", "files": ["a.npz"]}, "a synthetic set has no files"),
    ],
)
def test_wrong_sources_are_refused_in_one_line(source, message):
    with pytest.raises(RecipeError) as caught:
        open_set(Source(format="synthetic", **source))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_unknown_column_names_the_nearest():
    reader = open_set(Source(format="synthetic", set="adding"))
    with pytest.raises(DataError, match="no column 'values'; did you mean 'value'"):
        reader.read(["values"], 0, 1)


@pytest.mark.parametrize("name", CARDS)
def test_cards_name_columns_of_the_shapes_that_the_sets_have(name):
    card, folder = cards.load(name)
    assert card.name == name and (folder / "card.md").is_file()
    reader = open_set(card.source)
    (group,) = card.inputs.values()
    labels = card.labels
    flat = [feature.source for feature in card.observers]
    if group.kind == "tokens":
        shape = (group.length,)
        listed = [group.expression, labels.column]
        assert (labels.length, labels.vocabulary) == (group.length, group.vocabulary)
        made = reader.read(listed, 0, reader.entries)
        largest = max(values.max() for values in made.values())
        assert largest == group.vocabulary - 1 and min(v.min() for v in made.values()) > 0
    elif group.kind == "sequence":
        shape, listed = (group.length,), [feature.source for feature in group.features]
    else:
        listed = []
        flat += [feature.source for feature in group.features]
    if labels.kind == "values":
        flat += [target.source for target in labels.targets]
    elif labels.kind == "classes":
        flat.append(labels.column)
        numbers = reader.read([labels.column], 0, reader.entries)[labels.column]
        assert np.unique(numbers).tolist() == list(range(len(labels.names)))
    assert all(reader.columns[column].shape == shape for column in listed)
    assert all(reader.columns[column].kind == "flat" for column in flat)
    assert set(listed) | set(flat) == set(reader.columns)


@pytest.mark.parametrize(
    ("name", "shape"),
    [("xor", (2,)), ("two-moons", (2,)), ("adding", (50, 2)), ("copy", (40,)), ("sine", (32, 1))],
)
def test_datasets_of_them_open_by_their_short_names(name, shape):
    opened = open_dataset(name)
    assert opened.shape == shape
    assert opened.assembler.survey.entries == open_set(opened.card.source).entries
