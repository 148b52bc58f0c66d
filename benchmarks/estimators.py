"""Bias and spread of the estimators of cells and timing, against published routed designs.

The designs of `hepnn/targets/rtl/calibration.json` are dense layers on random weights, whose LUTs,
flip-flops and frequency after place and route by Vivado were published by the finn-plus project
(the file names the page). They are rebuilt from their seed, estimated again, and compared. Figures
are estimated over published: `..._bias` is the geometric mean, `..._spread` one standard deviation
of the logarithm; the period is alkaid's units of delay over published nanoseconds.

    python benchmarks/estimators.py --json          # half a minute
    python benchmarks/estimators.py --yosys --json  # Yosys' counts too: half an hour

Without `--yosys` its figures are those that the file keeps. `--write` puts what was found into it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.targets.kit import Kit, RTLOptions
from hepnn.targets.rtl import calibration, project, yosys

#: The seed and the solver's options of the published designs.
SEED, OPTIONS = 123456, {"hard_dc": 2, "search_all_decompose_dc": True}

#: Their delay between registers, in alkaid's units, and their clock.
KIT = Kit(
    name="calibration",
    title="as published",
    targets=["rtl"],
    clock_period_ns=10,
    rtl=RTLOptions(latency_cutoff=8.5),
)

#: Sign and integer bits of inputs, and the range of weights, by type. A bipolar one is a bit that
#: stands for -1 and 1.
INPUTS = {"uint4": (0, 4), "int8": (1, 7), "bipolar": (0, 1)}
WEIGHTS = {"int4": (-8, 8), "int8": (-128, 128)}


def weights(design: dict[str, Any]) -> np.ndarray:
    """Return the matrix `(inputs, outputs)` of a design."""
    rng, size = np.random.RandomState(SEED), (design["size"], design["size"])
    if design["weights"] == "bipolar":
        drawn = 2 * rng.randint(2, size=size) - 1
    else:
        drawn = rng.randint(*WEIGHTS[design["weights"]], size=size)
    matrix = drawn.astype(np.float32).ravel()
    zeros = int(design["zeros"] * matrix.size)
    if zeros:
        matrix[rng.choice(matrix.size, size=zeros, replace=False)] = 0
    return matrix.reshape(size)


def program(design: dict[str, Any]) -> Any:
    """Return alkaid's program of a design."""
    from alkaid.trace import FVArray, HWConfig, trace

    signed, integer = INPUTS[design["inputs"]]
    ones = np.ones(design["size"], int)
    x = FVArray.from_kif(signed * ones, integer * ones, 0 * ones, HWConfig(1, 1, -1), 0.0, OPTIONS)
    matrix = weights(design)
    bipolar = design["inputs"] == "bipolar"
    return trace(x, x @ (2 * matrix) - matrix.sum(axis=0) if bipolar else x @ matrix)


def estimate(design: dict[str, Any], count: bool, timeout_s: float) -> dict[str, Any]:
    """Return what the estimators find for a design, as the table keeps it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = project.write(program(design), folder, "verilog", KIT)["alkaid"]
        found = {"alkaid": {key: model[key] for key in ("lut", "ff", "stage_delay")}}
        if count:
            store, log = folder / "cells.json", folder / "log"
            cells = yosys.cells(folder, project.MODULE, "xcup", store, timeout_s=timeout_s, log=log)
            if "lut" in cells:
                found["yosys"] = {key: cells[key] for key in ("lut", "ff")}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--yosys", action="store_true")
    parser.add_argument("--timeout", type=float, default=3600.0, help="of Yosys, each design")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = calibration.table()
    figures: dict[str, float] = {}
    for design in table["designs"]:
        kept = design["estimated"]
        found = estimate(design, arguments.yosys, arguments.timeout)
        figures[f"changed, {design['name']}"] = float(
            any(kept.get(name) != value for name, value in found.items())
        )
        kept.update(found)
    if arguments.write:
        path = Path(calibration.__file__).with_name("calibration.json")
        files.write_text(path, json.dumps(table, indent=1) + "\n")
    for estimator, figure in (
        ("alkaid", "lut"),
        ("alkaid", "ff"),
        ("alkaid", "period"),
        ("yosys", "lut"),
        ("yosys", "ff"),
    ):
        for name, value in calibration.summary(estimator, figure).items():
            figures[f"{estimator}_{figure}_{name}"] = value
    if arguments.json:
        print(json.dumps({"figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:52} {value:.4g}")


if __name__ == "__main__":
    main()
