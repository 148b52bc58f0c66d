"""The Poisson bootstrap: its replicas are events repeated, and every figure has an interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hepnn.run import Events
from hepnn.tasks import bootstrap, calibration, embed
from hepnn.tasks.classify import Classify


def events(y: np.ndarray, weight: np.ndarray | None = None) -> Events:
    weight = np.ones(len(y)) if weight is None else weight
    return Events(np.zeros((len(y), 1), np.float32), y, weight.astype(np.float32))


def answers(number: int = 500, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, number)
    return rng.normal(size=(number, 3)) + 1.5 * np.eye(3)[y], y


def test_a_replica_is_the_mean_of_repeated_events() -> None:
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=(40, 2)), rng.uniform(0.5, 2, 40)
    drawn = bootstrap.draws(40, 5)
    found = bootstrap.means(values, weight, drawn)
    assert np.allclose(found[0], np.average(values, axis=0, weights=weight))
    for number in (0, 99, 199):
        again = np.repeat(np.arange(40), drawn[number])
        assert np.allclose(
            found[1 + number], np.average(values[again], axis=0, weights=weight[again])
        )


def test_the_loss_has_the_width_of_the_standard_error() -> None:
    outputs, y = answers(4000)
    found = Classify().evaluate(outputs, events(y), "abc")
    picked = Classify().scores(outputs)[np.arange(len(y)), y]
    error = np.std(-np.log(picked)) / np.sqrt(len(y))
    low, high = found["loss_interval"]
    # 200 replicas know a width to a twentieth.
    assert (high - low) / 2 == pytest.approx(error, rel=0.2)
    assert low < found["loss"] < high


def test_the_gaps_add_up_to_the_calibration_error() -> None:
    outputs, y = answers()
    probability = Classify().scores(outputs)
    decided = probability.argmax(axis=1)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    found = calibration.gaps(probability, decided, y)
    assert found is not None
    total = np.abs(weight @ found).sum() / weight.sum()
    assert total == pytest.approx(calibration.error(probability, decided, y, weight))


def lacking(report: dict[str, Any]) -> list[str]:
    """Return the figures of a report that have no interval."""
    figures = [
        key
        for key, value in report.items()
        if key not in ("events", "confusion", "outputs") and not key.endswith("_interval")
        if value is not None
    ]
    return [figure for figure in figures if f"{figure}_interval" not in report]


def test_every_figure_has_an_interval() -> None:
    outputs, y = answers()
    for weight in (None, np.random.default_rng(0).uniform(0.5, 2, len(y))):
        report = Classify().evaluate(outputs, events(y, weight), "abc")
        assert not lacking(report)
    assert not lacking(embed.evaluate(outputs, events(y), "abc"))


def test_the_spread_of_an_output_is_numpys() -> None:
    outputs, y = answers()
    report = embed.evaluate(outputs, events(y), "abc")
    assert list(report["mean"].values()) == pytest.approx(outputs.mean(axis=0).tolist())
    assert list(report["spread"].values()) == pytest.approx(outputs.std(axis=0).tolist())
    low, high = report["mean_interval"]["a"]
    assert (high - low) / 2 == pytest.approx(outputs[:, 0].std() / np.sqrt(len(y)), rel=0.2)


def test_a_class_that_is_not_there_has_no_curve() -> None:
    outputs, y = answers()
    report = Classify().evaluate(outputs, events(np.minimum(y, 1)), "abc")
    assert list(report["auc"]) == ["a", "b"]
    one = Classify().evaluate(outputs[:1], events(y[:1]), "abc")
    assert "auc" not in one
    assert Classify().rows(one)["events"] == "1"
