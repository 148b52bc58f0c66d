"""What a search reads off a run: which figures there are, and which way is better."""

from __future__ import annotations

import numpy as np
import pytest

from hepnn.errors import RecipeError
from hepnn.run import Events
from hepnn.search import figures
from hepnn.tasks import get
from hepnn.tasks.scaling import Scaling

EVENTS = 400


def known(name: str) -> tuple[Events, np.ndarray, list[str]]:
    """Return events of a task, the outputs that are right, and what its outputs are called."""
    random = np.random.default_rng(1)
    x = random.normal(size=(EVENTS, 3)).astype(np.float32)
    weight = np.ones(EVENTS, np.float32)
    if name == "classify":
        y = random.integers(0, 3, EVENTS)
        return Events(x, y, weight), 6.0 * np.eye(3)[y], ["a", "b", "c"]
    if name == "segment":
        y = random.integers(0, 2, (EVENTS, 4, 4))
        return Events(x, y, weight), 6.0 * np.eye(2)[y], ["ground", "figure"]
    if name == "reconstruct":
        return Events(x, np.zeros(EVENTS, int), weight), x, []
    return Events(x, x, weight), x, ["a", "b", "c"]


@pytest.mark.parametrize("name", ["classify", "regress", "segment", "reconstruct", "generate"])
def test_the_direction_of_a_figure_is_that_in_which_outputs_are_right(name: str) -> None:
    events, right, names = known(name)
    zeros, labels = np.zeros(3), ("a", "b", "c")
    scaling = Scaling(zeros, zeros, zeros, units=("1",) * 3, names=labels)
    noise = np.random.default_rng(2).normal(size=right.shape)
    found = [
        get(name).evaluate(right + size * noise, events, names, 1, scaling) for size in (0.1, 8.0)
    ]
    judged = 0
    for figure in found[0]:
        try:
            figures.insist_on_metrics([figure], found[0])
        except RecipeError:
            continue
        good, bad = (figures.figure(one, figure) for one in found)
        if good != bad:
            assert (good < bad) == figures.less_is_better(figure), figure
            judged += 1
    assert judged >= 2


def test_what_is_no_aim_or_no_number_is_refused() -> None:
    reached = {
        "bias": {"mass": 0.1},
        "confusion": [[1]],
        "auc": {"a": None, "b": 0.9},
        "loss": None,
    }
    for name, message in (
        ("bias.mass", "neither more nor less of it is better"),
        ("confusion", "is no number"),
        ("acu", "did you mean 'auc'"),
    ):
        with pytest.raises(RecipeError, match=message):
            figures.insist_on_metrics([name], reached)
    figures.insist_on_metrics(["auc"], reached)
    with pytest.raises(RecipeError, match="is not known of these events"):
        figures.figure(reached, "auc")
    with pytest.raises(RecipeError, match="give a metric; known: "):
        figures.usual({"loss": None, "events": 3})
