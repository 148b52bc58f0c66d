"""Figures of a segmentation against scikit-learn and closed forms; what the training minimizes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score, precision_score, recall_score

from hepnn.errors import DataError, HepnnError, RecipeError
from hepnn.run import Events
from hepnn.tasks.segment import Segment, confusions, decisions

NAMES = ["none", "light", "b"]
TASK = Segment()


def masks(events: int = 40, side: int = 6, seed: int = 0) -> np.ndarray:
    """Return masks that are mostly of the first class."""
    rng = np.random.default_rng(seed)
    return rng.choice(3, (events, side, side), p=[0.8, 0.12, 0.08]).astype(np.int32)


def logits(truth: np.ndarray, seed: int = 1) -> np.ndarray:
    """Return outputs that are right more often than not."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(*truth.shape, 3)) + 1.5 * np.eye(3)[truth]).astype(np.float32)


def events(y: np.ndarray, weight: np.ndarray | None = None) -> Events:
    weight = np.ones(len(y), np.float32) if weight is None else weight
    return Events(np.zeros((*y.shape, 2), np.float32), y, weight)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_figures_are_scikit_learns_on_the_pixels(weighted: bool) -> None:
    y = masks()
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.1, 3, len(y)).astype(np.float32) if weighted else np.ones(len(y))
    outputs = logits(y)
    found = TASK.evaluate(outputs, events(y, weight), NAMES)
    pixels = (y.ravel(), outputs.argmax(-1).ravel())
    of_pixels = {"sample_weight": np.repeat(weight, y[0].size)}
    for figure, function in (
        ("iou", jaccard_score),
        ("precision", precision_score),
        ("recall", recall_score),
    ):
        expected = function(*pixels, average=None, **of_pixels)
        assert list(found[figure].values()) == pytest.approx(expected, rel=1e-9), figure
    assert found["mean_iou"] == pytest.approx(np.mean(list(found["iou"].values())))
    expected = confusion_matrix(*pixels, **of_pixels)
    assert np.allclose(found["confusion"], expected)
    assert found["pixel_accuracy"] == pytest.approx(np.trace(expected) / expected.sum())
    for figure in ("iou", "precision", "recall"):
        for name, (low, high) in found[f"{figure}_interval"].items():
            assert low < found[figure][name] < high


def test_the_interval_counts_events_and_not_pixels() -> None:
    """Where all pixels of an event are right or wrong together, an event is one trial."""
    number, right = 400, 0.7
    y = np.ones((number, 8, 8), np.int32)
    correct = np.random.default_rng(3).random(number) < right
    outputs = np.zeros((number, 8, 8, 3), np.float32)
    outputs[correct, ..., 1] = outputs[~correct, ..., 2] = 1
    found = TASK.evaluate(outputs, events(y), NAMES)
    low, high = found["pixel_accuracy_interval"]
    error = np.sqrt(right * (1 - right) / number)
    assert (high - low) / 2 == pytest.approx(error, rel=0.25)


def test_replicas_are_events_drawn_again() -> None:
    """The interval is that of figures from events repeated as often as they are drawn."""
    from hepnn.tasks import bootstrap

    y = masks(12)
    outputs = logits(y)
    found = TASK.evaluate(outputs, events(y), NAMES, seed=5)
    shares = [
        jaccard_score(
            y.repeat(drawn, axis=0).ravel(),
            outputs.argmax(-1).repeat(drawn, axis=0).ravel(),
            average=None,
        )
        for drawn in bootstrap.draws(12, 5)
    ]
    expected = bootstrap.central(np.array(shares))
    assert np.allclose(list(found["iou_interval"].values()), expected)


def test_a_class_that_is_nowhere_has_no_figures(recwarn: pytest.WarningsRecorder) -> None:
    y = masks()
    y[y == 2] = 0
    outputs = logits(y)
    outputs[..., 2] = -9
    found = TASK.evaluate(outputs, events(y), NAMES)
    assert list(found["iou"]) == list(found["iou_interval"]) == ["none", "light"]
    assert found["mean_iou"] == pytest.approx(np.mean(list(found["iou"].values())))
    assert "IoU b" not in TASK.rows(found)
    outputs[0, 0, 0] = [-9, -9, 9]  # given, though nowhere there
    found = TASK.evaluate(outputs, events(y), NAMES)
    assert found["iou"]["b"] == found["precision"]["b"] == 0 and "b" not in found["recall"]
    assert not recwarn.list


def test_the_headline_and_the_rows_say_the_iou() -> None:
    y = masks()
    found = TASK.evaluate(logits(y), events(y), NAMES)
    assert TASK.headline(found) == f"mean IoU {found['mean_iou']:.4f}"
    rows = TASK.rows(found)
    assert rows["IoU b"].startswith(f"{found['iou']['b']:.4f} [")
    assert len(rows) == 4 + 3 * len(NAMES)


def test_a_network_that_diverged_is_told_in_one_line() -> None:
    y = masks(5)
    outputs = logits(y)
    outputs[2, 0, 0, 1] = np.nan
    with pytest.raises(HepnnError, match="not finite on 1 of 5 events: .*learning_rate"):
        TASK.evaluate(outputs, events(y), NAMES)


