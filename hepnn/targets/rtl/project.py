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
        Latency, initiation interval, alkaid's own estimate of the cells, and the stages.
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
    stages = _stages(model.fsm)
    multipliers = _multipliers(comb)
    return {
        "latency_clocks": clocks,
        "latency_ns": clocks * period,
        "clock_period_ns": period,
        "initiation_interval": 1,
        "alkaid": {
            "lut": round(sum(logic.cost for logic in model.fsm.logic.values())),
            "ff": int(model.reg_bits),
            # Products of two variables; every other one is a sum of shifts.
            "multipliers": len(multipliers),
            "dsp_at_most": sum(_dsps(*widths) for widths in multipliers),
            "stage_delay": max((stage["delay"] for stage in stages), default=0.0),
            "source": f"alkaid {importlib.metadata.version('alkaid')}, its own model of the cells",
            "estimate": True,
        },
        "stages": stages,
    }


def _stages(fsm: Any) -> list[dict[str, float]]:
    """Return cells and delay of what lies between two registers, stage by stage.

    The delay is in the units of alkaid's model, one for an adder and a little for its carries.
    """
    from alkaid.trace.passes.surrogate import add_surrogate

    made = []
    for name in sorted(fsm.logic, key=lambda name: int(name.removeprefix("logic"))):
        logic = fsm.logic[name]
        delay = add_surrogate(logic, _skip_op8_cost=True).latency[1]
        made.append({"lut": round(logic.cost, 1), "delay": round(float(delay), 3)})
    return made


#: alkaid's operation that multiplies two variables.
_PRODUCT = 7


def _multipliers(comb: Any) -> list[tuple[int, int]]:
    """Return the widths of the factors of all products of two variables."""
    return [
        tuple(sum(comb.ops[place].qint.kif) for place in operation.addr[:2])
        for operation in comb.ops
        if operation.opcode == _PRODUCT
    ]


def _dsps(first: int, second: int) -> int:
    """Return how many DSP slices a product takes at most, if the tool uses them at all.

    A DSP48E1 multiplies 25 by 18 bits, a DSP48E2 27 by 18 (AMD UG479, UG579), both signed; wider
    factors are cut into parts of 24 and 17 bits.
    """
    narrow, wide = sorted((first, second))
    return -(-narrow // 17) * -(-wide // 24)


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
