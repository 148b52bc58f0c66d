"""Metrics against scikit-learn and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, roc_auc_score, roc_curve

from hepnn.run import Events
from hepnn.tasks import classify, roc
from hepnn.tasks.classify import Classify

CLASSES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def answer() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 4000)
    logits = rng.normal(size=(4000, 3)).astype(np.float32)
    logits[np.arange(4000), y] += 1.5
    return np.round(logits * 16) / 16, y  # coarse, as fixed point: many equal scores


def _events(y: np.ndarray, weight: np.ndarray | None = None) -> Events:
    weight = np.ones(len(y), np.float32) if weight is None else weight
    return Events(np.zeros((len(y), 1), np.float32), y, weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_loss_confusion_and_auc_are_scikit_learns(
    answer: tuple[np.ndarray, np.ndarray], weighted: bool
) -> None:
    logits, y = answer
    weight = np.random.default_rng(0).uniform(0.1, 2, len(y)).astype(np.float32)
    weight = weight if weighted else np.ones_like(weight)
    found = Classify().evaluate(logits, _events(y, weight), CLASSES)
    chosen = logits.argmax(1)
    probability = Classify().scores(logits)
    assert found["accuracy"] == pytest.approx(accuracy_score(y, chosen, sample_weight=weight))
    assert found["loss"] == pytest.approx(log_loss(y, probability, sample_weight=weight))
    expected = confusion_matrix(y, chosen, sample_weight=weight)
    assert np.allclose(found["confusion"], expected)
    for number, name in enumerate(CLASSES):
        area = roc_auc_score(y == number, probability[:, number], sample_weight=weight)
        assert found["auc"][name] == pytest.approx(area, abs=1e-12)


def test_efficiencies_and_rejections_are_points_of_scikit_learns_curve(
    answer: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, y = answer
    found = Classify().evaluate(logits, _events(y), CLASSES)
    fakes, signals, _ = roc_curve(y == 1, Classify().scores(logits)[:, 1], drop_intermediate=False)
    for background in roc.BACKGROUNDS:
        expected = signals[fakes <= background + 1e-12].max()
        assert found["efficiency_at_background"][f"{background:g}"]["b"] == expected
    for signal in roc.SIGNALS:
        expected = 1 / fakes[signals >= signal - 1e-12].min()
        value = found["rejection_at_efficiency"][f"{signal:g}"]["b"]
        assert value == pytest.approx(expected)


def test_the_binomial_interval_is_clopper_and_pearsons() -> None:
    for successes in (0, 3, 50):
        expected = binomtest(successes, 50).proportion_ci(0.6827, "exact")
        low, high = classify.binomial(successes, 50)
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_bootstrap_interval_has_the_binomial_width(
    answer: tuple[np.ndarray, np.ndarray],
) -> None:
    """At a fixed and well-known threshold the efficiency's error is the binomial one."""
    logits, y = answer
    found = Classify().evaluate(logits, _events(y), CLASSES)
    low, high = found["efficiency_at_background_interval"]["0.1"]["a"]
    value = found["efficiency_at_background"]["0.1"]["a"]
    binomial = np.sqrt(value * (1 - value) / np.count_nonzero(y == 0))
    # The threshold's own error adds to it; 200 replicas know a width to a twentieth.
    assert 0.8 * binomial < (high - low) / 2 < 2.5 * binomial
    assert low < value < high


def test_equal_logits_are_the_first_class() -> None:
    assert Classify().decisions(np.zeros((1, 3))) == [0]
