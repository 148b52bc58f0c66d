"""The fit: one linear path from a compiled model to trained weights."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from hepnn.data.feed import Memory
from hepnn.errors import RecipeError
from hepnn.recipe import Fit
from hepnn.run import Events
from hepnn.training import conditions, engine, optimizers, rules
from hepnn.training.alter import alteration
from hepnn.training.alter.alteration import Alteration
from hepnn.training.callbacks import Best
from hepnn.training.checkpoint import Checkpoint, Done
from hepnn.training.choice import Choice, choose
from hepnn.training.devices import Devices
from hepnn.training.engine import Feed
from hepnn.training.finite import NotFinite

#: Called after each epoch with its number and logs.
Progress = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Outcome:
    """What a fit did.

    Attributes
    ----------
    history : dict
        Loss and metrics of every epoch, by name.
    engine, reason : str
        The driver, and why it was taken.
    seconds : float
        Wall time of this process's epochs.
    """

    history: dict[str, list[float]]
    engine: str
    reason: str
    seconds: float


@conditions.held
def fit(
    model: keras.Model,
    train: Feed | Events,
    validation: Events | None,
    plan: Fit,
    *,
    loss: Any,
    metrics: Sequence[Any] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    seed: int = 0,
    ready: float = 0.0,
    latent: int = 0,
    monitor: str = "val_loss",
    altered: Alteration | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    devices: Devices | None = None,
) -> Outcome:
    """Train a model.

    Parameters
    ----------
    model
        Its weights are changed.
    train
        What is trained on: events, in memory or streamed.
    validation
        Events that steer early stopping and the choice of the best epoch.
    plan
        Optimizer, schedule, batches, epochs, engine, and what holds during the fit alone
        (`hepnn.training.conditions`).
    loss, metrics
        Keras objects.
    callbacks
        Keras callbacks. One that is called after each batch needs the `keras` engine.
    seed
        Of the shuffling. Each epoch's order follows from it and the epoch's number alone.
    ready
        Fraction of the epochs before which no epoch is kept as the best: until then the model
        is not yet as compressed as it shall be.
    latent
        How many of the model's inputs are random numbers, drawn anew for every batch.
    monitor
        What the best epoch is the lowest of, unless early stopping says otherwise.
    altered
        What each training batch is changed by before the network sees it.
    checkpoint
        File that the state is saved to after an epoch, on one device between the pieces of a
        long one too, and that an earlier, killed fit is resumed from.
    progress
        Called after each epoch.
    devices
        What is trained on, where it is more than one device.

    Raises
    ------
    NotFinite
        If the loss or a weight becomes NaN or infinite; the model has the weights before that.
    RunError
        If a checkpoint is of another network, or a worker is lost.
    """
    train = Memory(train) if isinstance(train, Events) else train
    if plan.batch == "all" and not isinstance(train, Memory):
        raise RecipeError("fit.batch: all takes data in memory, not streamed: set stream: never")
    batch = plan.batch_of(len(train))
    steps = -(-len(train) // batch)

    def compiled(network: keras.Model, optimizer: Any, metrics: Sequence[Any]) -> Any:
        driven = rules.wrap(network, plan, steps, latent)
        driven.compile(optimizer=optimizer, loss=loss, weighted_metrics=list(metrics))
        if altered:
            altered.attach(driven, seed)
        driven.optimizer.build(driven.trainable_variables)
        return driven

    def again(network: keras.Model) -> Any:
        own = [type(one).from_config(one.get_config()) for one in metrics]
        return compiled(network, optimizers.optimizer(plan, steps), own)

    optimizer = optimizers.optimizer(plan, steps)
    driven = compiled(model, optimizer, metrics)
    try:
        best = Best(plan, first=int(ready * plan.epochs), monitor=monitor)
        callbacks = [*callbacks, *optimizers.followers(plan, optimizer), best]
        saved = None
        if checkpoint is not None:
            saved = Checkpoint(checkpoint, driven, callbacks, plan.learning_rate)
        done = Done() if saved is None else saved.done()
        shared = devices if devices is not None and devices.several else None
        driver: Any
        if shared is not None:
            from hepnn.training.distributed import Replicas

            choice = Choice("replicas", shared.reason)
            driver = Replicas(driven, again, train, validation, batch, callbacks, shared)
        else:
            wanted = done.engine if done.engine in engine.ENGINES else plan.engine
            choice = choose(model, train, batch, callbacks, wanted)
            driver = engine.driver(choice, driven, train, validation, batch, callbacks)
        if saved is not None:
            saved.restore()
        done = dataclasses.replace(done, engine=choice.engine)
        began = time.perf_counter()
        model.stop_training = False
        for callback in callbacks:
            callback.set_model(model)
            callback.on_train_begin()
        for epoch in range(done.epochs, plan.epochs):
            if best.stopped:
                break
            for callback in callbacks if not done.pieces else ():
                callback.on_epoch_begin(epoch)
            pieces = train.pieces(seed, epoch, batch, done.pieces)
            if saved is not None and shared is None:  # several have the state to themselves
                pieces = saved.between(pieces, done, batch)
            try:
                logs = driver.epoch(pieces, done.steps)
            except NotFinite as error:
                error.epoch = epoch
                raise
            with optimizers.averaged(driven):
                logs |= driver.validate()
                logs["learning_rate"] = float(driven.optimizer.learning_rate)
                for callback in callbacks:  # they may add to the logs
                    callback.on_epoch_end(epoch, logs)
            for name, value in logs.items():
                done.history.setdefault(name, []).append(float(value))
            done = dataclasses.replace(done, epochs=epoch + 1, pieces=0, steps=0)
            if saved is not None:
                saved.save(done, last=done.epochs == plan.epochs)
            if progress is not None:
                progress(epoch, logs)
            if model.stop_training:
                break
        optimizers.put_average(driven)
        for callback in callbacks:
            callback.on_train_end()
    finally:
        alteration.detach(driven)
        rules.release(driven)
    return Outcome(done.history, choice.engine, choice.reason, time.perf_counter() - began)
