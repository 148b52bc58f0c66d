"""Latency of a quantized stage's TFLite file, bit for bit, over the plain float network's.

One event at a time through LiteRT from Python: set, invoke, get; medians, both files in turn on
one core. The networks are those of the recipes, trained for a few epochs only: the time of an
operation does not depend on its numbers.

    python benchmarks/exact_tflite.py --json
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console

QUANTIZE = {
    "step": "quantize",
    "method": "hgq",
    "weight_bits": 5,
    "lane_fraction": 3,
    "fit": {"epochs": 2},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "jet-tagger": {},
    "mnist-lenet": {},
    "jets-deep-sets": {},
    "jets-transformer": {"architecture.normalization": "batch"},
    "heavy-flavour-gru": {},
}
LIMIT, ROUNDS, CALLS = 2000, 15, 1000


def measure(recipe: str, changes: dict[str, Any], runs: Path) -> dict[str, float]:
    """Train a recipe for two epochs and time both of its files; return nanoseconds and ratio."""
    from hepnn import pipeline

    settings = {
        **changes,
        "fit.epochs": 2,
        "limit": LIMIT,
        "compress": [QUANTIZE],
        "targets": [],
    }
    return of_run(pipeline.train(recipe, settings, runs=runs, name=recipe))


def of_run(run: Any) -> dict[str, float]:
    """Return nanoseconds of both files of a trained run, and their ratio."""
    from hepnn.targets.tflite import convert
    from hepnn.training import network

    event = run.events("test").x[:1]
    files = [convert.float32(network.of_run(run, stage)) for stage in ("float", "quantized")]
    plain, exact = times(files, event)
    return {"float_ns": plain, "exact_ns": exact, "over_float": exact / plain}


def times(contents: list[bytes], event: np.ndarray) -> list[float]:
    """Return the median of a call of each file, in nanoseconds, taken in turn."""
    from ai_edge_litert.interpreter import Interpreter

    calls = []
    for content in contents:
        lite = Interpreter(model_content=content, num_threads=1)
        lite.allocate_tensors()
        calls.append((lite, lite.get_input_details()[0], lite.get_output_details()[0]["index"]))
    found: list[list[float]] = [[] for _ in contents]
    for turn in range(ROUNDS):
        for (lite, entry, out), kept in zip(calls, found, strict=True):
            stamps = np.empty(CALLS, np.int64)
            for number in range(CALLS):
                start = time.perf_counter_ns()
                lite.set_tensor(entry["index"], event)
                lite.invoke()
                lite.get_tensor(out)
                stamps[number] = time.perf_counter_ns() - start
            if turn:
                kept.append(float(np.median(stamps)))
    return [float(np.median(kept)) for kept in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {arguments.core})
    console.import_tensorflow()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as runs:
        for recipe in arguments.networks:
            found = measure(recipe, NETWORKS[recipe], Path(runs))
            figures |= {f"{recipe.replace('-', '_')}_{key}": value for key, value in found.items()}
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:40} {value:.5g}")


if __name__ == "__main__":
    main()
