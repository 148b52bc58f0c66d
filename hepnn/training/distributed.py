"""The driver over several devices, of one machine or of many: data-parallel training.

Each device holds a replica of the network and takes its even share of every batch. Its loss is
divided by the number of devices, and `optimizer.apply` adds the gradients up over all of them:
with equal shares this is the gradient of the mean over the whole batch, as one device has it, and
penalties that are no mean over events, such as EBOPs, count once. TensorFlow exchanges the
gradients (`tf.distribute`), and the sums of loss and metrics.

Between epochs the network itself, on one device, is what callbacks, checkpoints and everything
after the fit see: its state goes to the replicas before an epoch, and comes back after it. Every
worker reads all data, and makes the same order of them from the seed, so that only gradients
travel.

What a layer learns from the batch itself is learned from all of it: batch normalization takes
mean and variance over all devices (Keras's `synchronized`), and HGQ2's quantizers the largest
range. Random layers draw differently on each device, and so differently from one device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hepnn.data.feed import Memory
from hepnn.errors import RecipeError
from hepnn.run import Events
from hepnn.training import engine, finite, optimizers
from hepnn.training.choice import batch_level
from hepnn.training.devices import Devices
from hepnn.training.rules import RULES, Rule

#: Types of variables that TensorFlow has no collective operation for.
_NARROW = (tf.uint8, tf.int8, tf.uint16, tf.int16, tf.uint32)


class Replicas:
    """The driver.

    Parameters
    ----------
    driven
        Compiled model, on one device.
    again
        Makes another compiled model of a copy of the network.
    train, validation
        What is trained on, and the events that are looked at after each epoch.
    batch
        Events of a step, over all devices. Of a last, smaller batch those that cannot be shared
        evenly, fewer than there are devices, are left out.
    callbacks
        Of the fit.
    devices
        With an open strategy.

    Raises
    ------
    RecipeError
        If the network, the batch or a callback is for one device only.
    RunError
        If a worker is lost.
    """

    def __init__(
        self,
        driven: keras.Model,
        again: Callable[[keras.Model], Any],
        train: engine.Feed,
        validation: Events | None,
        batch: int,
        callbacks: Sequence[keras.callbacks.Callback],
        devices: Devices,
    ) -> None:
        self._strategy = devices.strategy
        self._count = self._strategy.num_replicas_in_sync
        _insist(driven, batch, self._count, callbacks)
        self._driven = driven
        self._batch = batch
        self._weighted = train.weighted
        self._devices = devices
        self._held = None
        if isinstance(train, Memory):
            self._held = self._on_each(train.events)
        self._validation = engine.Validation(driven, validation, batch)
        scope, wide = self._strategy.scope(), tf.variable_creator_scope(_widened)
        with devices.talking(), scope, wide:
            self._twin = _copy(driven, again)
            self._twin.optimizer.build(self._twin.trainable_variables)
            first = train.events if isinstance(train, Memory) else train.first()
            one = tuple(t[:1] for t in engine.tensors(first, train.weighted))
            self._twin._symbolic_build(data_batch=one)  # noqa: SLF001 - as Keras's own fit does
            self._twin.reset_metrics()
        self._state = finite.State(self._twin, sums=False)
        driven.optimizer.build(driven.trainable_variables)
        driven._symbolic_build(data_batch=one)  # noqa: SLF001
        driven.reset_metrics()
        self._own_state = finite.State(driven)
        self._loop = tf.function(self._train_steps)
        # Each where it is, or as a graph: operations between workers that are new wait for a lost
        # one until its silence is noticed, those that have run before fail at once.
        self._reset = tf.function(lambda: self._strategy.run(self._twin.reset_metrics))
        self._results = tf.function(self._twin.get_metrics_result)

    def epoch(self, pieces: engine.Pieces, before: int = 0) -> dict[str, float]:
        """Train on events in the given order; return the means of loss and metrics.

        Parameters
        ----------
        pieces
            Events, and the order to train on them.
        before
            Steps of the epoch that one device did before a kill; their sums are left out.

        Raises
        ------
        NotFinite
            If the loss or a weight becomes NaN or infinite.
        RunError
            If a worker is lost.
        """
        with self._devices.talking():
            self._send()
            self._reset()
            for events, order in pieces:
                tensors = self._held or self._on_each(events)
                start = self._state.take()
                trained, good = self._train(tensors, order, len(order))
                if not good or not self._good():
                    self._look_into(events, tensors, order, start, trained - 1, before)
                before += trained
            found = {name: float(value) for name, value in self._results().items()}
            self._bring()
        return found

    def validate(self) -> dict[str, float]:
        """Return loss and metrics on the validation events, prefixed `val_`.

        Each worker looks at all of them; what the chief finds counts, so that all of them stop
        after the same epoch.
        """
        logs = self._validation.logs()
        if self._devices.member is None or not logs:
            return logs
        values = self._devices.gather(np.array(list(logs.values()), np.float32))[0]
        return dict(zip(logs, values.tolist(), strict=True))

    def _train(self, data: Any, order: np.ndarray, limit: int) -> tuple[int, bool]:
        """Train so many steps at most; return how many there were, and whether all is finite."""
        trained = 0
        for part in engine.batched(order, self._batch):
            share = part.shape[1] // self._count
            if not part.size or not share or trained >= limit:
                continue
            steps = min(len(part), limit - trained)
            done, good = self._loop(data, self._shares(part, share), tf.constant(steps))
            trained += int(done)
            if not good:
                return trained, False
        return trained, True

    def _train_steps(self, data: Any, batches: Any, steps: Any) -> Any:
        def step(data: Any, batches: Any, number: Any) -> None:
            self._twin.train_step(tuple(tf.gather(t, batches[number]) for t in data))

        number, good = tf.constant(0), tf.constant(True)
        while tf.logical_and(number < steps, good):
            self._strategy.run(step, args=(data, batches, number))
            # The weights alone: they are the same everywhere, so that all workers stop together.
            good = _finite_weights(self._twin)
            number += 1
        return number, good

    def _look_into(
        self,
        events: Events,
        data: Any,
        order: np.ndarray,
        start: list[Any],
        seen: int,
        before: int,
    ) -> None:
        def train(steps: int) -> None:
            self._reset()
            self._state.put(start)
            self._train(data, order, steps)

        step = finite.first_bad(train, self._good, seen)
        self._bring()
        chosen = order[step * self._batch : (step + 1) * self._batch]
        batch = tuple(tf.gather(t, chosen) for t in engine.tensors(events, self._weighted))
        raise finite.NotFinite(before + step, finite.explain(self._driven, batch, self._own_state))

    def _good(self) -> bool:
        loss = float(self._results()["loss"])
        return bool(_finite_weights(self._twin)) and bool(np.isfinite(loss))

    def _send(self) -> None:
        """Give the replicas the network's state."""
        for twin, own in self._pairs():
            twin.assign(own.value)
        generators = [one.state for one in _generators(self._twin)]

        def part_ways() -> None:
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            for state in generators:
                state.assign(state.value + tf.cast([number, 0], state.value.dtype))

        if generators:
            self._strategy.run(part_ways)

    def _bring(self) -> None:
        """Give the network the state of the first replica."""
        for twin, own in self._pairs():
            own.assign(twin.numpy())

    def _pairs(self) -> list[tuple[Any, Any]]:
        sums = {id(one) for model in self._models for one in model.metrics_variables}
        ours, theirs = (
            [one for one in [*model.variables, *model.optimizer.variables] if id(one) not in sums]
            for model in self._models
        )
        return list(zip(ours, theirs, strict=True))

    @property
    def _models(self) -> tuple[Any, Any]:
        return self._twin, self._driven

    def _shares(self, part: np.ndarray, share: int) -> Any:
        """Return each device's share of batches `(batches, events)`."""

        def of_one(context: Any) -> Any:
            first = context.replica_id_in_sync_group * share
            return tf.constant(part[:, first : first + share], tf.int32)

        return self._strategy.experimental_distribute_values_from_function(of_one)

    def _on_each(self, events: Events) -> Any:
        """Return the events as tensors on each device."""
        places = self._strategy.extended.worker_devices

        def on_one(context: Any) -> Any:
            with tf.device(places[context.replica_id_in_sync_group % len(places)]):
                return engine.tensors(events, self._weighted)

        return self._strategy.experimental_distribute_values_from_function(on_one)


