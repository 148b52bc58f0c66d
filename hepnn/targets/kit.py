"""Kits: where a network is shipped to, as data (`deploy/<kit>/target.yaml`)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class HLSOptions(BaseModel):
    """How hls4ml writes the project."""

    model_config = ConfigDict(extra="forbid")
    backend: Literal["Vitis", "Vivado", "Quartus", "oneAPI", "Catapult"] = "Vitis"
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    reuse_factor: int = Field(1, ge=1)
    strategy: Literal["Latency", "Resource", "distributed_arithmetic"] = "Latency"


class RTLOptions(BaseModel):
    """How the register-transfer level is pipelined and counted."""

    model_config = ConfigDict(extra="forbid")
    latency_cutoff: float = Field(5.0, gt=0, description="longest path between registers, ns")
    yosys_family: str = Field("xcup", description="family of Yosys' synth_xilinx")


class Kit(BaseModel):
    """A place to ship to: a device, its clock, and how each target is written for it."""

    model_config = ConfigDict(extra="forbid")
    name: str
    title: str
    targets: list[str]
    part: str | None = None
    clock_period_ns: float | None = Field(None, gt=0)
    threads: int = Field(1, ge=1)
    hls4ml: HLSOptions = HLSOptions()
    rtl: RTLOptions = RTLOptions()
