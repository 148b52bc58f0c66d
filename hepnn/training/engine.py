"""One train step, driven in three ways.

`epoch`
    A whole epoch is one XLA-compiled loop over the batches of a shuffled copy of the data; Python
    is entered once an epoch. Data streamed from disk come in pieces, with one such loop each.
`graph`
    The same loop as a TensorFlow graph, not compiled: for work that threaded kernels do faster
    than XLA's code on a CPU.
`keras`
    `model.fit`'s own path, an epoch at a time.

All run `model.train_step` on the same batches in the same order, so that losses, metrics,
sample weights, regularizers, EBOPs and constraints are Keras's own in all, and the numbers
differ by the order of float32 sums only. What dropout sets to zero differs too: TensorFlow draws
other numbers inside XLA than outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hepnn.data.feed import Memory, Piece, Stream
from hepnn.run import Events
from hepnn.training import finite
from hepnn.training.choice import Choice, batch_level

#: What a fit is fed from.
Feed = Memory | Stream

#: An epoch's events.
Pieces = Iterable[Piece]

#: Events of the validation set that are looked at together.
VALIDATION_BATCH = 16384


class EpochLoop:
    """The whole-epoch driver.

    Parameters
    ----------
    model
        Compiled model.
    train, validation
        What is trained on, and the events that are looked at after each epoch. Events in memory
        are held as tensors.
    batch
        Events a step. A last, smaller batch is a step too.
    compiled
        Whether XLA compiles the loop.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Feed,
        validation: Events | None,
        batch: int,
        compiled: bool = True,
    ) -> None:
        self._model = model
        self._batch = batch
        self._weighted = train.weighted
        self._held = tensors(train.events, train.weighted) if isinstance(train, Memory) else None
        self._validation = Validation(model, validation, batch, compiled)
        self._loops = loops(self._train_steps, compiled)
        # Variables made on the first call must exist before the loop is compiled.
        model.optimizer.build(model.trainable_variables)
        first = self._held or tensors(train.first(), train.weighted)
        one = tuple(t[:1] for t in first)
        model._symbolic_build(data_batch=one)  # noqa: SLF001 - as Keras's own fit does
        model.reset_metrics()
        self._state = finite.State(model)

    def epoch(self, pieces: Pieces, before: int = 0) -> dict[str, float]:
        """Train on events in the given order; return the means of loss and metrics.

        Parameters
        ----------
        pieces
            Events, and the order to train on them.
        before
            Steps of the epoch that were done before a kill; their sums are in the metrics.

        Raises
        ------
        NotFinite
            If the loss or a weight becomes NaN or infinite.
        """
        if not before:
            self._model.reset_metrics()
        for events, order in pieces:
            data = self._held or tensors(events, self._weighted)
            # Neighbours in a copy are read faster than a batch is gathered, step by step.
            shuffled = tuple(tf.gather(t, tf.constant(order, tf.int32)) for t in data)
            start = self._state.take()
            trained, good = self._train(shuffled, len(order))
            if not good:
                self._look_into(shuffled, start, trained - 1, before)
            before += trained
        return _logs(self._model)

    def validate(self) -> dict[str, float]:
        """Return loss and metrics on the validation events, prefixed `val_`."""
        return self._validation.logs()

    def _train(self, data: tuple[Any, ...], limit: int) -> tuple[int, bool]:
        """Train so many steps at most; return how many there were, and whether all is finite."""
        trained = 0
        for loop, part in zip(self._loops, cut(data, self._batch), strict=True):
            if part is not None and trained < limit:
                steps = tf.constant(min(len(part[0]), limit - trained), tf.int32)
                done, good = loop(part, steps)
                trained += int(done)
                if not good:
                    return trained, False
        return trained, True

    def _train_steps(self, batches: tuple[Any, ...], steps: Any) -> Any:
        number, good = tf.constant(0), tf.constant(True)
        while tf.logical_and(number < steps, good):
            self._model.train_step(tuple(part[number] for part in batches))
            good = finite.healthy(self._model)
            number += 1
        return number, good

    def _look_into(self, data: tuple[Any, ...], start: list[Any], seen: int, before: int) -> None:
        def train(steps: int) -> None:
            self._state.put(start)
            self._train(data, steps)

        step = finite.first_bad(train, lambda: bool(finite.healthy(self._model)), seen)
        batch = tuple(t[step * self._batch : (step + 1) * self._batch] for t in data)
        raise finite.NotFinite(before + step, finite.explain(self._model, batch, self._state))


