"""A trigger's time for one event from Python, over the bare interpreter's and ONNX Runtime's.

Both sides take turns in one process on one core. `python_over_bare` is the median of `score` over
that of the interpreter's set, invoke and get, of the network that the run ships;
`decide_over_bare` of `decide`. `onnxruntime_over_python` is the median of ONNX Runtime's `run`
over that of `score`, of the run's float network: its weights, written as a graph with the helpers
of the package onnx, and compared on the run's test events. `batch1024_over_onnxruntime` is the
trigger's events a second over ONNX Runtime's in blocks of 1024. `python_p999_over_p50` says how
even the times are.

    python benchmarks/trigger_python.py RUN --json      # pip install onnx onnxruntime for the peer

RUN has shipped its stages to tflite, and its network is a chain of dense layers.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import hepnn
from hepnn import console
from hepnn.run import open_run
from hepnn.targets.tflite import interpreter

BATCH = 1024


def bare(read: Any) -> Callable[[np.ndarray], None]:
    """Return set, invoke and get."""
    lite = interpreter.opened(read.content, read.path)
    into, out = lite.get_input_details()[0]["index"], lite.get_output_details()[0]["index"]

    def run(event: np.ndarray) -> None:
        lite.set_tensor(into, event)
        lite.invoke()
        lite.get_tensor(out)

    return run


def peer(where: str, x: np.ndarray, expected: np.ndarray) -> Any:
    """Return ONNX Runtime's session of the float network, after comparing its outputs."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    console.import_tensorflow()
    from hepnn.training import network

    nodes, weights, last = [], [], "x"

    def add(kind: str, output: str, *values: tuple[str, np.ndarray]) -> None:
        nonlocal last
        for name, value in values:
            weights.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        nodes.append(helper.make_node(kind, [last, *(name for name, _ in values)], [output]))
        last = output

    for layer in network.of_run(open_run(where), "float").layers[1:]:
        name, kind = layer.name, layer.__class__.__name__
        if name == "input_scaling":
            add("Mul", f"{name}_product", (f"{name}_factor", layer.kernel))
            add("Add", name, (f"{name}_shift", layer.bias))
        elif kind == "Dense":
            values = (f"{name}_kernel", layer.kernel), (f"{name}_bias", layer.bias)
            add("Gemm", f"{name}_sum", *values)
            if layer.activation.__name__ == "relu":
                add("Relu", name)
        elif kind in ("ReLU", "Activation"):
            add("Relu", name)
        elif kind not in ("Dropout",):
            raise SystemExit(f"{name}: a {kind} is no part of a chain of dense layers")
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["events", x.shape[1]])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["events", expected.shape[1]])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected, rtol=1e-4, atol=1e-4)
    return session


def medians(
    sides: dict[str, tuple[Callable[[Any], Any], Sequence[Any]]], rounds: int
) -> dict[str, np.ndarray]:
    """Return the times in ns of every side, which take turns."""
    found: dict[str, list[int]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, (run, events) in sides.items():
            times = []
            for event in events:
                start = time.perf_counter_ns()
                run(event)
                times.append(time.perf_counter_ns() - start)
            found[name] += times if number else []
    return {name: np.array(times) for name, times in found.items()}


def measure(where: str, rounds: int) -> dict[str, float]:
    """Return the figures of a run that has shipped its stages to tflite."""
    x = open_run(where).events("test").x
    one = [np.ascontiguousarray(event) for event in x[:1000]]
    rows = [event[None] for event in one]
    shipped = hepnn.trigger.load(where)
    shipped.threshold = 0.5
    sides: dict[str, Any] = {
        "bare": (bare(shipped.export), rows),
        "score": (shipped.score, one),
        "decide": (shipped.decide, one),
    }
    blocks = [x[start : start + BATCH] for start in range(0, 8 * BATCH, BATCH)]
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        plain = hepnn.trigger.load(where, stage="float")
        session = peer(where, x[:1000], plain.outputs(x[:1000]))
        sides["float score"] = plain.score, one
        sides["onnxruntime"] = (lambda event: session.run(None, {"x": event})), rows
        sides["float block"] = plain.run, blocks
        sides["onnxruntime block"] = (lambda block: session.run(None, {"x": block})), blocks
    times = medians(sides, rounds)
    p50 = {name: float(np.median(of_side)) for name, of_side in times.items()}
    figures = {
        "python_over_bare": p50["score"] / p50["bare"],
        "decide_over_bare": p50["decide"] / p50["bare"],
        "python_p999_over_p50": float(np.percentile(times["score"], 99.9)) / p50["score"],
        "python_ns": p50["score"],
    }
    if "onnxruntime" in p50:
        figures["onnxruntime_over_python"] = p50["onnxruntime"] / p50["float score"]
        figures["batch1024_over_onnxruntime"] = p50["onnxruntime block"] / p50["float block"]
    return figures


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    figures = measure(arguments.run, arguments.rounds)
    if arguments.json:
        print(json.dumps({"figures": figures}, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:30} {value:10.3f}")


if __name__ == "__main__":
    main()
