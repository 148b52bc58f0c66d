"""The pipeline as Verilog and VHDL, and what a firmware engineer must know of its ports."""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.targets.kit import Kit
from hepnn.targets.rtl import scripts
from hepnn.targets.rtl.trace import Traced

#: The top module.
MODULE = "network"

LANGUAGES = ("verilog", "vhdl")

#: What is assumed where a kit says nothing.
PART, CLOCK_PERIOD_NS = "xcvu13p-flga2577-2-e", 5.0


def write(comb: Any, folder: Path, language: str, kit: Kit) -> dict[str, Any]:
    """Write the pipelined network with constraints and scripts of the vendors' tools.

    Parameters
    ----------
    comb
        alkaid's program.
    folder
        Where to write; `src/` holds the language's files.
    language
        ``verilog`` or ``vhdl``.
    kit
        Its part, its clock and the longest path between two registers.

    Returns
    -------
    dict
        Latency, initiation interval and alkaid's own estimate of the cells.
    """
    from alkaid.codegen import RTLModel

    period = kit.clock_period_ns or CLOCK_PERIOD_NS
    model = RTLModel(
        comb,
        folder,
        prj_name=MODULE,
        flavor=language,
        latency_cutoff=kit.rtl.latency_cutoff,
        print_latency=False,
        part_name=kit.part or PART,
        clock_period=period,
    )
    model.write()
    scripts.mend(folder, kit.part or PART, kit.family)
    if language != "verilog":
        # The simulation is built from the Verilog; alkaid leaves its parts in both.
        shutil.rmtree(folder / "sim")
        shutil.rmtree(folder / "model")
    clocks = int(model.latency or 0)
    return {
        "latency_clocks": clocks,
        "latency_ns": clocks * period,
        "clock_period_ns": period,
        "initiation_interval": 1,
        "alkaid": {
            "lut": round(sum(logic.cost for logic in model.fsm.logic.values())),
            "ff": int(model.reg_bits),
            "source": f"alkaid {importlib.metadata.version('alkaid')}, its own model of the cells",
            "estimate": True,
        },
    }


def interface(traced: Traced) -> dict[str, Any]:
    """Return both ports as JSON, every number once a feature, in the order of the event."""
    lane, comb = traced.lane, traced.comb
    shape = (1, *traced.shape)

    def flat(part: np.ndarray) -> list[float]:
        return np.broadcast_to(part, shape).ravel().tolist()

    return {
        "input": {
            "shape": list(traced.shape),
            "dtype": "float32",
            "order": "features as in the data card, the last axis fastest",
            "quantities": "physical; the host rounds them to the grid, then they go in as integers",
            "grid": lane.grid(traced.shape),
            "lsb": flat(2.0**-lane.f),
            "lowest": flat(lane.lowest),
            "highest": flat(lane.highest),
            "port": "model_inp",
            "bits": _bits(comb.inp_kifs),
        },
        "output": {
            "shape": list(traced.output_shape),
            "dtype": "float32",
            "grid": dict(
                zip(("signed", "integer", "fraction"), comb.out_kifs.tolist(), strict=True)
            ),
            "port": "model_out",
            "bits": _bits(comb.out_kifs),
        },
    }


def _bits(kifs: np.ndarray) -> list[list[int] | None]:
    """Return `[high, low]` of every number in its port; None where the network ignores it."""
    widths = kifs.sum(axis=0)
    highs = np.cumsum(widths) - 1
    return [
        [int(high), int(high - width + 1)] if width else None
        for high, width in zip(highs, widths, strict=True)
    ]
