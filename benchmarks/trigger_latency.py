"""Nanoseconds and microseconds an event, of a run's quantized network, one event at a time.

Every figure is a function of its own in `FIGURES`; all run on one core. `integer_cpp_ns` is the
median over blocks of 64 events of the exported C++ (the kit's `latency.cpp`, built by CMake):
events of the test split one by one, each by a call of its own, quantities rounded inside.
`integer_cpp_mismatches` counts outputs that differ from Keras, on all events of the test split and
on random ones: in range, at the ends of range, and up to nine orders of magnitude beyond.

    python benchmarks/trigger_latency.py --run RUN --json

The others are those of `trigger_python.py`, `exact_tflite.py` and `trigger_cpp.py`, on the same
run. Without `--run` the recipe jet-tagger is trained first; a run that is given has shipped both
of its stages to tflite.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console, files
from hepnn.run import Run, open_run

#: Times that a program measures, of which the median counts.
REPEATS = 7

#: Random events that go through at once.
CHUNK = 100_000


def integer_cpp(run: Run, folder: Path, events: int, seed: int) -> dict[str, float]:
    """Return the time of the exported C++, and its outputs that differ from Keras."""
    from hepnn import targets
    from hepnn.targets import kit as kits
    from hepnn.targets.fixed_point import Lane
    from hepnn.training import network

    model = network.of_run(run, run.stages[-1])
    test = run.events("test").x.astype(np.float32)
    calibration = run.events("calibration").x
    (artefact,) = targets.get("cpp").write(
        model, folder, kit=kits.of("cpp"), calibration=calibration, exact=True
    )
    made = files.read_json(folder / "interface.json")
    shape = tuple(made["input"]["shape"])
    lane = Lane.from_grid(made["input"]["grid"], shape)
    differing, tried = 0, 0
    for x in _tried(test, lane, events, seed):
        wanted = model.predict(x, batch_size=8192, verbose=0)
        differing += int((artefact.predict(x) != wanted).sum())
        tried += len(x)
    test.tofile(folder / "events.bin")
    _quietly(["cmake", "-S", ".", "-B", "build"], folder)
    _quietly(["cmake", "--build", "build", "--target", "latency"], folder)
    measured = [
        json.loads(_quietly(["build/latency", "events.bin"], folder)) for _ in range(REPEATS)
    ]
    return {
        "integer_cpp_ns": statistics.median(one["p50"] for one in measured),
        "integer_cpp_p99_ns": statistics.median(one["p99"] for one in measured),
        "integer_cpp_mismatches": differing,
        "integer_cpp_events": tried,
    }


def exact(run: Run, folder: Path, events: int, seed: int) -> dict[str, float]:
    """Return the time of the quantized stage's TFLite file over that of the float stage's."""
    import exact_tflite

    found = exact_tflite.of_run(run)
    return {f"exact_tflite_{key}": value for key, value in found.items()}


def python(run: Run, folder: Path, events: int, seed: int) -> dict[str, float]:
    """Return the trigger's time from Python over the bare interpreter's and ONNX Runtime's."""
    import trigger_python

    return trigger_python.measure(str(run.path), rounds=50)


def litert_cpp(run: Run, folder: Path, events: int, seed: int) -> dict[str, float]:
    """Return the time of the kit litert-cpp over a bare loop of invocations."""
    import trigger_cpp

    return trigger_cpp.measure(run, folder)


FIGURES: dict[str, Callable[[Run, Path, int, int], dict[str, float]]] = {
    "python": python,
    "exact_tflite": exact,
    "litert_cpp": litert_cpp,
    "integer_cpp": integer_cpp,
}

#: What the trained run ships.
SHIPPED = [{"name": "tflite", "stage": "float"}, {"name": "tflite"}]


def _tried(test: np.ndarray, lane: Any, events: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the test events, then random ones: a half in range, the rest at its ends and beyond."""
    yield test
    rng = np.random.default_rng(seed)
    for start in range(0, events, CHUNK):
        shape = (min(CHUNK, events - start), *test.shape[1:])
        x = rng.uniform(lane.lowest, lane.highest + 2.0**-lane.f, shape)
        quarter = shape[0] // 4
        ends = np.where(rng.random(shape) < 0.5, lane.lowest, lane.highest)
        x[:quarter] = (ends + rng.integers(-2, 3, shape) * 2.0 ** -(lane.f + 1))[:quarter]
        x[quarter : 2 * quarter] *= 10.0 ** rng.uniform(0, 9, shape)[quarter : 2 * quarter]
        yield x.astype(np.float32)


def _quietly(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="a run's path, or its name in runs/")
    parser.add_argument("--figures", nargs="+", default=list(FIGURES), choices=list(FIGURES))
    parser.add_argument("--events", type=int, default=1_000_000, help="random ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--core", type=int, default=None, help="where everything runs")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    console.import_tensorflow()
    from hepnn import pipeline

    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1] if arguments.core is None else arguments.core})
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        if arguments.run:
            run = open_run(arguments.run)
        else:
            settings = {"targets": SHIPPED}
            run = pipeline.train(
                "jet-tagger", settings, runs=Path(temporary), name="run", deploy=True
            )
        for name in arguments.figures:
            folder = Path(temporary) / name
            folder.mkdir()
            figures |= FIGURES[name](run, folder, arguments.events, arguments.seed)
    if arguments.json:
        print(json.dumps({"figures": figures}, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:28} {value:g}")


if __name__ == "__main__":
    main()
