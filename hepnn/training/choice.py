"""Which driver of `hepnn.training.engine` a fit takes: a rule that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from hepnn.data.feed import Memory, Stream

#: Data beyond this are not held as tensors beside their arrays, once as they are and once shuffled.
MEMORY_LIMIT = 2 << 30

#: Multiplications of one batch, forward, above which TensorFlow's threaded kernels are faster than
#: XLA's loop on a CPU (`benchmarks/train_speed.py`).
WORK_LIMIT = 1e9

#: The same for networks with convolutions, whose gradients XLA has no threaded kernel for on a
#: CPU: of LeNet-5 in five sizes, 3e6 a batch is 3 times faster in the loop, 2e7 twice slower.
CONVOLUTION_LIMIT = 1e7


@dataclass(frozen=True)
class Choice:
    """Which driver, and why."""

    engine: str
    reason: str


def choose(
    model: keras.Model,
    data: Memory | Stream,
    batch: int,
    callbacks: Sequence[keras.callbacks.Callback],
    wanted: str = "auto",
) -> Choice:
    """Decide how the batches are driven, by rule and not by timing.

    The whole-epoch loop is taken where the data fit in memory and where no callback wants to be
    called after each batch; it is compiled where the work of one batch is small enough that the
    overhead of calling into it dominates, and a graph where it is not.
    """
    if wanted != "auto":
        return Choice(wanted, "asked for by the recipe")
    for callback in callbacks:
        if batch_level(callback):
            return Choice("keras", f"{type(callback).__name__} is called after each batch")
    if isinstance(data, Memory) and data.nbytes > MEMORY_LIMIT:
        return Choice("keras", f"{data.nbytes / 2**30:.1f} GiB of data")
    work = multiplications(model) * batch
    convolves = any("Conv" in type(layer).__name__ for layer in model.layers)
    if work > (CONVOLUTION_LIMIT if convolves else WORK_LIMIT):
        return Choice("graph", f"{work:.1e} multiplications a batch")
    where = "in memory" if isinstance(data, Memory) else "streamed"
    return Choice("epoch", f"data {where}, {work:.1e} multiplications a batch")


def multiplications(model: keras.Model) -> float:
    """Return the multiplications of one event's forward pass through kernels."""
    total = 0.0
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        # A kernel is used at every output pixel, or at every object of a set.
        outputs = keras.tree.flatten(layer.output)[0]  # a tied layer gives its kernel too
        positions = int(np.prod(outputs.shape[1:-1]))
        again = getattr(layer, "recurrent_kernel", None)
        if again is not None:  # both kernels are used at every step
            positions = layer.input.shape[1]
            total += positions * float(np.prod(again.shape))
        total += positions * float(np.prod(kernel.shape))
    return total


_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


def batch_level(callback: keras.callbacks.Callback) -> bool:
    """Say whether a callback is called after each batch."""
    base = keras.callbacks.Callback
    return any(getattr(type(callback), hook) is not getattr(base, hook) for hook in _HOOKS)
