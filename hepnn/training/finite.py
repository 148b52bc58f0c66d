"""NaN and infinity: where a training first met them, and the weights before that.

While training, a driver of `hepnn.training.engine` looks at the sums of the losses and at the
weights alone, which costs next to nothing. When one is not finite it goes back to the state that
it began its piece of events with, and trains on the same batches again with the same compiled
step, so that the first bad step is found and the weights before it are the same bits as then.
That batch is then looked at layer by layer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from hepnn.errors import HepnnError
from hepnn.training.rules import Rule


class NotFinite(HepnnError):
    """A loss or weights became NaN or infinite; the model has the weights before that.

    Parameters
    ----------
    step
        Number of the step in its epoch, and of the batch that it takes, from 0.
    where
        What was not finite first.
    """

    def __init__(self, step: int, where: str) -> None:
        super().__init__(f"NaN or infinity at step {step}: {where}")
        self.step = step
        self.where = where
        self.epoch = 0


@contextlib.contextmanager
def kept(stage: str, folder: Path, save: Callable[[Path], None], slower: str) -> Iterator[None]:
    """Keep the last good weights of a stage that meets NaN or infinity, and say how to go on.

    Parameters
    ----------
    stage, folder
        Name of the stage, and where it is kept.
    save
        Saves the network.
    slower
        Arguments of `hepnn train` that go on with a smaller rate.
    """
    try:
        yield
    except NotFinite as error:
        path = folder / "last_good.keras"
        save(path)
        error.args = (
            f"stage {stage}: NaN or infinity in epoch {error.epoch + 1} at step {error.step + 1}, "
            f"on batch {error.step + 1}: {error.where}; {path} has the weights before it; go on "
            f"with a smaller rate: hepnn train {slower}",
        )
        raise


class State:
    """All that a step changes: weights, random state, optimizer, sums of the metrics.

    Parameters
    ----------
    driven
        Compiled and built model.
    sums
        With those of the metrics, which are not in one place where there are several devices.
    """

    def __init__(self, driven: keras.Model, sums: bool = True) -> None:
        self._variables = [variable.value for variable in changing(driven, sums)]
        self._copies = tf.function(lambda: [tf.identity(one) for one in self._variables])

    def take(self) -> list[Any]:
        """Return a copy of it."""
        return list(self._copies())

    def put(self, copy: list[Any]) -> None:
        """Go back to a copy."""
        for variable, value in zip(self._variables, copy, strict=True):
            variable.assign(value)


def changing(driven: keras.Model, sums: bool = True) -> list[Any]:
    """Return the variables that a step changes; parameters as of `State`."""
    several = [driven.variables, driven.optimizer.variables]
    if sums:
        several.append(driven.metrics_variables)
    return list({id(one): one for variables in several for one in variables}.values())


def healthy(driven: keras.Model) -> Any:
    """Return whether the weights and the sums of the losses are finite, as a tensor."""
    sums = [
        variable
        for metric in driven.metrics
        if isinstance(metric, keras.metrics.Mean)
        for variable in metric.variables
    ]
    watched = [*driven.trainable_variables, *sums]
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(one.value)) for one in watched])


def first_bad(train: Callable[[int], None], is_good: Callable[[], bool], seen: int) -> int:
    """Return the first step after which a model is not finite, and leave it as before that step.

    Parameters
    ----------
    train
        Brings the model to where it is after so many steps.
    is_good
        Whether it is finite there.
    seen
        A step after which it was found not to be; seldom far from the first.
    """
    good, bad, trial = 0, seen + 1, seen
    while True:
        train(trial)
        good, bad = (trial, bad) if is_good() else (good, trial)
        if bad - good == 1:
            break
        trial = bad - 1 if trial == seen else (good + bad) // 2
    if trial != good:
        train(good)
    return good


def explain(driven: keras.Model, data: tuple[Any, ...], state: State) -> str:
    """Say what is not finite first when a model is trained on a batch; it is left as it was.

    Parameters
    ----------
    driven
        What is driven: the network, or a rule around it.
    data
        Inputs, labels and perhaps weights of the batch.
    state
        Of the model.
    """
    kept = state.take()
    network = driven.network if isinstance(driven, Rule) else driven
    try:
        layer = _first_output(network, data[0])
        if layer is not None:
            return f"the output of layer {layer}"
        gradients = _gradients(driven, data)
        if not _finite(driven.metrics[0].result()):
            reached = float(tf.reduce_max(tf.abs(network(data[0], training=False))))
            name = network.outputs[0]._keras_history.operation.name  # noqa: SLF001
            return f"the loss; the outputs of layer {name} reach {reached:.3g}"
        for variable, gradient in reversed(gradients):
            if gradient is not None and not _finite(gradient):
                return f"the gradient of layer {_layer(network, variable)}"
        _step(driven, data)
        for variable, _ in gradients:
            if not _finite(variable.value):
                return f"the weights of layer {_layer(network, variable)}"
        return "the loss"
    finally:
        state.put(kept)


def _first_output(network: keras.Model, x: Any) -> str | None:
    """Return the first layer whose output is not finite in a forward pass of training."""
    found: list[str] = []

    def watched(operation: Any) -> Any:
        def call(*inputs: Any, **options: Any) -> Any:
            if isinstance(operation, keras.layers.Layer) and operation._call_has_training_arg:
                options["training"] = True
            outputs = operation(*inputs, **options)
            tensors = keras.tree.flatten(outputs)
            if not found and not all(_finite(one) for one in tensors):
                found.append(operation.name)
            return outputs

        return call

    network._run_through_graph(x, operation_fn=watched)  # noqa: SLF001 - Keras's own pass
    return found[0] if found else None


def _gradients(driven: keras.Model, data: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Return variables and their gradients on a batch, as the optimizer gets them."""
    given: list[tuple[Any, Any]] = []

    def apply(gradients: Any, variables: Any = None) -> None:
        known = driven.trainable_variables if variables is None else variables
        given.extend(zip(known, gradients, strict=True))

    optimizer = driven.optimizer
    vars(optimizer)["apply"] = apply
    try:
        driven.reset_metrics()
        _step(driven, data)
    finally:
        del vars(optimizer)["apply"]
    return given


def _step(driven: keras.Model, data: tuple[Any, ...]) -> None:
    driven.train_step(tuple(tf.convert_to_tensor(one) for one in data))


def _finite(value: Any) -> bool:
    if isinstance(value, tf.IndexedSlices):
        value = value.values
    value = tf.convert_to_tensor(value)
    return not value.dtype.is_floating or bool(tf.reduce_all(tf.math.is_finite(value)))


def _layer(network: keras.Model, variable: Any) -> str:
    for layer in network.layers:
        if any(one is variable for one in layer.variables):
            return str(layer.name)
    return str(variable.path)
