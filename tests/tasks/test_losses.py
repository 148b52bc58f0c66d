"""The losses against scikit-learn's and scipy's, and against their equations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, huber, log_softmax
from sklearn.metrics import log_loss, mean_absolute_error, mean_pinball_loss, mean_squared_error
from sklearn.utils.class_weight import compute_class_weight

from hepnn.errors import RecipeError
from hepnn.recipe import ClassifyTask, RegressTask
from hepnn.tasks import get

pytestmark = pytest.mark.usefixtures("tensorflow")

RNG = np.random.default_rng(4)
LOGITS = RNG.normal(size=(50, 3)).astype(np.float32) * 2
CLASS = RNG.choice(3, 50, p=[0.6, 0.3, 0.1])
WEIGHT = RNG.uniform(0.5, 2.0, 50).astype(np.float32)
TRUTH = RNG.normal(size=(50, 2)).astype(np.float32)
ANSWER = (TRUTH + RNG.normal(size=(50, 2))).astype(np.float32)
SURE = log_softmax(LOGITS.astype(np.float64), axis=1)


def _lost(task: Any, y: np.ndarray, outputs: np.ndarray, weight: Any = None) -> float:
    return float(task.loss(np.bincount(CLASS))(y, outputs, weight))


def _classify(**options: Any) -> Any:
    return get(ClassifyTask(**options))


@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_cross_entropy_is_scikit_learns(name: str) -> None:
    expected = log_loss(CLASS, np.exp(SURE))
    assert _lost(_classify(loss=name), CLASS, LOGITS) == pytest.approx(expected, rel=1e-5)
    assert _lost(_classify(loss=name), CLASS[:, None], LOGITS) == pytest.approx(expected, rel=1e-5)
    weighted = np.mean(-SURE[np.arange(50), CLASS] * WEIGHT)
    assert _lost(_classify(loss=name), CLASS, LOGITS, WEIGHT) == pytest.approx(weighted, rel=1e-5)


def test_smoothed_labels_are_a_mixture_with_the_uniform() -> None:
    task = _classify(loss={"name": "categorical_crossentropy", "smoothing": 0.3})
    labels = 0.7 * np.eye(3)[CLASS] + 0.1
    assert _lost(task, CLASS, LOGITS) == pytest.approx(-(labels * SURE).sum(1).mean(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_of_two_classes_one_logit_is_enough(smoothing: float) -> None:
    task = _classify(loss={"name": "binary_crossentropy", "smoothing": smoothing})
    assert task.shapes((4,), ["a", "b"]) == ((4,), (1,))
    y, logit = (CLASS > 0).astype(np.int64), LOGITS[:, :1]
    second = expit(logit[:, 0].astype(np.float64))
    target = (1 - smoothing) * y + smoothing / 2
    expected = -np.mean(target * np.log(second) + (1 - target) * np.log1p(-second))
    assert _lost(task, y, logit) == pytest.approx(expected, rel=1e-5)
    if not smoothing:
        assert expected == pytest.approx(log_loss(y, second), rel=1e-6)
    (accuracy,) = task.metrics()
    accuracy.update_state(y, logit)
    assert float(accuracy.result()) == pytest.approx(np.mean((logit[:, 0] > 0) == y))
    with pytest.raises(RecipeError, match="two classes, and these are 3"):
        task.shapes((4,), ["a", "b", "c"])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_focal_loss_is_that_of_the_paper(gamma: float) -> None:
    import tensorflow as tf

    task = _classify(loss={"name": "focal", "gamma": gamma})
    likely = np.exp(SURE[np.arange(50), CLASS])
    expected = np.mean(-((1 - likely) ** gamma) * np.log(likely))
    assert _lost(task, CLASS, LOGITS) == pytest.approx(expected, rel=1e-5)
    with tf.GradientTape() as tape:  # at a probability of one too
        sure = tf.Variable([[200.0, 0.0, 0.0]])
        loss = task.loss()([0], sure)
    assert np.isfinite(tape.gradient(loss, sure).numpy()).all()


@pytest.mark.parametrize(
    "loss", ["sparse_categorical_crossentropy", {"name": "focal", "gamma": 0.0}]
)
def test_balanced_weights_are_scikit_learns(loss: Any) -> None:
    weights = compute_class_weight("balanced", classes=np.arange(3), y=CLASS)
    expected = np.mean(-SURE[np.arange(50), CLASS] * weights[CLASS])
    balanced = _classify(loss=loss, class_weights="balanced")
    assert _lost(balanced, CLASS, LOGITS) == pytest.approx(expected, rel=1e-5)
    listed = _classify(loss=loss, class_weights=weights.tolist())
    assert _lost(listed, CLASS, LOGITS) == pytest.approx(expected, rel=1e-5)


def test_weights_are_as_many_as_classes() -> None:
    task = _classify(class_weights=[1.0, 2.0])
    with pytest.raises(
        RecipeError, match=r"task.class_weights: 2 weights of 3 classes \(a, b, c\)"
    ):
        task.shapes((4,), ["a", "b", "c"])


def test_one_logit_is_weighted_by_class() -> None:
    task = _classify(loss="binary_crossentropy", class_weights=[1.0, 3.0])
    y, logit = (CLASS > 0).astype(np.int64), LOGITS[:, :1]
    expected = log_loss(y, expit(logit[:, 0]), sample_weight=np.where(y, 3.0, 1.0))
    scale = np.where(y, 3.0, 1.0).mean()
    assert _lost(task, y, logit) == pytest.approx(expected * scale, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", mean_squared_error(TRUTH, ANSWER)),
        ("mae", mean_absolute_error(TRUTH, ANSWER)),
        ({"name": "huber", "delta": 0.7}, huber(0.7, TRUTH - ANSWER).mean()),
        ({"name": "quantile", "q": 0.9}, mean_pinball_loss(TRUTH, ANSWER, alpha=0.9)),
        ({"name": "quantile"}, mean_absolute_error(TRUTH, ANSWER) / 2),
    ],
)
def test_losses_of_numbers_are_scikit_learns(loss: Any, expected: float) -> None:
    task = get(RegressTask(name="regress", loss=loss))
    assert _lost(task, TRUTH, ANSWER) == pytest.approx(expected, rel=1e-5)
    errors = [task.loss()(TRUTH[n : n + 1], ANSWER[n : n + 1]).numpy() for n in range(50)]
    assert _lost(task, TRUTH, ANSWER, WEIGHT) == pytest.approx(np.mean(errors * WEIGHT), rel=1e-4)


def test_the_pinball_loss_is_least_at_the_quantile() -> None:
    values = np.sort(RNG.normal(size=400)).astype(np.float32)[:, None]
    task = get(RegressTask(name="regress", loss={"name": "quantile", "q": 0.9}))
    lost = [_lost(task, values, np.full_like(values, guess)) for guess in values[:, 0]]
    assert values[int(np.argmin(lost)), 0] == pytest.approx(np.quantile(values, 0.9), abs=0.05)
