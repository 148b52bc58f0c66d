"""Scores: what the task itself calls probability, or error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hepnn.errors import RecipeError
from hepnn.run import Events
from hepnn.tasks import regress
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


def predicting(*transforms: str) -> Any:
    units = ("GeV", "1", "ns")
    targets = [
        {"name": name, "unit": unit, "scaling": scaling, "offset": offset, "exponent": exponent}
        for name, unit, scaling, offset, exponent in zip(
            "abc", units, transforms, (40.0, -0.5, 3.0), (5, -3, 1), strict=False
        )
    ]
    return export("regress", len(transforms), targets=targets, names=tuple("abc"[: len(targets)]))


def test_the_score_of_a_regression_is_the_quantity() -> None:
    outputs = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
    scaling = Scaling(np.array([40.0, -0.5, 3.0]), np.array([5, -3, 1]), np.zeros(3), ())
    expected = regress.decode(outputs, scaling)
    expected = np.stack([expected[:, 0], np.sinh(expected[:, 1]), np.exp(expected[:, 2])], axis=1)
    found = predicting("standard", "asinh", "log")
    for place, (name, title) in enumerate((("a", "a in GeV"), ("b", "b"), ("c", "c in ns"))):
        score = scores.of(found, [name])
        assert (score.title, score.chosen) == (title, (place,))
        assert score.signal(np.zeros((40, 3))) is None
        np.testing.assert_allclose(score.many(outputs, outputs), expected[:, place], rtol=1e-13)
        one = [score.one(event, event) for event in outputs]
        np.testing.assert_allclose(one, expected[:, place], rtol=1e-13)


def test_a_quantity_that_is_too_large_is_infinite() -> None:
    for scaling, low in (("log", 0.0), ("asinh", -np.inf)):
        score = scores.of(predicting(scaling))
        values = np.array([[1e6], [-1e6]], np.float32)
        assert score.many(values, values).tolist() == [np.inf, low]
        assert [score.one(event, event) for event in values] == [np.inf, low]


def test_a_cut_is_on_one_quantity() -> None:
    with pytest.raises(RecipeError, match="on one quantity, as in --signal a"):
        scores.of(predicting("none", "none"))
    with pytest.raises(RecipeError, match="on one quantity"):
        scores.of(predicting("none", "none"), ["a", "b"])
    with pytest.raises(RecipeError, match="no quantity 'z'; known: a, b"):
        scores.of(predicting("none", "none"), ["z"])


def test_other_tasks_have_no_score() -> None:
    with pytest.raises(RecipeError, match="no score"):
        scores.of(export("segment"))
