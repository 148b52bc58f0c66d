"""Every optimizer, schedule, loss and penalty by its line of the recipe, in both engines."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from hepnn import tasks
from hepnn.declarations import tags_of
from hepnn.recipe import Architecture, ClassifyTask, Fit, RegressTask
from hepnn.recipe.losses import AnyClassLoss, AnyRegressLoss
from hepnn.recipe.optimizers import AnyOptimizer
from hepnn.recipe.schedules import AnySchedule
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

#: What a line of these names needs besides.
SETTINGS: dict[str, dict[str, Any]] = {
    "step": {"every": 1},
    "plateau": {"patience": 1, "least": 10.0},
    "cosine": {"warmup": 0.3},
    "categorical_crossentropy": {"smoothing": 0.1},
    "binary_crossentropy": {"smoothing": 0.2},
    "huber": {"delta": 0.5},
    "quantile": {"q": 0.9},
    "adadelta": {"weight_decay": 0.1},
}

DECLARED: dict[str, Any] = {"classify": ClassifyTask, "regress": RegressTask}

RATES = {"adadelta": 1.0, "adagrad": 0.1, "lion": 1e-3}

BESIDES: list[dict[str, Any]] = [
    {"regularize": {"l1": 1e-2}},
    {"regularize": {"l2": 1e-2}, "clip": {"global_norm": 0.1}},
    {"regularize": {"l3": 1e-2}, "clip": {"norm": 0.1}},
    {"regularize": {"l1": 1e-3, "l2": 1e-3}, "average": 0.9},
    {"clip": {"value": 0.05}, "average": 0.5},
    {"freeze": "dense1"},
]


def names(union: Any) -> list[str]:
    """Return the names of a union of declarations."""
    return [tag for model in get_args(get_args(union)[0]) for tag in tags_of(model)]


def _rows() -> list[dict[str, Any]]:
    losses = [("classify", name) for name in names(AnyClassLoss)]
    losses += [("regress", name) for name in names(AnyRegressLoss)]
    optimizers, schedules = names(AnyOptimizer), names(AnySchedule)
    length = max(len(optimizers), len(schedules), len(losses), len(BESIDES))
    columns = (islice(cycle(c), length) for c in (optimizers, schedules, losses, BESIDES))
    return [
        {"optimizer": optimizer, "schedule": schedule, "task": task, **besides}
        for optimizer, schedule, task, besides in zip(*columns, strict=True)
    ]


def small(task: str, loss: str, seed: int = 0) -> Events:
    """Return events that a task can be learned from."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(96, 3)).astype(np.float32)
    if task == "regress":
        y = (x[:, :2] ** 2 + 0.1 * rng.normal(size=(96, 2))).astype(np.float32)
    else:
        y = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 1) * (loss != "binary_crossentropy")
    return Events(x, y, rng.uniform(0.5, 2.0, 96).astype(np.float32))


def train(engine: str, row: dict[str, Any], **more: Any) -> tuple[Any, Any]:
    """Train a small network by a line; return it and what the fit did."""
    import keras

    from hepnn.data import scaling
    from hepnn.training import fit, network

    row = dict(row)
    task_name, loss = row.pop("task", ("classify", "sparse_categorical_crossentropy"))
    for key in ("optimizer", "schedule"):
        if isinstance(row.get(key), str):
            row[key] = {"name": row[key], **SETTINGS.get(row[key], {})}
    options: dict[str, Any] = {"loss": {"name": loss, **SETTINGS.get(loss, {})}}
    if task_name == "classify":
        options["class_weights"] = "balanced"
    task = tasks.get(DECLARED[task_name](name=task_name, **options))
    events = small(task_name, loss)
    labels = np.bincount(events.y) if task_name == "classify" else np.zeros(2, int)
    keras.utils.set_random_seed(1)
    shapes = task.shapes(events.x.shape[1:], [str(n) for n in range(len(labels))])
    architecture = Architecture(name="mlp", hidden=[6, 5])
    model = network.assemble(architecture, *shapes, "float", scaling.standard(events.x))
    name = row.get("optimizer", {"name": "adam"})["name"]
    settings = {"epochs": 3, "learning_rate": RATES.get(name, 0.02), "keep": "last", **row}
    if name != "gradient_descent":
        settings.setdefault("batch", 24)
    validation = more.pop("validation", None)
    outcome = fit.fit(
        model,
        events,
        validation,
        Fit(engine=engine, **settings),
        loss=task.loss(labels),
        metrics=task.metrics(),
        seed=3,
        **more,
    )
    return model, outcome


