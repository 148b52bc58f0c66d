"""Scores: what the task itself calls probability, or error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hepnn.errors import RecipeError
from hepnn.run import Events
from hepnn.tasks.classify import Classify
from hepnn.tasks.reconstruct import Reconstruct
from hepnn.tasks.scaling import Scaling
from hepnn.trigger import scores


def export(task: str = "classify", outputs: int = 3, **changes: Any) -> Any:
    names = ("a", "b", "c")[: max(outputs, 2)]
    known = {"task": task, "options": {}, "names": names, "output_shape": (outputs,), "targets": []}
    return SimpleNamespace(**{**known, **changes})


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("signal", [None, ["a"], ["b"], ["a", "b"]])
def test_the_score_of_a_classifier_is_the_tasks(
    kind: Any, outputs: int, signal: list[str] | None
) -> None:
    found = export(outputs=outputs, options={"outputs": kind})
    if signal == ["a", "b"] and outputs < 3:
        with pytest.raises(RecipeError, match="every class is signal"):
            scores.of(found, signal)
        return
    rng = np.random.default_rng(1)
    values = rng.normal(0, 3, (40, outputs)).astype(np.float32)
    if kind == "probabilities":
        values = rng.dirichlet(np.ones(max(outputs, 2)), 40)[:, :outputs].astype(np.float32)
    score = scores.of(found, signal)
    chosen = [found.names.index(name) for name in signal or [found.names[-1]]]
    expected = Classify(kind).scores(values)[:, chosen].sum(axis=1)
    np.testing.assert_allclose(score.many(values, values), expected, rtol=1e-12)
    one = [score.one(event, event) for event in values]
    np.testing.assert_allclose(one, expected, rtol=1e-12)
    y = np.array([0, 1, 0, 1])
    np.testing.assert_array_equal(score.signal(y), np.isin(y, chosen))  # type: ignore[arg-type]


def test_logits_far_apart_do_not_overflow() -> None:
    score = scores.of(export(), ["a"])
    values = np.array([[-3e4, 3e4, 0], [3e4, -3e4, 0]], np.float32)
    np.testing.assert_array_equal(score.many(values, values), [0, 1])
    assert [score.one(event, event) for event in values] == [0, 1]


def test_the_score_of_a_reconstruction_is_its_error() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(50, 20, (30, 3)).astype(np.float32)
    outputs = rng.normal(size=(30, 3)).astype(np.float32)
    scaling = Scaling(
        offset=np.array([40.0, 50.0, 60.0]),
        exponent=np.array([4, 5, 4]),
        mean=np.zeros(3),
        units=(),
    )
    targets = [
        {"offset": offset, "exponent": exponent}
        for offset, exponent in zip(scaling.offset, scaling.exponent, strict=True)
    ]
    score = scores.of(export("reconstruct", targets=targets, options={"background": ["a"]}))
    events = Events(x, np.zeros(30, np.int64), np.ones(30, np.float32))
    expected = Reconstruct().errors(outputs, events, scaling)
    np.testing.assert_allclose(score.many(outputs, x), expected, rtol=1e-12)
    assert score.one(outputs[4], x[4]) == pytest.approx(expected[4])
    signal = score.signal(np.array([0, 1, 2]))
    np.testing.assert_array_equal(signal, [False, True, True])  # type: ignore[arg-type]


def test_other_tasks_have_no_score() -> None:
    with pytest.raises(RecipeError, match="no score"):
        scores.of(export("segment"))
