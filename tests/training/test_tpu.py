"""What a TPU's compiler needs of the train step, as far as it can be seen without a TPU."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from hepnn.recipe import Architecture

pytestmark = pytest.mark.usefixtures("tensorflow")

BATCH = 4

#: Name and hyper-parameters, shape of an event, vocabulary.
NETWORKS = {
    "dense": ("mlp", {"hidden": [8]}, (6,), "float"),
    "quantized": ("mlp", {"hidden": [8]}, (6,), "hgq"),
    "convolutional": ("lenet5", {}, (32, 32, 1), "float"),
    "set": ("deep_sets", {}, (5, 3), "float"),
    "recurrent": ("recurrent", {}, (5, 3), "float"),
}


def _program(step: Any, *tensors: Any) -> str:
    """Return what TensorFlow gives to XLA, before XLA adapts it to a machine."""
    import tensorflow as tf

    compiled = tf.function(step, jit_compile=True)
    return str(compiled.experimental_get_compiler_ir(*tensors)(stage="hlo"))


def _foreign(program: str) -> list[str]:
    """Return calls of kernels outside XLA, talk with the host, and shapes that are not fixed."""
    calls = re.findall(r"custom_call_target=\"(\w+)\"|\b(infeed|outfeed|send|recv)\(", program)
    return [one or other for one, other in calls] + re.findall(r"\[[\d,]*<=\d+[^\]]*\]", program)


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_the_train_step_is_one_program_of_fixed_shapes(kind: str) -> None:
    import tensorflow as tf

    from hepnn.data import scaling
    from hepnn.tasks.classify import Classify
    from hepnn.training import network

    name, hyper, shape, vocabulary = NETWORKS[kind]
    options = {"beta": 1e-6} if vocabulary == "hgq" else {}
    known = np.random.default_rng(0).normal(size=(100, *shape)).astype(np.float32)
    grid = scaling.standard(known) if len(shape) == 1 else None
    architecture = Architecture(name=name, **hyper)
    model = network.assemble(architecture, shape, (3,), vocabulary, grid, options)
    model.compile("adam", Classify().loss(), weighted_metrics=Classify().metrics())
    model.optimizer.build(model.trainable_variables)
    x, y = tf.zeros((BATCH, *shape)), tf.zeros(BATCH, tf.int32)
    model._symbolic_build(data_batch=(x, y))
    program = _program(lambda a, b: model.train_step((a, b)), x, y)
    assert "ENTRY" in program and f"f32[{BATCH}" in program
    assert _foreign(program) == []


def test_what_a_tpu_has_not_is_seen() -> None:
    import tensorflow as tf

    # The number of a batch's positive values is no fixed shape.
    program = _program(lambda x: tf.boolean_mask(x, x > 0), tf.constant([1.0, -1.0, 2.0]))
    assert _foreign(program)
