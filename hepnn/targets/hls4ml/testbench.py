"""hls4ml's own test bench, given events and made to compare: it fails on a differing bit.

hls4ml 1.3 leaves `tb_data/` empty, and its bench prints numbers and returns 0 whatever they are;
without events it makes some up. That of oneAPI writes into a vector of no length, and that of
VivadoAccelerator does not compile where the input's type is named after the input.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hepnn import files
from hepnn.errors import TargetError
from hepnn.targets.hls4ml import backends
from hepnn.targets.hls4ml.project import PROJECT
from hepnn.targets.kit import Kit

#: What goes in, on the grid of the interface; what has to come out; the quantities before the
#: host put them on the grid.
INPUTS, OUTPUTS, QUANTITIES = (
    f"tb_data/{name}.dat"
    for name in ("tb_input_features", "tb_output_predictions", "physical_quantities")
)

#: Compiles the bench with any C++ compiler and runs it.
SCRIPT = "run_testbench.sh"

_COMPARE = """\
#define CHECKPOINT 5000

// Every output of every event has to be the expected number, to the last bit.
static const unsigned EVENTS_EXPECTED = {events};
static unsigned events_compared = 0, events_differing = 0;

template <class T> auto as_number(const T &x, int) -> decltype(x.to_double()) {{
    return x.to_double();
}}
template <class T> double as_number(const T &x, long) {{ return x; }}

template <class T> static void compare(const T *outputs, const std::vector<float> &expected) {{
    bool same = expected.size() == {outputs};
    for (unsigned i = 0; same && i < {outputs}; i++)
        same = as_number(outputs[i], 0) == double(expected[i]);
    if (!same && events_differing++ == 0)
        std::cout << "ERROR: first difference in event " << events_compared << std::endl;
    events_compared++;
}}

static int verdict() {{
    const bool good = events_compared == EVENTS_EXPECTED && events_differing == 0;
    std::cout << (good ? "PASS: " : "FAIL: ") << events_compared << " of " << EVENTS_EXPECTED
              << " events compared, " << events_differing << " differ" << std::endl;
    return good ? 0 : 1;
}}
"""

#: Calls of Intel's HLS, for other compilers.
_PLAIN = """
#ifndef __INTELFPGA_COMPILER__
#define ihc_hls_enqueue(result, component, input) *(result) = component(input)
#define ihc_hls_component_run_all(component)
#endif
"""

_RUN = """\
#!/bin/sh
# The test bench without the vendor's tools: exit code 0 when all outputs are as expected.
set -e
cd "$(dirname "$0")"
ulimit -s unlimited 2>/dev/null || true
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
"${{CXX:-g++}}" -std=c++17 -O1 -w {flags} {sources} -o "$built/testbench"
"$built/testbench" {arguments}
"""


def write(
    directory: Path,
    graph: Any,
    kit: Kit,
    quantities: np.ndarray,
    inputs: np.ndarray,
    expected: np.ndarray,
) -> None:
    """Fill `tb_data/` and let the bench compare.

    Parameters
    ----------
    directory
        The HLS project.
    graph
        hls4ml's model.
    kit
        Its backend.
    quantities, inputs
        Physical quantities `(events, *shape)`, and the same as the firmware is given them.
    expected
        What has to come out `(events, outputs)`.

    Raises
    ------
    TargetError
        If the bench is not that of hls4ml 1.3.
    """
    tables = ((INPUTS, inputs), (OUTPUTS, expected), (QUANTITIES, quantities))
    for name, table in tables:
        rows = (" ".join(map(repr, row)) for row in table.reshape(len(table), -1).tolist())
        files.write_text(directory / name, "\n".join(rows) + "\n")
    bench = directory / backends.of(kit).sources / f"{PROJECT}_test.cpp"
    text = bench.read_text()
    sizes = {"events": len(expected), "outputs": expected[0].size}
    output = graph.get_output_variables()[0].name.rpartition(".")[2]
    for before, after in _edits(kit.hls4ml.backend, output):
        if before not in text:
            raise TargetError(f"target hls4ml: {bench} is not the test bench of hls4ml 1.3")
        # Of a marker that comes twice, the second is for when there are no events.
        text = text.replace(before, after, 1)
    if kit.hls4ml.backend == "VivadoAccelerator":
        text = text.replace(" inputs_t,", " input_axi_t,")
    text = text.replace("#define CHECKPOINT 5000\n", _COMPARE.format(**sizes), 1)
    files.write_text(bench, text)
    if kit.hls4ml.backend == "Catapult":
        _invoke(directory / "build_prj.tcl")
    if backends.of(kit).emulated:
        files.write_text(directory / SCRIPT, _script(kit))


def _invoke(script: Path) -> None:
    """Let Catapult's script hand the events to the bench, which would else make some up."""
    before = 'INVOKE_ARGS "$sfd/firmware/weights"'
    after = f'INVOKE_ARGS "$sfd/firmware/weights $sfd/{INPUTS} $sfd/{OUTPUTS}"'
    text = script.read_text()
    if text.count(before) != 1:
        raise TargetError(f"target hls4ml: {script} is not the script of hls4ml 1.3")
    files.write_text(script, text.replace(before, after))


def _edits(backend: str, output: str) -> list[tuple[str, str]]:
    """Return what is replaced in the bench of a backend."""
    marker = "// hls-fpga-machine-learning insert tb-output\n"
    define = "#define CHECKPOINT 5000\n"
    edits = [("return 0;", "return verdict();")]
    if backend == "oneAPI":
        unsized = "std::copy(pr.cbegin(), pr.cend(), predictions.back().begin());"
        return [*edits, (define, define), (unsized, "compare(outputs, pr);")]
    if backend == "Quartus":
        call = f"compare(outputs[j].{output}, predictions[j]);"
        return [*edits, (define, _PLAIN + define), (marker, f"{call}\n{marker}")]
    name = "outputs" if backend == "VivadoAccelerator" else output
    return [*edits, (define, define), (marker, f"compare({name}, pr);\n{marker}")]


def _script(kit: Kit) -> str:
    backend = backends.of(kit)
    flags = [f"-I{folder}" for folder in backend.includes]
    sources = [f"{PROJECT}_test.cpp", f"firmware/{PROJECT}.cpp"]
    sources += [f"firmware/{name}" for name in backend.beside]
    arguments = ""
    if kit.hls4ml.backend == "Catapult":
        flags += ["-Ifirmware", "-DRANDOM_FRAMES=0"]
        arguments = f"firmware/weights {INPUTS} {OUTPUTS}"
    elif backend.vendor == "AMD":
        flags += ["-DWEIGHTS_DIR='\"firmware/weights\"'"]
    return _RUN.format(flags=" ".join(flags), sources=" ".join(sources), arguments=arguments)
