"""Kits: where a network is shipped to, as data (`deploy/<kit>/target.yaml`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator

from hepnn import declarations
from hepnn.declarations import Declaration
from hepnn.errors import TargetError
from hepnn.recipe import TargetRequest
from hepnn.targets import parts


class HLSOptions(Declaration):
    """How hls4ml writes the project."""

    backend: Literal["Vitis", "Vivado", "VivadoAccelerator", "Quartus", "oneAPI", "Catapult"] = (
        "Vitis"
    )
    board: str = Field("pynq-z2", description="of a VivadoAccelerator, as hls4ml names it")
    io_type: Literal["io_parallel", "io_stream"] = "io_parallel"
    reuse_factor: int = Field(1, ge=1)
    strategy: Literal["Latency", "Resource", "distributed_arithmetic"] = "Latency"
    types: Literal["calibrated", "default"] = Field(
        "calibrated", description="of a float stage: from its events, or as hls4ml chooses them"
    )
    precision: dict[str, str] = Field(
        {}, description="single types of a float stage: `layer.result: fixed<18,8,RND,SAT>`"
    )
    width: int = Field(18, ge=4, le=48, description="bits of a float stage's results and weights")
    margin: int = Field(1, ge=0, le=8, description="integer bits beyond the largest result met")
    saturate: bool | None = Field(
        None,
        description="inputs and results of a float stage stop at their limits, or wrap; without it"
        " calibrated types stop there, and hls4ml's own wrap",
    )
    synthesize: bool = Field(True, description="by the vendor's tool, where it is on PATH")
    timeout_s: float = Field(3600.0, gt=0, description="when compiling is given up")
    synthesis_timeout_s: float = Field(86400.0, gt=0, description="when synthesis is given up")


class RTLOptions(Declaration):
    """How the register-transfer level is pipelined and counted."""

    latency_cutoff: float = Field(5.0, gt=0, description="longest path between registers, ns")
    synthesize: bool = Field(True, description="let Yosys count the cells")
    timeout_s: float = Field(3600.0, gt=0, description="when building the simulation is given up")
    place_and_route: bool = Field(False, description="on an ECP5, by nextpnr; takes minutes")
    place_and_route_timeout_s: float = Field(1800.0, gt=0, description="when that is given up")
    yosys_family: str = Field("xcup", description="family of Yosys' synth_xilinx")
    yosys_timeout_s: float = Field(300.0, gt=0, description="when the count of cells is given up")


class CPPOptions(Declaration):
    """How the network is written as C++."""

    namespace: str = Field("network", pattern=r"^[a-z][a-z0-9_]*$")
    form: Literal["auto", "matrices", "steps", "program"] = Field(
        "auto",
        description="matrices of a chain of dense layers, steps of a recurrent network, which may"
        " keep its state between calls, else a straight line",
    )
    timeout_s: float = Field(1800.0, gt=0, description="when compiling is given up")


class TFLiteOptions(Declaration):
    """What is written beside the `.tflite` files."""

    project: Literal["none", "cpp", "vela"] = Field(
        "none",
        description="`cpp`: a CMake project that runs the float32 form; `vela`: the int8 form "
        "compiled for an Ethos-U",
    )
    accelerator: str = Field("ethos-u55-128", description="as Vela names it")
    system_config: str = Field(
        "Ethos_U55_High_End_Embedded", description="clock and memories, of Vela's Arm/vela.ini"
    )
    memory_mode: str = Field("Shared_Sram", description="where what lies, of Vela's Arm/vela.ini")
    timeout_s: float = Field(600.0, gt=0, description="when compiling is given up")


class Resources(Declaration):
    """What a part has, from the vendor's product table."""

    lut: int = Field(gt=0)
    ff: int = Field(gt=0)
    dsp: int = Field(ge=0)
    bram: int = Field(ge=0, description="blocks of 36 kbit; a half counts as 0.5")
    uram: int = Field(0, ge=0)


class Kit(Declaration):
    """A place to ship to: a device, its clock, and how each target is written for it."""

    name: str
    title: str
    targets: list[str]
    part: str | None = None
    family: str | None = Field(None, description="of an Intel part, as Quartus names it")
    # No fabric runs faster than a gigahertz.
    clock_period_ns: float | None = Field(None, ge=1, le=1000, allow_inf_nan=False)
    resources: Resources | None = None
    share: float = Field(1.0, gt=0, le=1, description="of the resources, for this network")
    stage: Literal["float"] | None = Field(
        None, description="that is shipped when none is asked for; the last by default"
    )
    threads: int = Field(1, ge=1)
    tflite: TFLiteOptions = TFLiteOptions()
    hls4ml: HLSOptions = HLSOptions()
    rtl: RTLOptions = RTLOptions()
    cpp: CPPOptions = CPPOptions()

    @field_validator("part")
    @classmethod
    def _exists(cls, part: str | None) -> str | None:
        if part is not None:
            parts.vendor(part)
        return part

    def unsynthesized(self) -> Kit:
        """Return the kit for writing and emulating only: nothing is synthesized."""
        off = {"synthesize": False}
        return self.model_copy(
            update={
                "hls4ml": self.hls4ml.model_copy(update=off),
                "rtl": self.rtl.model_copy(update=off | {"place_and_route": False}),
            }
        )


#: The kit a target is written for when neither recipe nor command names one.
USUAL = {"tflite": "litert-cpu", "hls4ml": "vu13p", "rtl": "vu13p", "cpp": "integer-cpp"}


def load(name: str) -> Kit:
    """Read a kit by short name or path.

    Raises
    ------
    RecipeError
        If it is missing or says something unknown.
    """
    path = declarations.find("deploy", name)
    return declarations.parse(Kit, declarations.read_yaml(path), path)


def of(target: str, name: str | None = None, options: Mapping[str, Any] | None = None) -> Kit:
    """Return the kit of a name, which has to serve a target; without one, the usual one.

    Parameters
    ----------
    target
        The target.
    name
        Of the kit.
    options
        What is changed in the kit's section of the target.

    Raises
    ------
    RecipeError
        As `load`, and if an option is unknown.
    TargetError
        If the kit is for other targets.
    """
    kit = load(name or USUAL.get(target, "litert-cpu"))
    if name is not None and target not in kit.targets:
        serving = [n for n in declarations.names("deploy") if target in load(n).targets]
        hint = f"; kits for it: {', '.join(serving)}" if serving else ""
        raise TargetError(
            f"kit {kit.name} is for {' and '.join(kit.targets)}, not for {target}{hint}"
        )
    if not options:
        return kit
    section = getattr(kit, target, None)
    if not isinstance(section, Declaration):
        raise TargetError(f"target {target} has no options")
    content = {**section.model_dump(), **options}
    changed = declarations.parse(type(section), content, f"options of target {target}")
    return kit.model_copy(update={target: changed})


def stage_of(request: TargetRequest, stages: Sequence[str]) -> str:
    """Return the stage that a request is for: its own, or the one that its kit takes, or the last.

    Parameters
    ----------
    request
        What is shipped where.
    stages
        Of the run or recipe, in order.
    """
    usual = load(request.kit).stage if request.kit else None
    return request.stage or usual or stages[-1]