@pytest.mark.parametrize("row", _rows(), ids=lambda row: "-".join(map(str, row.values())))
def test_both_engines_take_the_same_steps(row: dict[str, Any]) -> None:
    if row["schedule"] == "plateau":
        row = {**row, "schedule": {"name": "plateau", "monitor": "loss", **SETTINGS["plateau"]}}
    loop, of_loop = train("epoch", row)
    keras_fit, of_fit = train("keras", row)
    assert (of_loop.engine, of_fit.engine) == ("epoch", "keras")
    assert set(of_loop.history) == set(of_fit.history)
    for key, values in of_loop.history.items():
        assert values == pytest.approx(of_fit.history[key], rel=1e-3, abs=1e-5), key
    assert ("gradient_norm" in of_loop.history) is ("clip" in row)
    for ours, theirs in zip(loop.variables, keras_fit.variables, strict=True):
        assert np.allclose(ours.numpy(), theirs.numpy(), atol=1e-3), ours.path
        assert ours.regularizer is None and theirs.regularizer is None


def test_the_kept_weights_are_the_average_and_are_validated() -> None:
    events = small("classify", "")
    for engine in ("epoch", "keras"):
        row = {"optimizer": "sgd", "average": 0.5, "learning_rate": 0.5}
        model, outcome = train(engine, row, validation=events)
        plain, raw = train(engine, {**row, "average": 0.0}, validation=events)
        # The same steps are taken, and something else is kept and looked at.
        assert outcome.history["loss"] == pytest.approx(raw.history["loss"], rel=1e-4)
        moved = [
            np.abs(a.numpy() - b.numpy()).max()
            for a, b in zip(model.trainable_variables, plain.trainable_variables, strict=True)
        ]
        assert min(moved) > 1e-5
        logits = np.asarray(model(events.x), np.float64)
        counts = np.bincount(events.y)
        weight = events.weight * (len(events) / (len(counts) * counts))[events.y]
        chosen = logits[np.arange(len(events)), events.y]
        lost = np.log(np.exp(logits).sum(axis=1)) - chosen
        assert outcome.history["val_loss"][-1] == pytest.approx(
            (lost * weight).sum() / len(events), rel=1e-4
        )


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_a_killed_fit_goes_on_with_the_same_bits(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hepnn.training import checkpoint

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    events = small("classify", "")
    row = {
        "optimizer": {"name": "sgd", "momentum": 0.9},
        "schedule": {"name": "plateau", "patience": 1, "least": 10.0, "warmup": 0.2},
        "average": 0.8,
        "clip": {"global_norm": 0.3},
        "regularize": {"l3": 1e-3},
        "epochs": 5,
        "keep": "best",
    }
    whole, at_once = train(engine, row, validation=events)

    def kill(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    path = tmp_path / "checkpoint.npz"
    with pytest.raises(KeyboardInterrupt):
        train(engine, row, validation=events, checkpoint=path, progress=kill)
    resumed, later = train(engine, row, validation=events, checkpoint=path)
    assert later.history == at_once.history
    rates = at_once.history["learning_rate"]
    assert rates[-1] < rates[1]  # it was lowered on the way
    for ours, theirs in zip(resumed.variables, whole.variables, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_a_broken_off_fit_leaves_nothing_on_the_network() -> None:
    from hepnn.recipe.regularizers import Regularize
    from hepnn.training import conditions

    model, _ = train("keras", {})
    trainable = [v.path for v in model.trainable_variables]
    with (
        pytest.raises(RuntimeError),
        conditions.frozen(model, ["dense*"]),
        conditions.penalized(model, Regularize(l1=1.0)),
        conditions.lowered(model, "mixed_bfloat16"),
    ):
        assert [v.path for v in model.trainable_variables] == ["logits/kernel", "logits/bias"]
        assert model.get_layer("dense2").compute_dtype == "bfloat16"
        assert model.losses
        raise RuntimeError
    assert [v.path for v in model.trainable_variables] == trainable
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert not model.losses
