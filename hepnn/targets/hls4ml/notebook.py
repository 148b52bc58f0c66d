"""The notebook of a PYNQ board: test vectors through the FPGA, and what comes out compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hepnn import files
from hepnn.targets.hls4ml.project import PROJECT
from hepnn.targets.hls4ml.testbench import INPUTS, OUTPUTS

NAME = f"{PROJECT}.ipynb"

_TEXT = [
    f"# {PROJECT} on the board",
    "",
    f"Needs beside it `{PROJECT}.bit` and `{PROJECT}.hwh`, as README.md says how to build them,",
    "`axi_stream_driver.py` and `tb_data/`. It runs on the board, where `pynq` is installed.",
]

_CELLS = [
    [
        "import numpy as np",
        "",
        "from axi_stream_driver import NeuralNetworkOverlay",
        "",
        f'inputs = np.loadtxt("{INPUTS}", dtype=np.float32, ndmin=2)',
        f'expected = np.loadtxt("{OUTPUTS}", dtype=np.float32, ndmin=2)',
        "assert len(inputs) == len(expected), (inputs.shape, expected.shape)",
    ],
    [
        f'network = NeuralNetworkOverlay("{PROJECT}.bit", inputs.shape, expected.shape)',
        "outputs, seconds, rate = network.predict(inputs, profile=True)",
        "outputs = np.array(outputs)  # the driver's buffer is used again",
    ],
    [
        "differing = np.flatnonzero((outputs != expected).any(axis=1))",
        'print(f"{len(inputs)} events, {len(differing)} differ")',
        'assert not len(differing), f"first difference in event {differing[0]}"',
    ],
]


def write(directory: Path) -> None:
    """Write the notebook into an accelerator's project."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": "about", "metadata": {}, "source": _lines(_TEXT)}
    ]
    cells += [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": _lines(source),
        }
        for number, source in enumerate(_CELLS)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    files.write_json(directory / NAME, content)


def _lines(text: list[str]) -> list[str]:
    return [line + "\n" for line in text[:-1]] + text[-1:]
