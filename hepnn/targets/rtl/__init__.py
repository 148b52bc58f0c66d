"""RTL: the network as a pipeline of adders, in Verilog and VHDL, with no vendor's tool.

alkaid turns a fixed-point network into additions, shifts and wraps of integers, cut by registers
where the path gets longer than the kit allows; a new event goes in with every clock. Before
anything is written the integer program is compared with Keras, on the calibration events and on
random inputs in range, at its ends and far outside; one that differs is refused.

Written are `network.json.gz` (the program), `verilog/`, `vhdl/` (sources, constraints, project
scripts), `tb/` (test benches in both), `interface.json` (grids and bit ranges of both ports),
`cells.json` (Yosys' count), `routed.json` (nextpnr's, where the kit asks for it) and `build.log`.
The Verilog is simulated; the VHDL is generated from the same pipeline and not simulated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import RunError, TargetError, nearest
from hepnn.targets import Verdict, fits, preflight, vectors
from hepnn.targets.inference import without_noise
from hepnn.targets.interface import NAME, logged, single_input
from hepnn.targets.kit import Kit
from hepnn.targets.rtl import artefact, cost, nextpnr, project, testbench, verilator, yosys

#: Random events, and calibration events, that the program is compared with Keras on.
_RANDOM, _CALIBRATION = 1024, 4096


def check(model: Any, kit: Kit) -> list[Verdict]:
    """Trace the model, compare it with Keras on random inputs and say what becomes of each layer.

    Raises
    ------
    TargetError
        If the model has several inputs or outputs.
    """
    from hepnn.targets.rtl import trace

    single_input(model, "rtl")
    model = without_noise(model)
    try:
        traced = trace.trace_network(model)
    except TargetError as error:
        # Where every layer alone is taken, the fault lies between them.
        refused = trace.refusals(model) or {model.layers[-1].name: str(error)}
        return preflight.verdicts(model, refused)
    differing = trace.difference(model, traced, trace.probe(traced, _RANDOM))
    return preflight.verdicts(model, dict([differing]) if differing else {})


def write(
    model: Any,
    directory: Path,
    *,
    kit: Kit,
    calibration: np.ndarray,
    exact: bool,
    formats: Sequence[str] | None = None,
) -> list[artefact.Simulation | artefact.Interpreter]:
    """Trace a stage, write its Verilog and VHDL, build the simulation and count the cells.

    Parameters
    ----------
    model
        The Keras model, physical quantities to outputs.
    directory
        Where to write; exists and is empty.
    kit
        Part, clock, longest path between registers and Yosys' family.
    calibration
        Physical quantities `(events, *shape)`; the program is compared with Keras on them.
    exact
        The stage is fixed point throughout, so that a program that differs is refused.
    formats
        Of `verilog` and `vhdl`; both when not given. Without `verilog` nothing is simulated.

    Raises
    ------
    TargetError
        If a layer cannot be traced or differs from Keras, or if a tool fails.
    MissingDependency
        If Verilator, a compiler or Yosys is not installed.
    """
    from hepnn.targets.rtl import layers, trace

    languages = _wanted(formats)
    if "verilog" in languages:
        verilator.require()
        if kit.rtl.synthesize:
            yosys.require()
        if kit.rtl.place_and_route:
            nextpnr.require()
    log = directory / artefact.LOG
    model = without_noise(model)
    with logged(log):
        traced = trace.trace_network(model)
        random = trace.probe(traced, _RANDOM)
        chosen = vectors.choose(calibration, traced.lane)
        some = np.asarray(calibration[:_CALIBRATION], np.float32)
        events = np.concatenate([some, random, chosen.x])
        differing = trace.difference(model, traced, events) if exact else None
        if differing is not None:
            layer, reason = differing
            raise TargetError(f"target rtl: model {model.name!r}, layer {layer!r}: {reason}")
        with files.replacing(directory / artefact.PROGRAM) as beside:
            traced.comb.save(beside)
        written = [
            project.write(traced.comb, directory / language, language, kit)
            for language in languages
        ]
        shares = layers.shares(model, traced, written[0]["latency_clocks"])
    wanted = model.predict(chosen.x, verbose=0) if exact else traced.predict(chosen.x)
    count = len(chosen.x)
    testbench.write(
        directory,
        languages,
        module=project.MODULE,
        latency=written[0]["latency_clocks"],
        period_ns=written[0]["clock_period_ns"],
        inputs=(traced.lane.quantize(chosen.x).reshape(count, -1), traced.comb.inp_kifs),
        outputs=(np.asarray(wanted).reshape(count, -1), traced.comb.out_kifs),
    )
    if "verilog" in languages:
        print("rtl: Verilator builds the simulation", file=sys.stderr)
        verilator.build(directory / "verilog", project.MODULE, log, kit.rtl.timeout_s)
    if "verilog" in languages and kit.rtl.synthesize:
        yosys.cells(
            directory / "verilog",
            project.MODULE,
            kit.rtl.yosys_family,
            directory / cost.CELLS,
            timeout_s=kit.rtl.yosys_timeout_s,
            log=log,
        )
    if "verilog" in languages and kit.rtl.place_and_route:
        nextpnr.place_and_route(
            directory / "verilog",
            project.MODULE,
            written[0]["clock_period_ns"],
            directory / cost.ROUTED,
            timeout_s=kit.rtl.place_and_route_timeout_s,
            log=log,
        )
    content = {
        "target": "rtl",
        "promise": "exact" if exact else "bounded",
        "module": project.MODULE,
        "languages": languages,
        **project.interface(traced),
        "pipeline": written[0],
        "project": {"part": kit.part or project.PART, "family": kit.family},
        "vectors": vectors.described(chosen, "keras" if exact else "interpreter", 0),
        "layers": shares,
        "family": kit.rtl.yosys_family,
        "part": fits.part_of(kit),
    }
    files.write_json(directory / NAME, content)
    return load(directory)


def load(directory: Path) -> list[artefact.Simulation | artefact.Interpreter]:
    """Open what `write` left, without Keras.

    Raises
    ------
    RunError
        If a file is missing or damaged.
    """
    content = files.read_json(directory / NAME)
    if not isinstance(content, dict) or content.get("target") != "rtl":
        raise RunError(f"{directory / NAME} is not of the target rtl")
    opened: list[artefact.Simulation | artefact.Interpreter] = []
    if "verilog" in content.get("languages", ()):
        opened.append(artefact.Simulation(directory))
    return [*opened, artefact.Interpreter(directory)]


def _wanted(formats: Sequence[str] | None) -> list[str]:
    wanted = list(dict.fromkeys(formats or project.LANGUAGES))
    for language in wanted:
        if language not in project.LANGUAGES:
            hint = nearest(language, project.LANGUAGES)
            raise TargetError(f"target rtl: unknown format {language!r}; {hint}")
    return wanted
