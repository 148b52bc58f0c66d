"""Figures of a regression against closed forms, numpy and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from hepnn.data import scaling as scalings
from hepnn.data import statistics
from hepnn.data.feed import ARRAYS, Memory, Store, Stream
from hepnn.errors import HepnnError
from hepnn.run import Events
from hepnn.tasks import regress
from hepnn.tasks.scaling import Scaling

NAMES = ["mass", "time"]


def scaled(y: np.ndarray, kind: str = "standard") -> Scaling:
    """Return the scaling of quantities as a run fits it."""
    known = statistics.of(y)
    fitted = scalings.fit(known, [kind] * y.shape[1])
    units = ("GeV", "1")[: y.shape[1]]
    return Scaling(fitted["offset"], fitted["exponent"], known.mean, units)


def events(y: np.ndarray, weight: np.ndarray | None = None) -> Events:
    weight = np.ones(len(y), np.float32) if weight is None else weight
    return Events(np.zeros((len(y), 1), np.float32), y.astype(np.float32), weight)


def encode(y: np.ndarray, scaling: Scaling) -> np.ndarray:
    return regress.encode(Events(y, y, np.ones(len(y))), scaling)


def truth(number: int, seed: int = 0) -> np.ndarray:
    """Return two quantities of very different size."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(number, 2)) * [60.0, 0.008] + [288.0, 0.04]).astype(np.float32)


@pytest.mark.parametrize("kind", ["standard", "minmax", "none"])
def test_decoding_undoes_encoding(kind: str) -> None:
    y = truth(1000)
    scaling = scaled(y, kind)
    z = encode(y, scaling)
    assert z.dtype == np.float32
    rounding = 2.0**-24 * np.abs(z).max(axis=0) * 2.0**scaling.exponent
    assert np.all(np.abs(regress.decode(z, scaling) - y).max(axis=0) <= rounding)
    if kind == "standard":  # both weigh alike in the loss
        assert np.all((z.std(axis=0) > 0.7) & (z.std(axis=0) < 1.42))
        assert np.all(np.abs(z.mean(axis=0)) < 0.2)


def test_a_shift_and_an_addition_on_the_grid_give_the_quantity() -> None:
    """Integer arithmetic on fixed-point outputs is what `decode` says."""
    scaling = scaled(truth(1000))
    fraction = 7
    outputs = np.random.default_rng(1).integers(-300, 300, (500, 2))
    # The offset is a multiple of a quarter of the power of two: a whole number of output steps.
    step = 2.0 ** (scaling.exponent - fraction)
    offset = np.round(scaling.offset / step).astype(np.int64)
    assert np.array_equal(offset * step, scaling.offset)
    expected = (outputs + offset) * step
    assert np.array_equal(regress.decode(outputs * 2.0**-fraction, scaling), expected)


def test_the_figures_of_gaussian_residuals_are_the_known_ones() -> None:
    number, sigma, shift = 40_000, 2.5, 0.4
    y = truth(number)[:, :1]
    scaling = scaled(y)
    residual = np.random.default_rng(3).normal(shift, sigma, (number, 1))
    outputs = (y + residual - scaling.offset) * 2.0**-scaling.exponent
    found = regress.evaluate(outputs, events(y), ["mass"], scaling=scaling)
    tail, density = norm.cdf(-1), norm.pdf(1) / sigma
    rmse = np.hypot(sigma, shift)
    errors = {
        "bias": (shift, sigma / np.sqrt(number)),
        "rmse": (rmse, np.sqrt((sigma**4 / 2 + sigma**2 * shift**2) / number) / rmse),
        # Variance and covariance of two quantiles of equal density.
        "resolution": (sigma, np.sqrt(tail * (1 - 2 * tail) / (2 * number)) / density),
    }
    for figure, (expected, error) in errors.items():
        value = found[figure]["mass"]
        low, high = found[f"{figure}_interval"]["mass"]
        assert abs(value - expected) < 4 * error, figure
        assert low < value < high
        # The bootstrap knows the error; 200 replicas its size to a twentieth.
        assert (high - low) / 2 == pytest.approx(error, rel=0.3), figure
    assert found["rmse_baseline"]["mass"] == pytest.approx(y.std(), rel=1e-4)
    assert found["unit"] == {"mass": "GeV"}


