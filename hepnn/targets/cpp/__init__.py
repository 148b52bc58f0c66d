"""C++: the network on whole numbers, for any program, with no library behind it.

Written is a CMake project of C++17: `network.cpp` is generated and readable, in one of three forms.
Dense networks become matrices of 16-bit numbers for the processor's vector units; recurrent ones
two programs, of one step and of the answer, whose state a caller may keep; any other one, all that
`rtl` takes, a straight line of additions, shifts and wraps, from the same program of alkaid's that
the Verilog is made of. Before anything is kept, the compiled code is compared with
Keras, on the calibration events, on its test vectors and on random inputs in range, at its ends
and far outside; a network that differs is refused.

Beside it are `network.h`, an example, a test that `ctest` runs over `vectors/`, a loop that
measures nanoseconds, and `interface.json` (grids of both sides).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import RunError, TargetError
from hepnn.targets import Verdict, preflight, vectors
from hepnn.targets.cpp import build, matrices, source, steps
from hepnn.targets.cpp.artefact import Integers
from hepnn.targets.cpp.program import Program
from hepnn.targets.fixed_point import first_lane
from hepnn.targets.inference import without_noise
from hepnn.targets.interface import NAME, logged, single_input
from hepnn.targets.kit import Kit

#: Random events, and calibration events, that the code is compared with Keras on.
_RANDOM, _CALIBRATION = 4096, 4096

#: Straight lines of fewer operations are as fast as matrices: one takes 0.12 ns where the
#: matrices of 16-64-32-32-5 take 56 (`benchmarks/trigger_latency.py`).
_FEW = 400


def check(model: Any, kit: Kit) -> list[Verdict]:
    """Say what becomes of each layer: what the integer program takes, compared with Keras.

    Raises
    ------
    TargetError
        If the model has several inputs or outputs.
    """
    from hepnn.targets.rtl import trace

    single_input(model, "cpp")
    model = without_noise(model)
    try:
        traced = trace.trace_network(model, "cpp")
        Program(traced.comb, traced.lane)
    except TargetError as error:
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
) -> list[Integers]:
    """Write a stage as C++, compile it, and compare it with Keras.

    Parameters
    ----------
    model
        The Keras model, physical quantities to outputs.
    directory
        Where to write; exists and is empty.
    kit
        Namespace, form, and when the compiler is given up.
    calibration
        Physical quantities `(events, *shape)`; the code is compared with Keras on them.
    exact
        The stage is fixed point throughout, so that code that differs is refused.
    formats
        There is one; none may be named.

    Raises
    ------
    TargetError
        If a layer cannot be traced, the form does not take it, or the code differs from Keras.
    MissingDependency
        If there is no C++ compiler.
    """
    from hepnn.targets.rtl import project, trace

    if formats:
        raise TargetError(f"target cpp: unknown format {formats[0]!r}; it has one and no name")
    build.find_compiler()
    model = without_noise(model)
    with logged(directory / build.LOG):
        traced = trace.trace_network(model, "cpp")
        program = Program(traced.comb, traced.lane)
        network, form, operations = _network(model, traced, program, kit)
    random = trace.probe(traced, _RANDOM)
    chosen = vectors.choose(calibration, traced.lane)
    source.write(directory, network)
    wanted = model.predict(chosen.x, verbose=0) if exact else traced.predict(chosen.x)
    source.write_vectors(directory, chosen, wanted)
    ports = project.interface(traced)
    for side, name in (("input", "quantities"), ("output", "outputs")):
        del ports[side]["port"]
        size = int(np.prod(ports[side]["shape"]))
        ports[side] |= {"bits": [], "ports": [f"{name}[{n}]" for n in range(size)]}
    ports["input"] |= {"quantities": "physical, float32", "rounds_inside": True}
    ports["output"]["grid"]["fraction"] = list(network.fractions)
    content = {
        "target": "cpp",
        "promise": "exact" if exact else "bounded",
        **ports,
        "vectors": vectors.described(chosen, "keras" if exact else "interpreter", 0),
        "project": {
            "namespace": network.namespace,
            "form": form,
            "operations": operations,
            "bits": network.bits,
            "options": network.options,
            "timeout_s": kit.cpp.timeout_s,
        },
    }
    files.write_json(directory / NAME, content)
    made = Integers(directory)
    some = np.asarray(calibration[:_CALIBRATION], np.float32)
    events = np.concatenate([some, random, chosen.x])
    expected = model.predict(events, verbose=0) if exact else traced.predict(events)
    differing = np.any((made.predict(events) != expected).reshape(len(events), -1), axis=1)
    if differing.any():
        layer, reason = trace.difference(model, traced, events) or (
            model.layers[-1].name,
            f"differs from Keras in {differing.sum()} of {len(events)} events",
        )
        raise TargetError(f"target cpp: model {model.name!r}, layer {layer!r}: {reason}")
    return [made]


def load(directory: Path) -> list[Integers]:
    """Open what `write` left, without Keras.

    Raises
    ------
    RunError
        If a file is missing or damaged.
    """
    content = files.read_json(directory / NAME)
    if not isinstance(content, dict) or content.get("target") != "cpp":
        raise RunError(f"{directory / NAME} is not of the target cpp")
    return [Integers(directory)]


def _network(
    model: Any, traced: Any, program: Program, kit: Kit
) -> tuple[source.Network, str, int]:
    """Return what fills the templates, its form, and how many operations its code has."""
    found = first_lane(model)
    wanted, operations = kit.cpp.form, program.operations
    stages = None
    if found is not None and (
        wanted == "matrices" or wanted == "auto" and program.operations >= _FEW
    ):
        stages = matrices.stages(model, found[1])
    if stages is None and wanted == "matrices":
        raise TargetError(
            f"target cpp: model {model.name!r} is no chain of dense layers of 16 bits; form: auto"
        )
    by_step = steps.of(model, traced.lane) if wanted in ("auto", "steps") else None
    if by_step is None and wanted == "steps":
        raise TargetError(
            f"target cpp: model {model.name!r} is no recurrent network that reads one step after "
            "the other, in one direction; form: auto"
        )
    if by_step is not None:
        code, form, options = source.of_steps(by_step), "steps", "-O1"
        bits = max(by_step.advance.bits, by_step.answer.bits)
        fractions = by_step.answer.fractions
        operations = by_step.advance.operations + by_step.answer.operations
    elif stages is not None:
        code, form, options = source.of_stages(stages), "matrices", "${FAST}"
        bits, fractions = 32, stages[-1].fraction.tolist()
    else:
        code, form, options = program.source(), "program", "-O1"
        bits, fractions = program.bits, program.fractions
    network = source.Network(
        title=f"{re.sub(r'[^ -~]', '?', model.name)}: whole numbers, form {form}",
        namespace=kit.cpp.namespace,
        shape=traced.shape,
        output_shape=traced.output_shape,
        lane=traced.lane,
        fractions=fractions,
        bits=bits,
        code=code,
        options=options,
        steps=by_step,
    )
    return network, form, operations