def test_changed_masks_and_the_shift_of_the_iou_are_counted() -> None:
    y = masks(100, side=12)
    reference = logits(y)
    wrong = np.mean([(d != t).sum() for d, t in zip(decisions(reference), y, strict=True)])
    tenth = int(0.1 * wrong)
    answer = reference.copy()
    for event in range(20):  # one pixel more than a tenth in ten of them
        flipped = tenth + (event < 10)
        chosen = answer[event].reshape(-1, 3)[:flipped]
        chosen[np.arange(flipped), (chosen.argmax(-1) + 1) % 3] = 99
    found = TASK.changes(reference, answer, events(y))
    assert tenth > 0 and found["decision_flips"] == 0.1
    shares = [
        jaccard_score(y.ravel(), outputs.argmax(-1).ravel(), average=None)
        for outputs in (reference, answer)
    ]
    assert found["max_efficiency_shift"] == pytest.approx(np.abs(shares[0] - shares[1]).max())
    same = TASK.changes(reference, reference + 1, events(y))
    assert same == {"decision_flips": 0.0, "max_efficiency_shift": 0.0}


def test_of_a_perfect_reference_every_flip_counts() -> None:
    y = masks(10)
    reference = np.eye(3, dtype=np.float32)[y]
    answer = reference.copy()
    answer[3, 0, 0] = answer[3, 0, 0, [1, 2, 0]]
    assert TASK.changes(reference, answer, events(y))["decision_flips"] == 0.1


@pytest.mark.parametrize("wild", [np.nan, np.inf])
def test_a_pixel_that_is_not_finite_has_no_class(wild: float) -> None:
    y = masks(10)
    reference = np.eye(3, dtype=np.float32)[y]
    answer = reference.copy()
    answer[7] = wild
    found = TASK.changes(reference, answer, events(y))
    assert found["decision_flips"] == 0.1
    expected = confusions(decisions(answer), y, 3)
    assert expected[7, :, :3].sum() == 0 and expected[7, :, 3].sum() == y[0].size
    assert 0 < found["max_efficiency_shift"] < 1


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, (16,), r"takes images \(height, width, channels\), not events of shape \(16,\)"),
        ({"class_weights": [1.0, 2.0]}, (8, 8, 1), "2 weights of 3 classes .none, light, b."),
    ],
)
def test_events_and_weights_that_do_not_fit_are_refused(
    options: dict[str, Any], shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        Segment(**options).shapes(shape, NAMES)


def test_masks_of_another_size_than_the_images_are_refused() -> None:
    one = Events(np.zeros((2, 8, 8, 1)), np.zeros((2, 4, 4), np.int32), np.ones(2))
    with pytest.raises(DataError, match="masks of 4x4 pixels, images of 8x8"):
        TASK.view(one, NAMES, None, 0)


def test_the_pictures_are_drawn_on_any_number_of_events(tmp_path: Path) -> None:
    y = masks(2)
    found = TASK.evaluate(logits(y), events(y), NAMES)
    TASK.pictures(logits(y), events(y), NAMES, found, tmp_path)
    assert {path.stem for path in tmp_path.glob("*.svg")} == set(TASK.PICTURES)
    drawn = (tmp_path / "masks.svg").read_text()
    assert "Input, truth and decision: light, b" in drawn
    assert "<image" not in drawn


def _log_softmax(outputs: np.ndarray) -> np.ndarray:
    wide = outputs.astype(np.float64)
    return wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("class_weights", [None, [1.0, 4.0, 8.0]])
@pytest.mark.parametrize("dice", [0.0, 0.3, 1.0])
def test_the_loss_is_the_papers_sum_event_by_event(
    class_weights: list[float] | None, dice: float
) -> None:
    """Literal loops over events, pixels and classes; as many events as an image has columns."""
    y = masks(6)
    outputs, weight = logits(y), np.random.default_rng(4).uniform(0, 2, 6)
    chance = np.exp(_log_softmax(outputs))
    expected = []
    for event in range(6):
        entropy = np.mean(
            [
                -(class_weights or [1.0] * 3)[truth] * np.log(chance[event, row, column, truth])
                for (row, column), truth in np.ndenumerate(y[event])
            ]
        )
        overlaps = []
        for number in range(3):
            p, t = chance[event, ..., number], y[event] == number
            overlaps.append((2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
        expected.append((1 - dice) * entropy + dice * (1 - np.mean(overlaps)))
    loss = Segment(class_weights, dice).loss()
    found = loss(y, outputs, sample_weight=weight.astype(np.float32))
    assert float(found) == pytest.approx(np.mean(weight * expected), rel=1e-5)
    again = type(loss).from_config(loss.get_config())
    assert float(again(y, outputs)) == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.usefixtures("tensorflow")
def test_what_is_followed_in_training_is_what_is_evaluated() -> None:
    y = masks()
    outputs, weight = logits(y), np.random.default_rng(4).uniform(0, 2, len(y)).astype(np.float32)
    accuracy, iou = TASK.metrics()
    for part in (slice(0, 15), slice(15, None)):
        accuracy.update_state(y[part], outputs[part], weight[part])
        iou.update_state(y[part], outputs[part], weight[part])
    found = TASK.evaluate(outputs, events(y, weight), NAMES)
    assert float(accuracy.result()) == pytest.approx(found["pixel_accuracy"], rel=1e-5)
    marked = confusion_matrix(
        y.ravel(), outputs.argmax(-1).ravel(), sample_weight=np.repeat(weight, y[0].size)
    )
    right = np.trace(marked[1:, 1:])
    assert float(iou.result()) == pytest.approx(right / (marked.sum() - marked[0, 0]), rel=1e-5)
    plain = Segment().loss()(y, outputs, sample_weight=weight)
    # Keras divides by the events, the figure by the sum of their weights.
    assert float(plain) * len(y) / weight.sum() == pytest.approx(found["loss"], rel=1e-5)