@pytest.mark.parametrize("weighted", [False, True])
def test_r2_rmse_and_mae_are_scikit_learns(weighted: bool) -> None:
    y = truth(3000)
    rng = np.random.default_rng(5)
    weight = rng.uniform(0.1, 2, len(y)).astype(np.float32) if weighted else np.ones(len(y))
    scaling = scaled(y)
    outputs = encode(y + rng.standard_t(3, y.shape) * [9, 0.004], scaling)
    found = regress.evaluate(outputs, events(y, weight), NAMES, scaling=scaling)
    prediction = regress.decode(outputs, scaling)
    for number, name in enumerate(NAMES):
        pair = (y[:, number].astype(np.float64), prediction[:, number])
        for figure, function in (
            ("r2", r2_score),
            ("rmse", root_mean_squared_error),
            ("mae", mean_absolute_error),
        ):
            expected = function(*pair, sample_weight=weight)
            assert found[figure][name] == pytest.approx(expected, rel=1e-9), figure
    z = (outputs - (y - scaling.offset) * 2.0**-scaling.exponent) ** 2
    assert found["loss"] == pytest.approx(np.average(z.mean(axis=1), weights=weight), rel=1e-9)


def test_the_central_range_is_numpys() -> None:
    rng = np.random.default_rng(6)
    residual = rng.gamma(2, size=501)
    tail = (1 - 0.6827) / 2
    expected = np.quantile(residual, [tail, 1 - tail], method="hazen")
    assert regress.central_range(residual, np.full(501, 0.3)) == pytest.approx(expected)
    more = np.concatenate([residual, rng.normal(size=100) * 50])
    weight = np.concatenate([np.ones(501), np.zeros(100)])
    assert regress.central_range(more, weight) == pytest.approx(expected)


def test_the_intervals_cover_the_truth_as_often_as_they_say() -> None:
    sigma, trials = 2.0, 80
    rng = np.random.default_rng(7)
    covered = dict.fromkeys(("bias", "rmse", "resolution"), 0)
    for trial in range(trials):
        y = truth(250, seed=trial)[:, :1]
        scaling = scaled(y)
        outputs = encode(y + rng.normal(0, sigma, y.shape), scaling)
        found = regress.evaluate(outputs, events(y), ["mass"], trial, scaling)
        for figure, expected in (("bias", 0.0), ("rmse", sigma), ("resolution", sigma)):
            low, high = found[f"{figure}_interval"]["mass"]
            covered[figure] += low <= expected <= high
    # Binomial: 0.683 +- 0.052; three of them, and a little for so few events.
    for figure, count in covered.items():
        assert 0.51 < count / trials < 0.84, figure


def test_what_always_predicts_the_training_mean_is_the_baseline() -> None:
    train, test = truth(5000, seed=1), truth(1000, seed=2)
    scaling = scaled(train)
    outputs = encode(np.broadcast_to(train.mean(axis=0), test.shape), scaling)
    found = regress.evaluate(outputs, events(test), NAMES, scaling=scaling)
    for name in NAMES:
        assert found["rmse"][name] == pytest.approx(found["rmse_baseline"][name], rel=1e-4)
        assert -0.01 < found["r2"][name] <= 0
        assert found["resolution"][name] == pytest.approx(found["rmse"][name], rel=0.1)


def test_a_target_that_never_changes_has_finite_figures() -> None:
    y = np.full((50, 1), 1e6 / 3, np.float32)
    scaling = scaled(y)
    exact = encode(y, scaling)
    expected = r2_score(y, regress.decode(exact, scaling))
    found = regress.evaluate(exact, events(y), ["mass"], scaling=scaling)
    assert found["r2"]["mass"] == expected == 1
    off = regress.evaluate(exact + 1, events(y), ["mass"], scaling=scaling)
    assert off["r2"]["mass"] == r2_score(y, regress.decode(exact + 1, scaling)) == 0
    assert off["bias"]["mass"] == 1 and off["resolution"]["mass"] == 0


def test_few_events_have_figures_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    y = truth(2)
    scaling = scaled(y)
    found = regress.evaluate(encode(y + 1, scaling), events(y), NAMES, scaling=scaling)
    assert all(np.isfinite(found["rmse_interval"]["mass"]))
    assert not recwarn.list


