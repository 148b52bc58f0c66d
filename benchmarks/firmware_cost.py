"""Logic cells and latency of a run's quantized stage, and of other ways to compress it.

Each recipe variant is trained on the same split and counted by the same estimator: the
Verilog that hepnn writes, Yosys' synth_xilinx. Yosys counts run above the vendor's; they are
estimates, and good for comparison.

    python benchmarks/firmware_cost.py --seeds 1 2 3 --json
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import console

VARIANTS: dict[str, dict[str, Any]] = {
    "recipe": {},
    "fixed6": {
        "compress": [
            {"step": "quantize", "method": "qkeras", "bits": 6, "fit": {"epochs": 60}},
        ]
    },
    "fixed6_pruned75": {
        "compress": [
            {"step": "prune", "sparsity": 0.75, "fit": {"epochs": 60}},
            {"step": "quantize", "method": "qkeras", "bits": 6, "fit": {"epochs": 60}},
        ]
    },
}


def measure(
    changes: dict[str, Any], seed: int, runs: Path, name: str, seconds: float
) -> dict[str, float]:
    """Train and ship a variant; return accuracies, cells and clocks."""
    from hepnn import evaluation, files, pipeline

    rtl = {"name": "rtl", "options": {"yosys_timeout_s": seconds}}
    settings = {**changes, "seed": seed, "targets": [rtl]}
    run = pipeline.train("jet-tagger", settings, runs=runs, name=f"{name}{seed}", deploy=True)
    metrics = evaluation.evaluate(run)["stages"]
    cost = files.read_json(run.exports("quantized") / "rtl" / "target.json")["cost"]["rtl"]
    return {
        "loss_of_accuracy": metrics["float"]["accuracy"] - metrics["quantized"]["accuracy"],
        "accuracy": metrics["quantized"]["accuracy"],
        **_numbers(cost),
    }


def _numbers(cost: dict[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in cost.items():
        if isinstance(value, dict):
            found.update(_numbers(value, f"{prefix}{key}_"))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[prefix + key] = float(value)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--yosys-seconds", type=float, default=1800, help="its limit, a design")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    console.import_tensorflow()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for variant in arguments.variants:
            found = [
                measure(VARIANTS[variant], seed, Path(temporary), variant, arguments.yosys_seconds)
                for seed in arguments.seeds
            ]
            for name in found[0]:
                values = [one[name] for one in found if name in one]
                figures[f"{variant}_{name}"] = float(np.mean(values))
                if len(values) > 1:
                    figures[f"{variant}_{name}_spread"] = float(np.std(values, ddof=1))
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:52} {value:.5g}")


if __name__ == "__main__":
    main()