def _insist(
    driven: keras.Model, batch: int, count: int, callbacks: Sequence[keras.callbacks.Callback]
) -> None:
    """Refuse what is for one device only."""
    network = driven.network if isinstance(driven, Rule) else driven
    if isinstance(driven, Rule) and not driven.REPLICATED:
        asked = next((name for name in RULES if getattr(network, name, None)), "this fit.rule")
        raise RecipeError(f"{network.name}: training by {asked} is for one device alone")
    if batch % count:
        near = batch // count * count or count
        raise RecipeError(
            f"fit.batch: {batch} events cannot be shared evenly by {count} devices; {near} can"
        )
    for callback in callbacks:
        if batch_level(callback):
            name = type(callback).__name__
            raise RecipeError(f"{name} is called after each batch, which is for one device alone")


def _copy(driven: keras.Model, again: Callable[[keras.Model], Any]) -> Any:
    """Return a compiled copy of what is driven, which takes its batches' shares together."""
    network = driven.network if isinstance(driven, Rule) else driven
    # `clone_model` would compile the copy too, by a config that no own optimizer can have.
    clone = keras.Model.from_config(network.get_config())
    for ours, theirs in zip(clone.variables, network.variables, strict=True):
        for name in ("constraint", "regularizer", "trainable"):
            if getattr(ours, name) is not getattr(theirs, name):
                setattr(ours, name, getattr(theirs, name))
    for layer in clone._flatten_layers():  # noqa: SLF001 - with what layers hold inside
        if hasattr(layer, "synchronized"):
            layer.synchronized = True
        if hasattr(layer, "get_minimal_i"):
            layer.get_minimal_i = _over_all(layer.get_minimal_i)
        vars(layer)["_losses"] = _Losses()
    twin = again(clone)
    _add_up(twin.optimizer)
    return twin