def test_a_network_that_diverged_is_told_in_one_line() -> None:
    y = truth(10)
    outputs = np.full((10, 2), np.nan, np.float32)
    with pytest.raises(HepnnError, match="not finite on 10 of 10 events: .*learning_rate"):
        regress.evaluate(outputs, events(y), NAMES, scaling=scaled(y))


def test_moved_predictions_and_the_shift_of_the_rmse_are_counted() -> None:
    y = truth(1000)
    scaling = scaled(y)
    reference = encode(y + np.random.default_rng(8).normal(0, [5, 1e-3], y.shape), scaling)
    residual = regress.decode(reference, scaling) - y
    low, high = regress.central_range(residual[:, 1], np.ones(1000))
    tenth = 0.1 * (high - low) / 2
    answer = regress.decode(reference, scaling)
    answer[:30, 1] += 1.1 * tenth
    answer[30:60, 1] += 0.9 * tenth
    z = (answer - scaling.offset) * 2.0**-scaling.exponent
    found = regress.changes(reference, z, events(y), scaling)
    assert found["decision_flips"] == pytest.approx(0.03)
    before, after = (np.sqrt(np.mean(r[:, 1] ** 2)) for r in (residual, answer - y))
    assert found["max_efficiency_shift"] == pytest.approx(abs(after / before - 1), rel=1e-6)
    same = regress.changes(reference, reference.copy(), events(y), scaling)
    assert same == {"decision_flips": 0.0, "max_efficiency_shift": 0.0}


@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_has_moved(wild: float) -> None:
    y = truth(100)
    scaling = scaled(y)
    reference = encode(y + 1, scaling)
    answer = reference.copy()
    answer[7, 1] = wild
    found = regress.changes(reference, answer, events(y), scaling)
    assert found["decision_flips"] == pytest.approx(0.01)
    assert found["max_efficiency_shift"] == np.finfo(np.float32).max


def test_a_perfect_reference_has_no_resolution_to_move_within() -> None:
    y = np.arange(64, dtype=np.float32)[:, None]
    scaling = scaled(y)
    reference = encode(y, scaling)
    answer = reference.copy()
    answer[0] += 2.0**-8
    found = regress.changes(reference, answer, events(y), scaling)
    assert found["decision_flips"] == 1 / 64
    assert found["max_efficiency_shift"] == np.finfo(np.float32).max


def test_the_headline_and_the_rows_have_units() -> None:
    y = truth(500)
    scaling = scaled(y)
    outputs = encode(y + np.random.default_rng(9).normal(0, [5, 1e-3], y.shape), scaling)
    found = regress.evaluate(outputs, events(y), NAMES, scaling=scaling)
    assert regress.headline(found).startswith(f"RMSE mass {found['rmse']['mass']:.3g} GeV, time ")
    rows = regress.rows(found)
    assert rows["RMSE mass"].endswith("] GeV")
    assert rows["R² mass"].endswith("]")
    assert len(rows) == 2 + 6 * 2
    four = {"rmse": dict.fromkeys("abcd", 1.0), "r2": dict.fromkeys("abcd", 0.5)}
    assert regress.headline(four) == "mean R² 0.5000 of 4 targets"


def test_both_feeds_give_encoded_labels_in_training_only(tmp_path: Path) -> None:
    y = truth(300)
    whole = events(y, np.arange(1, 301, dtype=np.float32))
    store = Store(tmp_path)
    arrays = {name: getattr(whole, name) for name in ARRAYS[:3]}
    store.append(**arrays, observers=np.zeros((300, 0), np.float32))
    store.close()
    scaling = scaled(y)
    expected = encode(y, scaling)
    for feed in (Memory(whole), Stream(tmp_path)):
        (labels,) = feed.labels()
        assert np.array_equal(labels[0], y) and np.array_equal(labels[1], whole.weight)
        coded = feed.encoded(lambda events: regress.encode(events, scaling))
        ((piece, order),) = coded.pieces(0, 0, 64)
        # The weights number the events, whatever their order in the piece.
        assert np.array_equal(piece.y[order], expected[piece.weight[order].astype(int) - 1])
        assert np.array_equal(coded.first().y, expected[:1])
        ((untouched, _),) = feed.pieces(0, 0, 64)
        assert np.array_equal(np.sort(untouched.y, axis=0), np.sort(y, axis=0))
