"""hls4ml: the network as C++ for high-level synthesis on an FPGA.

A fixed-point stage is converted bit for bit: hls4ml follows the quantizers through the network
and gives each intermediate as many bits as it needs. A float stage gets its types from
calibration events and from its weights (`hepnn.targets.hls4ml.precision`). Firmware ends in
logits; a final softmax is left to the host. Recurrent layers are written out, step by step.

The C++ is compiled and run here with the FPGA's types, so that its decisions can be compared.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import RunError, TargetError
from hepnn.targets import Verdict, fits, preflight
from hepnn.targets.fixed_point import first_lane, is_fixed_point
from hepnn.targets.hls4ml import work
from hepnn.targets.hls4ml.artefact import HLSArtefact
from hepnn.targets.hls4ml.synthesis import available, synthesize
from hepnn.targets.inference import without_noise
from hepnn.targets.interface import NAME, logged, single_input
from hepnn.targets.kit import Kit

__all__ = ["check", "convert_default", "load", "synthesize", "write"]


def check(model: Any, kit: Kit) -> list[Verdict]:
    """Convert the model, without compiling, and say what becomes of every layer.

    Raises
    ------
    TargetError
        If the model has several inputs or outputs.
    """
    from hepnn.targets.hls4ml import precision, project
    from hepnn.targets.hls4ml.recurrent import written_out
    from hepnn.targets.hls4ml.strip import without_softmax

    single_input(model, "hls4ml")
    logits, _ = without_softmax(without_noise(model))
    network, origin = written_out(logits)
    fixed = any(is_fixed_point(layer) for layer in network.layers)
    refused = {} if fixed else precision.refused(network)
    with logged(Path(os.devnull)):
        try:
            (project.exact if fixed else project.plain)(network, Path("unwritten"), kit)
        except TargetError as error:
            # Where every layer alone is taken, the fault lies between them.
            refused |= project.refusals(network, kit, fixed)
            refused = refused or {network.layers[-1].name: str(error)}
    refused = {origin.get(name, name): reason for name, reason in refused.items()}
    return preflight.verdicts(logits, refused)


def write(
    model: Any,
    directory: Path,
    *,
    kit: Kit,
    calibration: np.ndarray,
    exact: bool,
    formats: Sequence[str] | None = None,
) -> list[HLSArtefact]:
    """Write the HLS project, build its emulation and describe its interface.

    Parameters
    ----------
    model
        The Keras model, physical quantities to outputs.
    directory
        Where to write; exists and is empty.
    kit
        The FPGA, its clock and how hls4ml writes for them.
    calibration
        Physical quantities `(events, *shape)` that a float stage's types come from.
    exact
        The stage is fixed point throughout.
    formats
        Not used: there is one form.

    Raises
    ------
    TargetError
        If hls4ml refuses the model, or its C++ does not compile.
    MissingDependency
        If there is no C++ compiler.
    """
    from hepnn.targets.hls4ml import emulation, project
    from hepnn.targets.hls4ml.recurrent import written_out
    from hepnn.targets.hls4ml.strip import without_softmax

    shape = single_input(model, "hls4ml")
    logits, stripped = without_softmax(without_noise(model))
    network, _ = written_out(logits)
    with logged(directory / "build.log"):
        if exact:
            graph = project.exact(network, directory, kit)
        else:
            graph = project.calibrated(network, directory, kit, calibration)
        project.write(graph, directory)
    built = emulation.build(directory, int(np.prod(shape)), _size(network))
    files.write_json(directory / NAME, _interface(network, graph, kit, exact, stripped, built))
    if kit.hls4ml.synthesize and available(kit.hls4ml.backend):
        synthesize(directory, kit.hls4ml.backend)
    return load(directory)


def load(directory: Path) -> list[HLSArtefact]:
    """Open what `write` left, from where it lies now, with numpy alone.

    Raises
    ------
    RunError
        If a file is missing, damaged or not what was built.
    """
    content = files.read_json(directory / NAME)
    try:
        return [HLSArtefact(directory, content)]
    except (KeyError, TypeError) as error:
        raise RunError(f"{directory / NAME} is damaged: no {error}") from error


def convert_default(model: Any, directory: Path, kit: Kit | None = None) -> HLSArtefact:
    """Write a model the way that hls4ml's own defaults do, a final softmax included.

    It is here to be compared with `write`: every type is `fixed<16,6>` or left to hls4ml, and
    nothing looks at the data.
    """
    from hepnn.targets.hls4ml import emulation, project

    kit = kit or Kit(name="default", title="hls4ml's defaults", targets=["hls4ml"])
    with logged(directory / "build.log"):
        graph = project.plain(model, directory, kit)
        project.write(graph, directory)
    shape = single_input(model, "hls4ml")
    built = emulation.build(directory, int(np.prod(shape)), _size(model))
    content = _interface(model, graph, kit, False, False, built)
    files.write_json(directory / NAME, {**content, "promise": "bounded"})
    return load(directory)[0]


def _size(model: Any) -> int:
    return int(np.prod(model.outputs[0].shape[1:]))


def _interface(
    network: Any, graph: Any, kit: Kit, exact: bool, stripped: bool, built: dict[str, Any]
) -> dict[str, Any]:
    shape = single_input(network, "hls4ml")
    found = first_lane(network) if exact else None
    entered, left = graph.get_input_variables()[0], graph.get_output_variables()[0]
    options = kit.hls4ml
    return {
        "target": "hls4ml",
        "promise": "exact" if exact else "bounded",
        "input": {
            "shape": list(shape),
            "type": f"ap_{entered.type.precision}",
            "order": "features as in the data card, the last axis; row by row",
            "quantities": "physical",
            # Firmware receives numbers on this grid. Putting them there is the sender's part: the
            # input type has room for the widest feature and wraps at its own end, not theirs.
            "host": "none" if found is None else "quantize",
            "grid": None if found is None else found[1].grid(shape),
        },
        "output": {
            "shape": list(network.outputs[0].shape[1:]),
            "type": f"ap_{left.type.precision}",
            "quantity": "logits; the final softmax is left out" if stripped else "as the model's",
            "host": "softmax" if stripped else "none",
        },
        "project": {
            "backend": options.backend,
            "part": kit.part or graph.config.config.get("Part"),
            "clock_period_ns": kit.clock_period_ns or 5.0,
            "io_type": options.io_type,
            "strategy": options.strategy,
            "reuse_factor": options.reuse_factor,
        },
        "layers": work.layers(graph),
        "part": fits.part_of(kit),
        "emulation": built,
    }
