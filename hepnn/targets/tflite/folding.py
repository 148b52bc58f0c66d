"""What does not depend on the event is computed once, before the file is written.

TensorFlow and the TFLite converter fold small constants only: the quantizers of larger kernels
stay in the graph, are run for every event, and cut it into parts for the delegate.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def folded(concrete: Any) -> Any:
    """Return a function with every tensor that no input reaches replaced by its value.

    Parameters
    ----------
    concrete
        TensorFlow's concrete function, its variables already constants.
    """
    import tensorflow as tf

    reached = _reached(concrete)
    edges = {
        tensor.name: tensor
        for operation in reached
        for tensor in operation.inputs
        if tensor.op not in reached and tensor.op.type != "Const"
    }
    if not edges:
        return concrete
    values = concrete.prune([], list(edges.values()))()
    constants = {_node(name): value for name, value in zip(edges, values, strict=True)}
    kept = {operation.name for operation in reached}
    definition = concrete.graph.as_graph_def()
    made = tf.compat.v1.GraphDef(versions=definition.versions, library=definition.library)
    made.node.extend(_constant(name, value.numpy()) for name, value in constants.items())
    for node in definition.node:
        if node.name in kept or (node.op == "Const" and node.name not in constants):
            made.node.append(node)
            # Nothing here has an effect that others wait for ("^").
            given = [_node(name) for name in node.input if not name.startswith("^")]
            made.node[-1].input[:] = [
                new if new in constants else name
                for new, name in zip(given, node.input, strict=False)
            ]
    wrapped = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(made, name=""), [])
    feeds, fetches = (
        [wrapped.graph.get_tensor_by_name(tensor.name) for tensor in tensors]
        for tensors in (concrete.inputs, concrete.outputs)
    )
    return wrapped.prune(feeds, fetches)


def _reached(concrete: Any) -> set[Any]:
    """Return the operations that an input reaches."""
    reached: set[Any] = set()
    waiting = [tensor.op for tensor in concrete.inputs]
    while waiting:
        operation = waiting.pop()
        if operation not in reached:
            reached.add(operation)
            waiting += [user for tensor in operation.outputs for user in tensor.consumers()]
    return reached


def _node(tensor: str) -> str:
    """Return the name of the constant that stands for a tensor.

    >>> _node("dense/quantized:0"), _node("dense/split:1")
    ('dense/quantized', 'dense/split/output1')
    """
    name, _, number = tensor.partition(":")
    return name if number in ("", "0") else f"{name}/output{number}"


def _constant(name: str, value: np.ndarray) -> Any:
    import tensorflow as tf

    node = tf.compat.v1.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return node