class Validation:
    """Loss and metrics on the validation events, looked at in one compiled loop.

    Parameters
    ----------
    model
        Compiled model.
    events
        Validation events; None where there are none.
    batch
        Events of a step in training; larger ones are looked at together.
    compiled
        Whether XLA compiles the loop.
    """

    def __init__(
        self, model: keras.Model, events: Events | None, batch: int, compiled: bool = True
    ) -> None:
        self._model = model
        self._held = None if events is None else tensors(events, not np.all(events.weight == 1))
        self._batch = batch
        self._loops = loops(self._test_steps, compiled)

    def logs(self) -> dict[str, float]:
        """Return them, prefixed `val_`."""
        if self._held is None:
            return {}
        self._model.reset_metrics()
        events = len(self._held[0])
        batch = min(events, max(self._batch, VALIDATION_BATCH))
        for loop, part in zip(self._loops, cut(self._held, batch), strict=True):
            if part is not None:
                loop(part)
        return {f"val_{name}": value for name, value in _logs(self._model).items()}

    def _test_steps(self, batches: tuple[Any, ...]) -> None:
        for number in tf.range(tf.shape(batches[0])[0]):
            self._model.test_step(tuple(part[number] for part in batches))


class KerasFit:
    """The driver through `model.fit` and `model.evaluate`.

    Parameters
    ----------
    model
        Compiled model.
    train, validation
        What is trained on, and the events that are looked at after each epoch.
    batch
        Events a step.
    callbacks
        Those that are called after each batch.
    """

    def __init__(
        self,
        model: keras.Model,
        train: Feed,
        validation: Events | None,
        batch: int,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> None:
        self._model = model
        self._batch = batch
        self._weighted = train.weighted
        self._validation = None
        if validation is not None:
            self._validation = _arrays(validation, not np.all(validation.weight == 1))
        self._guard = _Guard(model)
        self._callbacks = [*(_BatchHooks(c) for c in callbacks if batch_level(c)), self._guard]
        model.optimizer.build(model.trainable_variables)
        first = train.events if isinstance(train, Memory) else train.first()
        one = tuple(tf.constant(array[:1]) for array in _arrays(first, train.weighted))
        model._symbolic_build(data_batch=one)  # noqa: SLF001 - what a step changes has to be there
        model.reset_metrics()
        self._state = finite.State(model)

    def epoch(self, pieces: Pieces, before: int = 0) -> dict[str, float]:
        """Train on events in the given order; return the means of loss and metrics.

        Parameters and errors as of `EpochLoop`.
        """
        if not before:
            self._model.reset_metrics()
        for events, order in pieces:
            arrays = tuple(array[order] for array in _arrays(events, self._weighted))
            start = self._state.take()
            self._fit(arrays, self._callbacks)
            if self._guard.bad or not finite.healthy(self._model):
                self._look_into(arrays, start, before)
            before += self._guard.steps
        return _logs(self._model)

    def _fit(self, arrays: tuple[np.ndarray, ...], callbacks: Sequence[Any]) -> None:
        x, y, *weight = arrays
        self._model.fit(
            x,
            y,
            sample_weight=weight[0] if weight else None,
            batch_size=self._batch,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        )

    def _look_into(self, arrays: tuple[np.ndarray, ...], start: list[Any], before: int) -> None:
        def train(steps: int) -> None:
            self._state.put(start)
            if steps:
                self._fit(tuple(array[: steps * self._batch] for array in arrays), [])

        seen = self._guard.steps - 1
        step = finite.first_bad(train, lambda: bool(finite.healthy(self._model)), seen)
        batch = tuple(a[step * self._batch : (step + 1) * self._batch] for a in arrays)
        raise finite.NotFinite(before + step, finite.explain(self._model, batch, self._state))

    def validate(self) -> dict[str, float]:
        """Return loss and metrics on the validation events, prefixed `val_`."""
        if self._validation is None:
            return {}
        x, y, *weight = self._validation
        logs = self._model.evaluate(
            x,
            y,
            sample_weight=weight[0] if weight else None,
            batch_size=self._batch,
            verbose=0,
            return_dict=True,
        )
        return {f"val_{name}": float(value) for name, value in logs.items()}


#: What a recipe or a checkpoint can ask for.
ENGINES = ("epoch", "graph", "keras")


def driver(
    choice: Choice,
    model: keras.Model,
    train: Feed,
    validation: Events | None,
    batch: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> EpochLoop | KerasFit:
    """Return the driver that was chosen; parameters as theirs."""
    if choice.engine == "keras":
        return KerasFit(model, train, validation, batch, callbacks)
    return EpochLoop(model, train, validation, batch, compiled=choice.engine == "epoch")


class _BatchHooks(keras.callbacks.Callback):
    """Hand only the batch hooks of a callback to `fit`; the epoch's are called outside."""

    def __init__(self, callback: keras.callbacks.Callback) -> None:
        super().__init__()
        self._callback = callback

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._callback.on_train_batch_end(batch, logs)


class _Guard(keras.callbacks.Callback):
    """Leave `fit` at a loss that is not finite; let the metrics' sums go on from piece to piece."""

    def __init__(self, driven: keras.Model) -> None:
        super().__init__()
        self._driven = driven
        self._sums: list[np.ndarray] = []
        self.steps = 0
        self.bad = False

    def on_train_begin(self, logs: Any = None) -> None:
        """Count anew, and keep the sums, which `fit` begins anew too."""
        self.steps, self.bad = 0, False
        self._sums = [variable.numpy() for variable in self._driven.metrics_variables]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Put the sums back."""
        for variable, value in zip(self._driven.metrics_variables, self._sums, strict=True):
            variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the mean loss so far, which stays what it once was: not finite."""
        self.steps += 1
        if not np.isfinite(logs["loss"]):
            self.bad = True
            self._driven.stop_training = True


def loops(step: Any, compiled: bool = True) -> tuple[Any, Any]:
    """Return a loop over batches, compiled or not, and one for a last, smaller batch.

    That one is not worth a second compilation: one step, as a graph.
    """
    as_graph = tf.function(step)
    return (tf.function(step, jit_compile=True) if compiled else as_graph), as_graph


def cut(data: tuple[Any, ...], batch: int) -> tuple[tuple[Any, ...] | None, ...]:
    """Return tensors of events as whole batches and as the rest; None where there are none.

    Parameters
    ----------
    data
        Tensors `(events, ...)`.
    batch
        Events of a whole batch.

    Returns
    -------
    tuple
        Tensors `(batches, batch, ...)`, and `(1, rest, ...)`.
    """
    whole, rest = divmod(len(data[0]), batch)
    shapes = ((whole, batch, slice(whole * batch)), (1, rest, slice(whole * batch, None)))
    return tuple(
        tuple(tf.reshape(t[part], (count, size, *t.shape[1:])) for t in data)
        if count * size
        else None
        for count, size, part in shapes
    )


def batched(order: np.ndarray, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an order of events as whole batches `(batches, batch)` and the rest `(1, rest)`."""
    whole = len(order) // batch * batch
    return order[:whole].reshape(-1, batch), order[whole:].reshape(1, -1)


def _arrays(events: Events, weighted: bool) -> tuple[np.ndarray, ...]:
    return (events.x, events.y, events.weight) if weighted else (events.x, events.y)


def tensors(events: Events, weighted: bool) -> tuple[Any, ...]:
    """Return what is trained on: inputs, labels, and weights where there are any."""
    return tuple(tf.constant(array) for array in _arrays(events, weighted))


def _logs(model: keras.Model) -> dict[str, float]:
    return {name: float(value) for name, value in model.get_metrics_result().items()}
