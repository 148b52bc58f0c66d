"""What long trainings need: to be stopped, gone on with, and watched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from clouds import small_recipe

from hepnn import pipeline
from hepnn.errors import HepnnError
from hepnn.recipe import Architecture, Fit, Prune
from hepnn.run import Events, open_run

pytestmark = pytest.mark.usefixtures("tensorflow")


class Stopped(Exception):
    """Stands for a kill right after an epoch."""


def _trained(
    fed: Any,
    engine: str,
    checkpoint: Path | None,
    stop: int = -1,
    seed: int = 1,
    dropout: float = 0.3,
) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Prune a network with dropout; return its weights and history."""
    import keras

    from hepnn import compress
    from hepnn.data import scaling
    from hepnn.tasks.classify import Classify
    from hepnn.training import fit, network

    keras.utils.set_random_seed(seed)
    architecture = Architecture(name="mlp", hidden=[8], dropout=dropout)
    events = fed if isinstance(fed, Events) else fed.read([(0, 500)])
    grid = scaling.standard(events.x)
    model = network.assemble(architecture, events.x.shape[1:], (3,), "float", grid)
    step = Prune(sparsity=0.5, end=0.5)
    plan = compress.plan(step, model, events.x)
    plan.prepare(model)

    def progress(epoch: int, logs: dict[str, float]) -> None:
        if epoch == stop:
            raise Stopped

    outcome = fit.fit(
        model,
        fed,
        events,
        Fit(epochs=5, batch=300, engine=engine),
        loss=Classify().loss(),
        metrics=Classify().metrics(),
        callbacks=plan.callbacks(5),
        seed=3,
        checkpoint=checkpoint,
        progress=progress,
    )
    return [variable.numpy() for variable in model.variables], outcome.history


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_dropout_and_masks_go_on_with_the_same_bits(
    events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr("hepnn.training.checkpoint.INTERVAL", 0.0)
    whole, history = _trained(events, engine, None)
    file = tmp_path / "checkpoint.npz"
    with pytest.raises(Stopped):
        _trained(events, engine, file, stop=2)
    # Another seed: everything that is random has to come from the file.
    resumed, of_resumed = _trained(events, engine, file, seed=2)
    assert of_resumed == history
    for ours, theirs in zip(resumed, whole, strict=True):
        assert np.array_equal(ours, theirs)
    assert any(np.mean(kernel == 0) == 0.5 for kernel in resumed if kernel.ndim == 2)


@pytest.fixture
def stream(events: Events, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return events on disk in five pieces, whose state is saved behind each."""
    from hepnn.data import feed
    from hepnn.training import checkpoint

    row = events.x[0].nbytes
    monkeypatch.setattr(feed, "BLOCK_BYTES", 64 * row)
    monkeypatch.setattr(feed, "PIECE_BYTES", 450 * row)
    monkeypatch.setattr(checkpoint, "WITHIN", 0.0)
    store = feed.Store(tmp_path / "store")
    weight = np.where(events.y == 0, 3.0, 0.5).astype(np.float32)
    nothing = np.empty((len(events), 0), np.float32)
    store.append(x=events.x, y=events.y, weight=weight, observers=nothing)
    store.close()
    return feed.Stream(tmp_path / "store")


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_a_long_epoch_goes_on_in_its_middle_with_the_same_bits(
    stream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    from hepnn.training.checkpoint import Checkpoint, Done

    whole, history = _trained(stream, engine, None)
    file = tmp_path / "checkpoint.npz"
    save = Checkpoint.save

    def save_and_die(self: Any, done: Done, last: bool = False) -> None:
        save(self, done, last)
        if (done.epochs, done.pieces) == (2, 3):
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(Stopped):
            _trained(stream, engine, file)
    done = Checkpoint(file, None, [], 1.0).done()
    assert (done.epochs, done.pieces, done.steps) == (2, 3, 3)
    resumed, of_resumed = _trained(stream, engine, file, seed=2)
    assert of_resumed == history
    for ours, theirs in zip(resumed, whole, strict=True):
        assert np.array_equal(ours, theirs)


def test_of_a_stream_both_engines_give_the_same_means(stream: Any) -> None:
    loop, fit = (_trained(stream, one, None, dropout=0.0)[1] for one in ("epoch", "keras"))
    # The weights of pieces differ, and the mean is over all events with theirs.
    for name in ("loss", "accuracy"):
        assert loop[name][0] == pytest.approx(fit[name][0], rel=1e-5), name


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_new_rate_changes_what_was_saved_by_as_much(precision: str, tmp_path: Path) -> None:
    import keras

    from hepnn.training import optimizers
    from hepnn.training.checkpoint import Checkpoint, Done

    def compiled(rate: float) -> Any:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        plan = Fit(learning_rate=rate, precision=precision)
        model.compile(optimizers.optimizer(plan, 1), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    path = tmp_path / "checkpoint.npz"
    Checkpoint(path, compiled(0.5), [], 0.5).save(Done(epochs=1), last=True)
    model = compiled(0.05)
    saved = Checkpoint(path, model, [], 0.05)
    assert saved.done().epochs == 1
    saved.restore()
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)


@pytest.fixture
def recipe(clouds_folder: Path) -> dict[str, Any]:
    """Return a recipe of a float stage alone."""
    settings = {"epochs": 4, "batch": 300, "optimizer": "sgd", "learning_rate": 0.01}
    return {**small_recipe(clouds_folder), "compress": [], "fit": settings}


def test_nan_keeps_the_last_good_weights_and_a_smaller_rate_goes_on(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    from hepnn.training import network

    recipe["fit"]["learning_rate"] = 1e12
    with pytest.raises(HepnnError) as caught:
        pipeline.train(recipe, runs=tmp_path, name="steep")
    message = str(caught.value)
    run = open_run(tmp_path / "steep")
    assert message.startswith("stage float: NaN or infinity in epoch 1 at step ")
    assert caught.value.exit_code == 2 and "\n" not in message
    assert f"hepnn train --resume {run} --set fit.learning_rate=1e+11" in message
    assert run.manifest["status"] == "failed"
    kept = run.path / "stages" / "float" / "last_good.keras"
    assert all(np.all(np.isfinite(v.numpy())) for v in network.load_model(kept).variables)
    with pytest.raises(HepnnError, match="takes new learning rates alone"):
        pipeline.resume(run, {"fit.batch": 10})
    gone_on = pipeline.resume(run, {"fit.learning_rate": 0.01})
    assert gone_on.stages == ["float"] and not kept.exists()
    assert gone_on.recipe.fit.learning_rate == 0.01
    assert gone_on.manifest["changed"] == [{"fit.learning_rate": 0.01}]


def test_a_checkpoint_of_another_architecture_is_one_line(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hepnn.training import checkpoint, fit

    def stop(*_: Any, **__: Any) -> None:
        raise Stopped

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(fit.Best, "on_train_end", stop)
        with pytest.raises(Stopped):
            pipeline.train(recipe, runs=tmp_path, name="run")
    saved = tmp_path / "run" / "stages" / "float" / "checkpoint.npz"
    assert checkpoint.Checkpoint(saved, None, [], 1.0).done().epochs == 4
    for hidden in ([8, 9], [8], [8, 8, 3]):
        copy = tmp_path / f"copy{len(hidden)}{hidden[-1]}"
        shutil.copytree(tmp_path / "run", copy)
        changed = yaml.safe_load((copy / "recipe.yaml").read_text())
        changed["architecture"]["hidden"] = hidden
        (copy / "recipe.yaml").write_text(yaml.safe_dump(changed))
        with pytest.raises(HepnnError, match="checkpoint.npz is of another network: it has "):
            pipeline.resume(open_run(copy))


def scalars(tf: Any, folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what TensorBoard would show: by name, step and value."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in folder.glob("events.*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for one in event.summary.value:
                values = tf.make_ndarray(one.tensor)
                if values.ndim == 0 and values.dtype.kind == "f":
                    found.setdefault(one.tag, []).append((event.step, float(values)))
    return found


def test_without_tensorboard_the_command_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    from hepnn.errors import MissingDependency
    from hepnn.training.tensorboard import TensorBoard

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'hepnn\[monitor\]'"):
        TensorBoard(tmp_path, 100)


def test_tensorboard_gets_the_history(recipe: dict[str, Any], tmp_path: Path) -> None:
    import tensorflow as tf

    pytest.importorskip("tensorboard", reason="needs the extra monitor")

    recipe["fit"]["tensorboard"] = True
    run = pipeline.train(recipe, runs=tmp_path, name="watched")
    lines = (run.stage("float") / "history.csv").read_text().splitlines()
    known = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    for part, name, column in (
        ("train", "loss", "loss"),
        ("validation", "loss", "val_loss"),
        ("train", "learning_rate", "learning_rate"),
    ):
        read = scalars(tf, run.path / "tensorboard" / "float" / part)
        found = read[name]
        wanted = [(int(row["epoch"]), float(row[column])) for row in known]
        assert [step for step, _ in found] == [step for step, _ in wanted]
        assert [v for _, v in found] == pytest.approx([v for _, v in wanted], rel=1e-6)
    assert "events_per_second" in scalars(tf, run.path / "tensorboard" / "float" / "train")
