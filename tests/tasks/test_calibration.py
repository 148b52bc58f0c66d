"""The calibration error against scikit-learn's reliability curve and closed forms."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from hepnn.run import Events
from hepnn.tasks import calibration
from hepnn.tasks.classify import Classify


def logits(seed=3, events=4000):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(0, 2, (events, 5)).astype(np.float32)
    return outputs, rng.integers(0, 5, events)


def events(y, weight=None):
    x = np.zeros((len(y), 1), np.float32)
    return Events(x, y, np.ones(len(y), np.float32) if weight is None else weight)


def test_it_is_the_weighted_distance_of_the_reliability_curve():
    outputs, y = logits()
    score = Classify().scores(outputs)
    confidence, right = score.max(axis=1), score.argmax(axis=1) == y
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    counts = np.histogram(confidence, np.linspace(0, 1, 16))[0]
    wanted = (counts[counts > 0] * np.abs(accuracy - mean)).sum() / len(y)
    found = calibration.error(score, score.argmax(axis=1), y, np.ones(len(y)))
    assert found == pytest.approx(wanted, rel=1e-9) and found > 0.1


def test_a_weight_counts_as_so_many_events():
    outputs, y = logits(events=300)
    weight = np.random.default_rng(1).integers(0, 4, 300)
    score, decided = Classify().scores(outputs), outputs.argmax(axis=1)
    repeated = [np.repeat(one, weight, axis=0) for one in (score, decided, y)]
    found = calibration.error(score, decided, y, weight.astype(float))
    assert found == pytest.approx(calibration.error(*repeated, np.ones(weight.sum())))


def test_labels_drawn_from_the_probabilities_leave_only_statistics():
    outputs, _ = logits(events=40000)
    score = Classify().scores(outputs)
    draw = np.random.default_rng(2).random((len(score), 1))
    y = (np.cumsum(score, axis=1) < draw).sum(axis=1).clip(0, 4)
    assert calibration.error(score, score.argmax(axis=1), y, np.ones(len(y))) < 0.01


def test_it_is_said_of_a_stage_and_of_what_an_artefact_changes():
    outputs, y = logits()
    task, names = Classify(), [str(number) for number in range(5)]
    before = task.evaluate(outputs, events(y), names)["calibration_error"]
    changes = task.changes(outputs, outputs / 4, events(y), None, names)
    assert changes["decision_flips"] == 0.0
    assert changes["reference_calibration_error"] == before
    assert changes["calibration_error"] < before / 2


def test_what_is_no_number_has_the_largest_error():
    outputs, y = logits(events=10)
    answer = outputs.copy()
    answer[3] = np.nan
    with np.errstate(invalid="ignore"):
        changes = Classify().changes(outputs, answer, events(y))
    assert changes["calibration_error"] == 1.0
