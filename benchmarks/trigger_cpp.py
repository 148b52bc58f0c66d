"""The C++ of kit litert-cpp: a call of its library over a bare loop of LiteRT's own function.

Both are C++ in one process on one core, in turn; medians. The run's test events pass through the
compiled `network_test` as well: how many differ from Keras is a figure. The network is the
jet-tagger, trained for two epochs only, since the time of an operation does not depend on its
numbers; with `--run` it is the last stage of that run.

    python benchmarks/trigger_cpp.py --json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hepnn import console

QUANTIZE = {
    "step": "quantize",
    "method": "hgq",
    "weight_bits": 5,
    "lane_fraction": 3,
    "fit": {"epochs": 2},
}
SETTINGS = {"fit.epochs": 2, "limit": 4000, "compress": [QUANTIZE], "targets": []}


def measure(run: Any, folder: Path) -> dict[str, float]:
    """Write the kit's folder for a run's last stage, compile, and time it."""
    from hepnn import handover
    from hepnn.compress import quantize
    from hepnn.targets import kit as kits
    from hepnn.targets import tflite
    from hepnn.targets.tflite.program import text
    from hepnn.training import network

    stage = run.stages[-1]
    model = network.of_run(run, stage)
    x, exact = run.events("test").x, bool(quantize.bits(model))
    kit = kits.load("litert-cpp")
    calibration = run.events("calibration").x
    tflite.write(model, folder, kit=kit, calibration=calibration, exact=exact)
    described = {"target": "tflite", "stage": stage, "run": run.name, "part": None}
    described |= {"kit": kit.name, "sha256": run.manifest["stages"][stage]["sha256"]}
    outputs = {"names": run.classes}
    handover.write(folder, target=described, quantities={"inputs": {}, "outputs": outputs})
    (folder / "in.txt").write_text(text(x))
    (folder / "out.txt").write_text(text(network.predict(model, x)))
    tried = compiled(folder, folder / "network_test.cpp", "in.txt", "out.txt")
    found = re.search(r"(\d+) events compared, (\d+) differ", tried)
    taken = re.search(r"(\d+) allocations", tried)
    if found is None or int(found[1]) != len(x):
        raise SystemExit(f"network_test compared nothing: {tried}")
    source = Path(__file__).with_suffix(".cpp")
    ours, bare = map(float, compiled(folder, source, "model.tflite", "in.txt").split())
    return {
        "cpp_ns": ours,
        "cpp_bare_ns": bare,
        "cpp_over_bare": ours / bare,
        "cpp_events": float(found[1]),
        "cpp_events_that_differ": float(found[2]),
        **({"cpp_allocations": float(taken[1])} if taken else {}),
    }


def compiled(folder: Path, source: Path, *words: str) -> str:
    """Compile a program against the kit's headers, run it in the folder, return what it prints."""
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("needs ai-edge-litert")
    library = Path(spec.submodule_search_locations[0]) / "libLiteRt.so"
    command = ["g++", "-std=c++17", "-O3", "-I", str(folder), str(source), str(library)]
    command += [f"-Wl,-rpath,{library.parent}", "-ldl", "-o", str(folder / source.stem)]
    subprocess.run(command, check=True)
    program = [str(folder / source.stem), *words]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="a trained run instead")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    console.import_tensorflow()
    from hepnn import pipeline
    from hepnn.run import open_run

    with tempfile.TemporaryDirectory() as scratch:
        if arguments.run:
            run = open_run(arguments.run)
        else:
            run = pipeline.train("jet-tagger", SETTINGS, runs=Path(scratch), name="run")
        (Path(scratch) / "kit").mkdir()
        figures = measure(run, Path(scratch) / "kit")
    if arguments.json:
        print(json.dumps({"figures": figures}))
    else:
        for name, value in figures.items():
            print(f"{name:<24} {value:.4g}")


if __name__ == "__main__":
    main()