def _add_up(optimizer: Any) -> None:
    """Let an optimizer see the gradient of the whole batch.

    Keras adds the devices' shares up last: behind clipping, and behind the look for infinities
    of what scales the loss.
    """
    innermost = optimizers.inner(optimizer)
    apply, summed = optimizer.apply, innermost._all_reduce_sum_gradients  # noqa: SLF001

    def of_all(gradients: Any, variables: Any) -> None:
        pairs = summed(zip(gradients, variables, strict=True))
        apply([gradient for gradient, _ in pairs], variables)

    vars(optimizer)["apply"] = of_all
    vars(innermost)["_all_reduce_sum_gradients"] = lambda pairs: pairs


class _Losses(threading.local):
    """Losses that a layer adds, of each replica its own.

    Replicas on one machine are threads that run the same layers, and take turns where they wait
    for each other in the middle of a network.
    """

    def __init__(self) -> None:
        self._held: list[Any] = []

    def extend(self, losses: Any) -> None:
        self._held.extend(losses)

    def clear(self) -> None:
        self._held.clear()

    def __getitem__(self, part: slice) -> list[Any]:
        return self._held[part]


def _over_all(smallest: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return HGQ2's integer bits that a batch needs, over the shares of all devices."""

    def over_all(inputs: Any) -> Any:
        bits = smallest(inputs)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return bits
        return tf.reduce_max(context.all_gather(tf.stop_gradient(bits)[None], axis=0), axis=0)

    return over_all


def _widened(make: Callable[..., Any], **settings: Any) -> Any:
    """Make a variable of a type that can be sent to other workers."""
    dtype, initial = settings.get("dtype"), settings["initial_value"]
    if dtype is not None and tf.as_dtype(dtype) in _NARROW:
        settings["dtype"] = tf.int64
        settings["initial_value"] = lambda: tf.cast(
            initial() if callable(initial) else initial, tf.int64
        )
    return make(**settings)


def _finite_weights(model: keras.Model) -> Any:
    finites = [tf.reduce_all(tf.math.is_finite(one.value)) for one in model.trainable_variables]
    return tf.reduce_all(finites)


def _generators(model: keras.Model) -> list[Any]:
    """Return what draws random numbers in a model."""
    seen = {
        id(generator): generator
        for layer in model._flatten_layers()  # noqa: SLF001 - with what layers hold inside
        for generator in layer._seed_generators
    }
    return list(seen.values())
