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
from hepnn.targets import Verdict, preflight, vectors
from hepnn.targets.fixed_point import is_fixed_point
from hepnn.targets.hls4ml import backends, entrance, ports
from hepnn.targets.hls4ml.artefact import HLSArtefact
from hepnn.targets.hls4ml.synthesis import available, synthesize
from hepnn.targets.inference import without_noise
from hepnn.targets.interface import NAME, logged, single_input
from hepnn.targets.kit import Kit

__all__ = ["check", "load", "synthesize", "write"]


def check(model: Any, kit: Kit) -> list[Verdict]:
    """Convert the model, without compiling, and say what becomes of every layer.

    Raises
    ------
    TargetError
        If the model has several inputs or outputs.
    """
    from hepnn.targets.hls4ml import precision, project
    from hepnn.targets.hls4ml.recurrent import written_out

    single_input(model, "hls4ml")
    logits, _ = entering(model, kit)
    network, origin = written_out(logits)
    fixed = any(is_fixed_point(layer) for layer in network.layers)
    refused = {} if fixed else precision.refused(network)
    untrusted = backends.refused(network, kit, fixed)
    refused |= untrusted
    with logged(Path(os.devnull)):
        try:
            if not untrusted:
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
    from hepnn.targets.hls4ml import (
        emulation,
        intervals,
        lookups,
        notebook,
        precision,
        project,
        testbench,
    )
    from hepnn.targets.hls4ml.recurrent import written_out

    shape = single_input(model, "hls4ml")
    emulated = backends.of(kit).emulated
    if emulated:
        emulation.find_compiler()
    logits, stripped = entering(model, kit)
    network, _ = written_out(logits)
    for layer, reason in backends.refused(network, kit, exact).items():
        raise TargetError(f"target hls4ml: layer {layer!r}: {reason}")
    with logged(directory / "build.log"):
        if exact:
            graph = project.exact(network, directory, kit)
        elif kit.hls4ml.types == "default":
            graph = project.plain(network, directory, kit)
        else:
            graph = project.calibrated(network, directory, kit, calibration)
        project.write(graph, directory, kit)
    lane = entrance.lane(network, graph) if exact else None
    content = ports.interface(network, graph, kit, exact, stripped, lane)
    if not exact and kit.hls4ml.types == "calibrated":
        seen = precision.looked_at(calibration)
        content["ranges"] = intervals.report(network, graph, seen)
        content["tables"] = lookups.report(network, graph, seen)
    chosen = vectors.choose(calibration, lane)
    on_grid = chosen.x if lane is None else lane.quantize(chosen.x)
    size = int(np.prod(network.outputs[0].shape[1:]))
    wanted = logits.predict(chosen.x, verbose=0).reshape(len(on_grid), size)
    origin, differing = "keras", None
    if emulated:
        built = emulation.build(directory, int(np.prod(shape)), size, kit)
        content["emulation"] = built
        given = emulation.Emulation(directory, built, int(np.prod(shape)), size)(on_grid)
        given = given.astype(np.float32)
        if exact:
            differing = int((given != wanted).any(axis=1).sum())
        else:
            origin, wanted = "emulation", given
    testbench.write(directory, graph, kit, chosen.x, on_grid, wanted)
    if kit.hls4ml.backend == "VivadoAccelerator":
        notebook.write(directory)
    content["vectors"] = vectors.described(chosen, origin, differing)
    files.write_json(directory / NAME, content)
    if kit.hls4ml.synthesize and available(kit.hls4ml.backend):
        synthesize(directory, kit.hls4ml.backend, kit.hls4ml.synthesis_timeout_s)
    return load(directory)


def entering(model: Any, kit: Kit) -> tuple[Any, bool]:
    """Return what is converted, and whether a final softmax was left out of it."""
    from hepnn.targets.hls4ml.strip import without_softmax

    quiet = without_noise(model)
    return (quiet, False) if kit.hls4ml.types == "default" else without_softmax(quiet)


def load(directory: Path) -> list[HLSArtefact]:
    """Open what `write` left, from where it lies now, with numpy alone.

    A project that is not compiled here, as one for oneAPI, has nothing that decides.

    Raises
    ------
    RunError
        If a file is missing, damaged or not what was built.
    """
    content = files.read_json(directory / NAME)
    try:
        return [HLSArtefact(directory, content)] if content["emulation"] else []
    except (KeyError, TypeError) as error:
        raise RunError(f"{directory / NAME} is damaged: no {error}") from error
