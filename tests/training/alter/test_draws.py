"""Random numbers without a state: the same wherever they are drawn, and as random as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

pytestmark = pytest.mark.usefixtures("tensorflow")


def _draw(step: int, compiled: bool = False, seed: tuple[int, ...] = (3, 1)) -> list[np.ndarray]:
    import tensorflow as tf

    from hepnn.training.alter.draws import Draws

    def draw(step: Any) -> Any:
        draws = Draws(seed, step)
        return draws.uniform([400, 50]), draws.normal([400, 50]), draws.happens([400, 50], 0.3)

    function = tf.function(draw, jit_compile=compiled)
    return [one.numpy() for one in function(tf.constant(step, tf.int64))]


def test_inside_and_outside_of_xla_they_are_the_same() -> None:
    plain, compiled = _draw(7), _draw(7, compiled=True)
    assert np.array_equal(plain[0], compiled[0])
    assert np.allclose(plain[1], compiled[1], atol=1e-4)
    assert np.array_equal(plain[2], compiled[2])


def test_they_follow_from_seed_and_step_alone() -> None:
    assert np.array_equal(_draw(7)[0], _draw(7)[0])
    others = [_draw(8)[0], _draw(7, seed=(4, 1))[0], _draw(7, seed=(3, 2))[0]]
    for other in others:
        assert abs(np.corrcoef(_draw(7)[0].ravel(), other.ravel())[0, 1]) < 0.03


def test_they_are_distributed_as_they_say() -> None:
    uniform, normal, happened = _draw(7)
    assert stats.kstest(uniform.ravel(), "uniform").pvalue > 0.001
    assert stats.kstest(normal.ravel(), "norm").pvalue > 0.001
    assert stats.binomtest(int(happened.sum()), happened.size, 0.3).pvalue > 0.001
    assert uniform.min() > 0 and uniform.max() < 1 and np.isfinite(normal).all()
