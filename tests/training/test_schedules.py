"""The learning rate over the steps, against the equation of every schedule."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest

from hepnn.declarations import tags_of
from hepnn.errors import HepnnError, RecipeError
from hepnn.recipe import Fit, load
from hepnn.recipe.schedules import AnySchedule

pytestmark = pytest.mark.usefixtures("tensorflow")

ETA, EPOCHS, AN_EPOCH = 0.5, 10, 8
STEPS = EPOCHS * AN_EPOCH


def _one_cycle(s: int, steps: int, first: float, final: float) -> float:
    rise = round(0.3 * steps)
    if s < rise:
        return ETA * (first + (1 - first) * (1 - math.cos(math.pi * s / rise)) / 2)
    done = min((s - rise) / (steps - rise), 1)
    return ETA * (final + (1 - final) * (1 + math.cos(math.pi * done)) / 2)


#: Settings, and the rate at the step s of S.
EQUATIONS: list[tuple[dict[str, Any], Any]] = [
    ({"name": "constant"}, lambda s, S: ETA),
    ({"name": "step", "every": 3, "factor": 0.5}, lambda s, S: ETA * 0.5 ** (s // 24)),
    (
        {"name": "step", "at": [2, 7], "factor": 0.1},
        lambda s, S: ETA * 0.1 ** ((s >= 16) + (s >= 56)),
    ),
    ({"name": "exponential", "final": 0.01}, lambda s, S: ETA * 0.01 ** (s / S)),
    ({"name": "inverse_time", "half": 2}, lambda s, S: ETA / (1 + s / 16)),
    (
        {"name": "cosine", "final": 0.1},
        lambda s, S: ETA * (0.1 + 0.9 * (1 + math.cos(math.pi * s / S)) / 2),
    ),
    (
        {"name": "cosine", "epochs": 4},
        lambda s, S: ETA * (1 + math.cos(math.pi * min(s / 32, 1))) / 2,
    ),
    ({"name": "one_cycle"}, lambda s, S: _one_cycle(s, S, 0.04, 4e-6)),
    (
        {"name": "one_cycle", "epochs": 5, "first": 0.1, "final": 0.2},
        lambda s, S: _one_cycle(s, 40, 0.1, 0.2),
    ),
    ({"name": "plateau", "patience": 2}, lambda s, S: ETA),
]


def _rates(schedule: dict[str, Any]) -> np.ndarray:
    from hepnn.training import schedules

    made = schedules.of(Fit(epochs=EPOCHS, learning_rate=ETA, schedule=schedule), AN_EPOCH)
    return np.array([float(made(step)) if callable(made) else made for step in range(STEPS)])


def test_every_schedule_of_the_recipe_has_an_equation_here() -> None:
    declared = {tag for model in get_args(get_args(AnySchedule)[0]) for tag in tags_of(model)}
    assert declared == {settings["name"] for settings, _ in EQUATIONS}


@pytest.mark.parametrize(("settings", "equation"), EQUATIONS)
def test_rates_are_those_of_the_equation(settings: dict[str, Any], equation: Any) -> None:
    expected = [equation(step, STEPS) for step in range(STEPS)]
    assert _rates(settings) == pytest.approx(np.array(expected), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("settings", "equation"), EQUATIONS)
def test_each_has_a_warm_up(settings: dict[str, Any], equation: Any) -> None:
    warm = round(0.2 * STEPS)
    first = equation(0, STEPS - warm)
    expected = [first * step / warm for step in range(warm)]
    expected += [equation(step, STEPS - warm) for step in range(STEPS - warm)]
    found = _rates({**settings, "warmup": 0.2})
    assert found == pytest.approx(np.array(expected), rel=1e-4, abs=1e-6)


def test_a_plateau_lowers_the_rate_after_its_patience() -> None:
    import keras

    from hepnn.recipe.schedules import Plateau as Declared
    from hepnn.training.schedules import Lowered, Plateau

    rate = Lowered(1.0)
    rate.factor = keras.Variable(1.0)
    wanted = Declared(patience=2, factor=0.5, least=0.1, final=0.2)
    callback = Plateau(wanted, rate)
    seen = []
    for value in (3.0, 2.0, 1.95, 1.96, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0):
        callback.on_epoch_end(0, {"val_loss": value})
        seen.append(float(rate(0)))
    # 1.95 is not better by more than 0.1: two epochs without anything better are up at 1.96.
    assert seen == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.2, 0.2, 0.2])
    with pytest.raises(RecipeError, match="no 'val_loss'; did you mean 'val_losses'"):
        callback.on_epoch_end(0, {"val_losses": 1.0})


def test_of_an_accuracy_a_plateau_is_that_it_does_not_rise() -> None:
    import keras

    from hepnn.recipe.schedules import Plateau as Declared
    from hepnn.training.schedules import Lowered, Plateau

    rate = Lowered(1.0)
    rate.factor = keras.Variable(1.0)
    callback = Plateau(Declared(patience=1, monitor="val_accuracy"), rate)
    seen = []
    for value in (0.5, 0.6, 0.7, 0.65):
        callback.on_epoch_end(0, {"val_accuracy": value})
        seen.append(float(rate(0)))
    assert seen == [1.0, 1.0, 1.0, 0.5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fit.schedule": {"name": "step", "every": 999}}, "longer than the training's 120"),
        ({"fit.schedule": {"name": "step", "at": [3, 121]}}, "needs 121 epochs, longer"),
        ({"fit.schedule": {"name": "cosine", "epochs": 200}}, "longer than the training's 120"),
        (
            {"fit.schedule": {"name": "one_cycle", "epochs": 120, "warmup": 0.1}},
            "needs 120 epochs and 12 of warm-up, longer than the training's 120",
        ),
        ({"fit.schedule": {"name": "plateau", "patience": 120}}, "needs 121 epochs"),
        (
            {"fit.schedule": {"name": "step", "every": 70}},
            r"compress.prune.fit: schedule step needs 70 epochs, longer than the training's 60",
        ),
        ({"fit.schedule": "cosin"}, "fit.schedule: unknown 'cosin'; did you mean 'cosine'"),
        ({"fit.schedule": {"name": "constant", "final": 0.1}}, "unknown key 'fit.schedule.final'"),
        ({"fit.schedule": {"name": "step"}}, "one of every and at"),
        ({"fit.schedule": {"name": "step", "at": [4, 2]}}, "rising order"),
        ({"fit.learning_rate": "fast"}, "fit.learning_rate: Input should be a valid number"),
        ({"fit.learning_rate": math.nan}, "fit.learning_rate"),
        ({"fit.learning_rate": math.inf}, "fit.learning_rate: Input should be a finite number"),
        ({"fit.learning_rate": -1}, "fit.learning_rate: Input should be greater than 0"),
        ({"fit.optimizer": "adm"}, "fit.optimizer: unknown 'adm'; did you mean 'adam'"),
        ({"fit.optimizer": {"name": "sgd", "momentun": 0.9}}, "did you mean 'momentum'"),
        ({"fit.optimizer": "gradient_descent"}, "batch: all"),
        ({"fit.batch": "al"}, "fit.batch: Input should be a valid integer"),
        ({"fit.clip": {"norm": 1, "value": 1}}, "fit.clip: clip has one of"),
        ({"fit.regularize": {"l4": 1}}, "unknown key 'fit.regularize.l4'; known: l1, l2, l3"),
        ({"compress.quantize.fit.precision": "mixed_float16"}, "exact in float32 only"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HepnnError, match=message) as caught:
        load("jet-tagger", changes)
    assert "\n" not in str(caught.value)


def test_short_forms_and_single_keys_can_be_set() -> None:
    def fit(**changes: Any) -> Fit:
        return load(
            "jet-tagger", {f"fit.{k.replace('__', '.')}": v for k, v in changes.items()}
        ).fit

    assert fit(optimizer="sgd").optimizer.model_dump()["momentum"] == 0.0
    assert fit(optimizer__beta_1=0.5).optimizer.model_dump()["beta_1"] == 0.5
    whole = fit(optimizer="gradient_descent", batch="all")
    assert whole.batch_of(70000) == 70000
    assert Fit(optimizer="gradient_descent").batch == "all"
    both = load("jet-tagger", {"fit.optimizer": "lion", "fit.optimizer.beta_2": 0.9}).fit
    assert both.optimizer.model_dump(exclude_defaults=True) == {"beta_2": 0.9}
    # What runs have kept from before schedules had keys of their own.
    assert fit(schedule={"name": "constant", "final": 0.0, "warmup": 0.0}).schedule.warmup == 0.0
